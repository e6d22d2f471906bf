#include "harness/run/shadows.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <sstream>

#include "harness/suite/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

// A process that trains one shadow. What it tells, it writes into a pipe: `ok ACCURACY TIME` and
// the shadow's bytes, or `error CODE` and a message.
struct Trainer {
  const Unit* unit = nullptr;
  pid_t process = 0;
  int file = -1;
  std::string told;
};

void write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // who would read it is gone
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

std::string train_one(const Suite& suite, const Plan& plan, const Unit& unit) {
  const Clock::time_point start = Clock::now();
  const Audit& audit = plan.audits[unit.audit];
  const ReadRecords read = [&audit](std::span<const int64_t> rows) {
    std::vector<RecordRef> records;
    for (const int64_t row : rows) records.push_back(audit.training[static_cast<size_t>(row)]);
    return read_records(records);
  };
  const Rng seeds(suite.seed, "train", 0);
  const auto seed = static_cast<uint64_t>(seeds.uniform(static_cast<uint64_t>(unit.shadow), 0, 0) *
                                          9007199254740992.0);
  const Shadow shadow = train_shadow(*audit.architecture, suite.model, audit.shadows.recipe, read,
                                     trained_on(audit, unit.shadow), seed);
  std::ostringstream text;
  text.precision(17);
  text << "ok " << shadow.accuracy << ' '
       << std::chrono::duration<double>(Clock::now() - start).count() << '\n'
       << shadow.bytes;
  return text.str();
}

[[noreturn]] void be_trainer(const Suite& suite, const Plan& plan, const Unit& unit, int file,
                             pid_t parent) {
  for (const int number : {SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    std::signal(number, SIG_DFL);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  std::string text;
  try {
    enter_worker();
    text = train_one(suite, plan, unit);
  } catch (const Error& error) {
    // A network that cannot be trained is no candidate to be refused.
    const ExitCode code = error.code() == ExitCode::kRefused ? ExitCode::kUsage : error.code();
    text = "error " + std::to_string(static_cast<int>(code)) + '\n' + error.what();
  } catch (const std::exception& error) {
    text = "error " + std::to_string(static_cast<int>(ExitCode::kUsage)) + '\n' + error.what();
  }
  write_all(file, text);
  _exit(0);  // nothing of the parent's is flushed or destroyed a second time
}

Trainer start(const Suite& suite, const Plan& plan, const Unit& unit) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error("cannot open a pipe: " + std::string(std::strerror(errno)), ExitCode::kIncomplete);
  }
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) {
    close(ends[0]);
    close(ends[1]);
    throw Error("cannot start a process: " + std::string(std::strerror(errno)),
                ExitCode::kIncomplete);
  }
  if (process == 0) be_trainer(suite, plan, unit, ends[1], parent);
  close(ends[1]);
  return {&unit, process, ends[0], {}};
}

// Reads what is there; true at the end.
bool read_some(Trainer* trainer) {
  std::array<char, 65536> piece{};
  const ssize_t size = read(trainer->file, piece.data(), piece.size());
  if (size < 0) return errno != EINTR;
  trainer->told.append(piece.data(), static_cast<size_t>(size));
  return size == 0;
}

int wait_for(const Trainer& trainer) {
  close(trainer.file);
  int status = 0;
  while (waitpid(trainer.process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string name_of(const Trainer& trainer) {
  return "training shadow " + std::to_string(trainer.unit->shadow) + " of " + trainer.unit->cell;
}

// `where` is the entry's place in the suite.
UnitResult finish(const Trainer& trainer, const Where& where, Store* store) {
  const int status = wait_for(trainer);
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    if (number == SIGINT || number == SIGTERM) {
      throw Error(std::string("stopped by SIG") + sigabbrev_np(number), ExitCode::kIncomplete);
    }
    const bool killed = number == SIGKILL;
    throw Error(where,
                name_of(trainer) + " was ended by SIG" + sigabbrev_np(number) +
                    (killed ? ", as happens when memory runs out; lower --workers"
                            : "; say `architecture: cnn` to train a network of ours instead"),
                killed ? ExitCode::kIncomplete : ExitCode::kUsage);
  }
  const size_t line = trainer.told.find('\n');
  std::istringstream head(trainer.told.substr(0, line));
  std::string word;
  head >> word;
  UnitResult result;
  result.key = trainer.unit->key;
  result.cell = trainer.unit->cell;
  Fidelity fidelity;
  if (word == "ok" && head >> fidelity.shadow_members >> result.cost.time_s) {
    fidelity.shadows = 1;
    result.fidelity = fidelity;
    result.tensors = store->put_blob(std::string_view(trainer.told).substr(line + 1));
    return result;
  }
  int code = 0;
  if (word == "error" && head >> code) {
    throw Error(where, name_of(trainer) + ": " + trainer.told.substr(line + 1),
                static_cast<ExitCode>(code));
  }
  throw Error(name_of(trainer) + " ended without a result", ExitCode::kIncomplete);
}

}  // namespace

std::string train_shadows(const Suite& suite, const Plan& plan,
                          const std::vector<const Unit*>& units, const RunOptions& options,
                          Store* store, const std::function<void(UnitResult)>& done) {
  std::vector<Trainer> running;
  size_t next = 0;
  std::string reason;
  const auto end_all = [&] {
    for (const Trainer& trainer : running) kill(trainer.process, SIGKILL);
    for (const Trainer& trainer : running) wait_for(trainer);
    running.clear();
  };
  try {
    while (next < units.size() || !running.empty()) {
      reason = options.stop();
      if (!reason.empty()) break;
      while (next < units.size() && running.size() < static_cast<size_t>(options.workers)) {
        running.push_back(start(suite, plan, *units[next++]));
      }
      std::vector<pollfd> files;
      for (const Trainer& trainer : running) files.push_back({trainer.file, POLLIN, 0});
      // Now and then it is asked whether to stop.
      if (poll(files.data(), files.size(), 200) <= 0) continue;
      for (size_t i = files.size(); i-- > 0;) {
        if (files[i].revents == 0 || !read_some(&running[i])) continue;
        const Trainer ended = std::move(running[i]);
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
        done(finish(ended, suite.attacks[ended.unit->entry].where, store));
      }
    }
  } catch (...) {
    end_all();
    throw;
  }
  end_all();
  return reason;
}

}  // namespace assay

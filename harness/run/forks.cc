#include "harness/run/forks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "harness/model/crash.h"
#include "harness/model/stop_signals.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr std::array kCrashes = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// What a child says of a failure instead of a result.
constexpr const char* kError = "error";
constexpr const char* kCode = "code";

struct Child {
  const Unit* unit = nullptr;
  ChildProcess at;
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

// Each text after its length, and a last line that says it was the last.
std::string pack(const Told& told) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::to_string(part.size()) + '\n';
    text += part;
  };
  for (const auto& [name, value] : told) {
    add(name);
    add(value);
  }
  return text + "end\n";
}

std::optional<Told> unpack(std::string_view text) {
  const auto take = [&text]() -> std::optional<std::string> {
    const size_t line = text.find('\n');
    if (line == std::string_view::npos) return std::nullopt;
    const std::string length(text.substr(0, line));
    if (length.empty() || length.find_first_not_of("0123456789") != std::string::npos) {
      return std::nullopt;
    }
    const size_t size = std::stoull(length);
    if (size > text.size() - line - 1) return std::nullopt;
    std::string part(text.substr(line + 1, size));
    text.remove_prefix(line + 1 + size);
    return part;
  };
  Told told;
  while (text != "end\n") {
    std::optional<std::string> name = take();
    std::optional<std::string> value = name ? take() : std::nullopt;
    if (!value) return std::nullopt;
    told.emplace(std::move(*name), std::move(*value));
  }
  return told;
}

[[noreturn]] void be_child(const Unit& unit, const std::function<Told(const Unit&)>& work,
                           int file) {
  for (const int number : kCrashes) std::signal(number, SIG_DFL);
  record_crashes(file);
  Told told;
  try {
    enter_worker();
    told = work(unit);
  } catch (const Error& error) {
    // A network that cannot be trained is no candidate to be refused.
    const ExitCode code = error.code() == ExitCode::kRefused ? ExitCode::kUsage : error.code();
    told = {{kCode, std::to_string(static_cast<int>(code))}, {kError, error.what()}};
  } catch (const ModelFailure& error) {
    told = {{kCode, std::to_string(static_cast<int>(ExitCode::kUsage))}, {kError, error.what()}};
  } catch (const std::exception& error) {
    told = {{kCode, std::to_string(static_cast<int>(ExitCode::kIncomplete))},
            {kError, std::string(error.what()).substr(0, 400)}};
  }
  write_all(file, pack(told));
  _exit(0);  // nothing of the parent's is flushed or destroyed a second time
}

Child start(const Unit& unit, const std::function<Told(const Unit&)>& work) {
  const ChildProcess at = start_child();
  if (at.process == 0) be_child(unit, work, at.file);
  return {&unit, at, {}};
}

// Reads what is there; true at the end.
bool read_some(Child* child) {
  std::array<char, 65536> piece{};
  const ssize_t size = read(child->at.file, piece.data(), piece.size());
  if (size < 0) return errno != EINTR;
  child->told.append(piece.data(), static_cast<size_t>(size));
  return size == 0;
}

// `where` is the entry's place in the suite, `name` the work's.
Ended finish(const Child& child, const Where& where, const std::string& name) {
  const int status = wait_for(child.at);
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const bool crashed = std::find(kCrashes.begin(), kCrashes.end(), number) != kCrashes.end();
    if (!crashed && number != SIGKILL) {
      throw Error(std::string("stopped by SIG") + sigabbrev_np(number), ExitCode::kIncomplete);
    }
    if (number == SIGKILL) {
      throw Error(where,
                  name + " was ended by SIGKILL, as happens when memory runs out; lower --workers",
                  ExitCode::kIncomplete);
    }
    Crash crash;
    const bool in_model = parse_crash(child.told, &crash) && !crash.of_source;
    return {{}, number, in_model, crash.work};
  }
  std::optional<Told> told = unpack(child.told);
  if (!told) throw Error(name + " ended without a result", ExitCode::kIncomplete);
  if (const auto error = told->find(kError); error != told->end()) {
    throw Error(where, name + ": " + error->second,
                static_cast<ExitCode>(std::stoi(told->at(kCode))));
  }
  return {std::move(*told)};
}

}  // namespace

ChildProcess start_child() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error("cannot open a pipe: " + std::string(std::strerror(errno)), ExitCode::kIncomplete);
  }
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) {
    const std::string reason = std::strerror(errno);
    close(ends[0]);
    close(ends[1]);
    throw Error("cannot start a process: " + reason, ExitCode::kIncomplete);
  }
  close(ends[process == 0 ? 0 : 1]);
  if (process > 0) return {process, ends[0]};
  for (const int number : stop_signals()) std::signal(number, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(static_cast<int>(ExitCode::kIncomplete));
  return {0, ends[1]};
}

int wait_for(const ChildProcess& child) {
  close(child.file);
  int status = 0;
  while (waitpid(child.process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string run_forked(const Suite& suite, const std::vector<const Unit*>& units,
                       const RunOptions& options,
                       const std::function<std::string(const Unit&)>& name_of,
                       const std::function<Told(const Unit&)>& work,
                       const std::function<void(const Unit&, Ended)>& done) {
  std::vector<Child> running;
  size_t next = 0;
  std::string reason;
  const auto end_all = [&] {
    for (const Child& child : running) kill(child.at.process, SIGKILL);
    for (const Child& child : running) wait_for(child.at);
    running.clear();
  };
  try {
    while (next < units.size() || !running.empty()) {
      reason = options.stop();
      if (!reason.empty()) break;
      while (next < units.size() && running.size() < static_cast<size_t>(options.workers)) {
        running.push_back(start(*units[next++], work));
      }
      std::vector<pollfd> files;
      for (const Child& child : running) files.push_back({child.at.file, POLLIN, 0});
      // Now and then it is asked whether to stop.
      if (poll(files.data(), files.size(), 200) <= 0) continue;
      for (size_t i = files.size(); i-- > 0;) {
        if (files[i].revents == 0 || !read_some(&running[i])) continue;
        const Child ended = std::move(running[i]);
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
        const Unit& unit = *ended.unit;
        done(unit, finish(ended, suite.attacks[unit.entry].where, name_of(unit)));
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

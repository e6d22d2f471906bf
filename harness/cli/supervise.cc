#include "harness/cli/supervise.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>

#include "harness/cli/progress.h"
#include "harness/model/stop_signals.h"
#include "harness/run/forks.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// timeout(1) signals the process and then its group, and a terminal's user may press a key twice:
// what comes so soon is no second signal.
constexpr double kEcho_s = 1;

// All that a signal handler may touch.
volatile std::sig_atomic_t child_process = 0;
volatile std::sig_atomic_t signals_seen = 0;
volatile std::sig_atomic_t last_signal = 0;

void forward_signal(int number) {
  last_signal = number;
  signals_seen = signals_seen + 1;
  if (child_process > 0) kill(child_process, number);
}

void forward_signals() {
  struct sigaction action {};
  action.sa_handler = forward_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : stop_signals()) sigaction(number, &action, nullptr);
}

// "SIGTERM".
std::string signal_name(int number) { return std::string("SIG") + sigabbrev_np(number); }

// An attempt as its supervisor sees it.
class Supervised {
 public:
  // `started`: when the first attempt began.
  Supervised(Attempt* attempt, Clock::time_point started) : attempt_(attempt), started_(started) {}

  // Takes over what the child tells.
  void learn(std::string_view told) {
    rest_ += told;
    for (size_t end = rest_.find('\0'); end != std::string::npos; end = rest_.find('\0')) {
      learn_line(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
  }

  // Why the child must be ended, or "".
  std::string overdue() {
    const Clock::time_point now = Clock::now();
    const auto since = [now](Clock::time_point then) { return Seconds(now - then).count(); };
    if (signals_seen > 0 && !signalled_) signalled_ = now;
    if (signalled_ && since(*signalled_) < kEcho_s) heard_ = signals_seen;
    if (signalled_ && signals_seen > heard_) {
      return with_work("stopped by a second " + signal_name(last_signal));
    }
    // One that only reports, or has nowhere to report to yet, is at no unit of a run.
    if (reporting_ || !attempt_->failed.empty() || attempt_->folder.empty()) return "";
    if (since(folder_since_) <= kGrace_s) return "";
    if (signalled_ && since(*signalled_) > kGrace_s) {
      return with_work("stopped by " + signal_name(last_signal));
    }
    if (limit_s_ > 0 && since(started_) > limit_s_ + kGrace_s) {
      return with_work(time_limit_text(limit_s_));
    }
    return "";
  }

  // True if it told of a crash that was not known.
  bool crashed() const { return crashed_; }

  // True if its exit code is what the work came to.
  bool done() const { return done_; }

  // The reason, with what was under way.
  std::string with_work(const std::string& reason) const {
    constexpr size_t kMost = 4;
    std::string names;
    for (size_t i = 0; i < std::min(under_way_.size(), kMost); ++i) {
      names += (i == 0 ? "" : ", ") + under_way_[i];
    }
    if (names.empty()) return reason;
    const size_t more = under_way_.size() - std::min(under_way_.size(), kMost);
    if (more > 0) names += " and " + std::to_string(more) + " more";
    return reason + ", and this did not end: " + names;
  }

 private:
  void learn_line(const std::string& line) {
    Crash crash;
    if (line.starts_with("folder ")) {
      attempt_->folder = line.substr(7);
      folder_since_ = Clock::now();
    } else if (line.starts_with("limit ")) {
      limit_s_ = std::stod(line.substr(6));
    } else if (line == "reporting") {
      reporting_ = true;
    } else if (line == "done") {
      done_ = true;
    } else if (line.starts_with("begin ")) {
      under_way_.push_back(line.substr(6));
    } else if (line.starts_with("end ")) {
      const auto found = std::find(under_way_.begin(), under_way_.end(), line.substr(4));
      if (found != under_way_.end()) under_way_.erase(found);
    } else if (parse_crash(line, &crash)) {
      const bool known = std::any_of(
          attempt_->crashes.begin(), attempt_->crashes.end(),
          [&](const Crash& other) { return other.work == crash.work && other.row == crash.row; });
      if (known) return;
      attempt_->crashes.push_back(crash);
      crashed_ = true;
    }
  }

  Attempt* attempt_;
  Clock::time_point started_;
  std::string rest_;  // of a line that is not whole yet
  std::vector<std::string> under_way_;
  double limit_s_ = 0;
  bool reporting_ = false;
  bool crashed_ = false;
  bool done_ = false;
  Clock::time_point folder_since_ = Clock::now();
  std::optional<Clock::time_point> signalled_;
  int heard_ = 0;  // signals that count as one
};

// Reads what the child tells until it ends, and ends it where it must be. Returns why, or "".
std::string attend(const ChildProcess& child, Supervised* watch) {
  std::string reason;
  std::array<char, 4096> piece{};
  for (;;) {
    if (reason.empty()) {
      reason = watch->overdue();
      if (!reason.empty()) kill(child.process, SIGKILL);
    }
    pollfd ready{child.file, POLLIN, 0};
    if (poll(&ready, 1, 200) <= 0) continue;  // now and then it is asked whether to end it
    const ssize_t size = read(child.file, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return reason;
    watch->learn({piece.data(), static_cast<size_t>(size)});
  }
}

// A zero byte ends each line, since paths may hold line ends.
void tell(const Attempt& attempt, const std::string& line) {
  // Without a folder a second attempt would take a second one, without the others the supervisor
  // would wait for longer, no more.
  while (write(attempt.record, line.c_str(), line.size() + 1) < 0 && errno == EINTR) {
  }
}

// Why an attempt ended that neither returned nor was crashed by a model.
std::string fault_of(int number) {
  if (number == SIGKILL) {
    return "it was ended by SIGKILL, as happens when memory runs out; lower --workers or run.block";
  }
  if (number == SIGINT || number == SIGTERM || number == SIGHUP) {
    return "stopped by " + signal_name(number);
  }
  return "it was ended by " + signal_name(number) + " outside of any model";
}

std::string exit_text(int code) {
  return "code that is not ours ended the process, with exit code " + std::to_string(code);
}

// The work's result, which only then counts: code that is not ours may call exit().
ExitCode told_when_done(const std::function<ExitCode(const Attempt&)>& work,
                        const Attempt& attempt) {
  try {
    const ExitCode code = work(attempt);
    tell(attempt, "done");
    return code;
  } catch (...) {
    tell(attempt, "done");
    throw;
  }
}

}  // namespace

void keep_folder(const Attempt& attempt, const std::string& folder) {
  tell(attempt, "folder " + folder);
}

void keep_time_limit(const Attempt& attempt, double seconds) {
  tell(attempt, "limit " + number_text(seconds));
}

void keep_reporting(const Attempt& attempt) { tell(attempt, "reporting"); }

void keep_under_way(const Attempt& attempt, const std::string& what, bool begins) {
  tell(attempt, (begins ? "begin " : "end ") + what);
}

void tell_incomplete(const std::string& reason) {
  std::cerr << "assay: the run is incomplete: " << reason << "; go on with it by --resume"
            << std::endl;
}

ExitCode supervise(const std::function<ExitCode(const Attempt&)>& work) {
  Attempt attempt;
  forward_signals();
  const Clock::time_point started = Clock::now();
  for (;;) {
    const ChildProcess child = start_child();
    if (child.process == 0) {
      attempt.record = child.file;
      record_crashes(child.file);
      return told_when_done(work, attempt);
    }
    // One that only reports has been told to end already.
    if (!attempt.failed.empty()) signals_seen = 0;
    child_process = child.process;
    if (signals_seen > 0) kill(child.process, last_signal);  // it came between two attempts
    Supervised watch(&attempt, started);
    const std::string overdue = attend(child, &watch);
    const int status = wait_for(child);
    child_process = 0;
    if (WIFEXITED(status) && watch.done()) return static_cast<ExitCode>(WEXITSTATUS(status));
    if (!overdue.empty() || !watch.crashed()) {
      if (!attempt.failed.empty()) {
        tell_incomplete(attempt.failed);
        return ExitCode::kIncomplete;
      }
      attempt.failed = !overdue.empty()    ? overdue
                       : WIFEXITED(status) ? watch.with_work(exit_text(WEXITSTATUS(status)))
                                           : fault_of(WTERMSIG(status));
      continue;
    }
    const Crash& crash = attempt.crashes.back();
    std::cerr << "assay: a model crashed the process (" << crash.signal
              << "); going on without what crashed it" << std::endl;
  }
}

}  // namespace assay

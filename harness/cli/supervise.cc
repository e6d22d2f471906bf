#include "harness/cli/supervise.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <sstream>

#include "harness/model/stop_signals.h"

namespace assay {
namespace {

// All that a signal handler may touch.
volatile std::sig_atomic_t child_process = 0;

void forward_signal(int number) {
  if (child_process > 0) kill(child_process, number);
}

void forward_signals() {
  struct sigaction action {};
  action.sa_handler = forward_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : stop_signals()) sigaction(number, &action, nullptr);
}

std::string read_all(int file) {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t size = read(file, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(piece.data(), static_cast<size_t>(size));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

ExitCode incomplete(const std::string& reason) {
  std::cerr << "assay: the run is incomplete: " << reason << "; go on with it by --resume"
            << std::endl;
  return ExitCode::kIncomplete;
}

// Takes over what the child has told. True if it tells of a crash that was not known.
bool learn(const std::string& told, Attempt* attempt) {
  bool crashed = false;
  std::istringstream lines(told);
  for (std::string line; std::getline(lines, line);) {
    Crash crash;
    if (line.starts_with("folder ")) {
      attempt->folder = line.substr(7);
    } else if (parse_crash(line, &crash)) {
      const bool known = std::any_of(
          attempt->crashes.begin(), attempt->crashes.end(),
          [&](const Crash& other) { return other.work == crash.work && other.row == crash.row; });
      if (known) continue;
      attempt->crashes.push_back(crash);
      crashed = true;
    }
  }
  return crashed;
}

}  // namespace

void keep_folder(const Attempt& attempt, const std::string& folder) {
  const std::string line = "folder " + folder + '\n';
  // Without it a second attempt would take a second folder, no more.
  [[maybe_unused]] const ssize_t written = write(attempt.record, line.data(), line.size());
}

ExitCode supervise(const std::function<ExitCode(const Attempt&)>& work) {
  Attempt attempt;
  attempt.supervisor = getpid();
  for (;;) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw Error("cannot open a pipe: " + std::string(std::strerror(errno)),
                  ExitCode::kIncomplete);
    }
    const pid_t child = fork();
    if (child < 0) {
      throw Error("cannot start a process: " + std::string(std::strerror(errno)),
                  ExitCode::kIncomplete);
    }
    if (child == 0) {
      for (const int number : stop_signals()) std::signal(number, SIG_DFL);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != attempt.supervisor) _exit(static_cast<int>(ExitCode::kIncomplete));
      close(ends[0]);
      attempt.record = ends[1];
      record_crashes(ends[1]);
      return work(attempt);
    }
    child_process = child;
    forward_signals();
    close(ends[1]);
    const std::string told = read_all(ends[0]);
    close(ends[0]);
    const int status = wait_for(child);
    child_process = 0;
    if (WIFEXITED(status)) return static_cast<ExitCode>(WEXITSTATUS(status));
    const int number = WTERMSIG(status);
    if (!learn(told, &attempt)) {
      if (!attempt.failed.empty()) return incomplete(attempt.failed);
      const std::string name = std::string("SIG") + sigabbrev_np(number);
      attempt.failed = number == SIGKILL
                           ? "it was ended by SIGKILL, as happens when memory runs out; lower "
                             "--workers or run.block"
                       : number == SIGINT || number == SIGTERM || number == SIGHUP
                           ? "stopped by " + name
                           : "it was ended by " + name + " outside of any model";
      continue;
    }
    const Crash& crash = attempt.crashes.back();
    std::cerr << "assay: a model crashed the process (" << crash.signal
              << "); going on without what crashed it" << std::endl;
  }
}

}  // namespace assay

#include "harness/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "harness/cli/output.h"

namespace assay {
namespace {

// The one thing a signal handler may touch.
volatile std::sig_atomic_t pending_signal = 0;
volatile std::sig_atomic_t expected_sender = 0;

void note_signal(int number, siginfo_t* info, void*) {
  if (expected_sender != 0 && info->si_pid != expected_sender) return;
  // A second signal ends the process at once, for who does not want to wait for the units.
  if (pending_signal != 0) _exit(static_cast<int>(ExitCode::kIncomplete));
  pending_signal = number;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  char text[48];
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%ld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%ld min %ld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
  }
  return text;
}

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)),
      terminal_(can_draw(STDERR_FILENO)),
      last_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  if (drawn_ && terminal_) std::cerr << std::endl;
}

void ProgressBar::update(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = progress.done == progress.total;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (!last && now - last_ < pause) return;
  last_ = now;
  drawn_ = true;
  const double share =
      static_cast<double>(progress.done) / static_cast<double>(std::max<size_t>(progress.total, 1));
  const double left = progress.elapsed_s /
                      static_cast<double>(std::max<size_t>(progress.computed, 1)) *
                      static_cast<double>(progress.total - progress.done);
  char tail[128];
  std::snprintf(tail, sizeof tail, " %3.0f %% %s", 100 * share,
                last ? ("in " + duration_text(progress.elapsed_s)).c_str()
                     : (duration_text(left) + " left").c_str());
  const std::string cell = progress.cell.empty() ? "clean pass" : progress.cell;
  if (!terminal_) {
    std::cerr << title_ << tail << (last ? "" : " (" + cell + ")") << std::endl;
    return;
  }
  constexpr size_t kWidth = 24;
  const auto full = static_cast<size_t>(share * kWidth);
  std::string line = title_ + " [" + std::string(full, '#') + std::string(kWidth - full, '.') +
                     "]" + tail + (last ? "" : "  " + cell);
  const auto most = static_cast<size_t>(std::max(terminal_width() - 1, 20));
  if (line.size() > most) line.resize(most);
  std::cerr << '\r' << line << "\033[K" << std::flush;
}

void catch_signals(int sender) {
  expected_sender = sender;
  struct sigaction action {};
  action.sa_sigaction = note_signal;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::string caught_signal() {
  if (pending_signal == SIGINT) return "SIGINT";
  if (pending_signal == SIGTERM) return "SIGTERM";
  return "";
}

}  // namespace assay

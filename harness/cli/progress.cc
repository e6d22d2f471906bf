#include "harness/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "harness/cli/output.h"
#include "harness/model/stop_signals.h"

namespace assay {
namespace {

// The one thing a signal handler may touch.
volatile std::sig_atomic_t pending_signal = 0;

void note_signal(int number) {
  if (pending_signal == 0) pending_signal = number;
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

std::string unit_text(const Unit& unit) {
  const std::string cell = unit.cell.empty() ? "the clean pass" : unit.cell;
  if (unit.kind == Unit::Kind::kScore) return "scores of " + cell;
  const bool samples = unit.kind == Unit::Kind::kClean || unit.kind == Unit::Kind::kBlock;
  if (unit.begin == unit.end) return cell;
  return cell + " on " + (samples ? "samples " : "records ") + std::to_string(unit.begin) + " to " +
         std::to_string(unit.end - 1);
}

std::string time_limit_text(double limit_s) {
  return "the time limit of " + duration_text(limit_s) + " is over";
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
  // Of the time, not of the units: a training counts as many outputs.
  const double whole = progress.elapsed_s + progress.left_s;
  const double share = last || whole <= 0 ? 1 : progress.elapsed_s / whole;
  char tail[128];
  std::snprintf(tail, sizeof tail, " %3.0f %% %s", 100 * share,
                last ? ("in " + duration_text(progress.elapsed_s)).c_str()
                     : (duration_text(progress.left_s) + " left").c_str());
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

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  for (const int number : stop_signals()) sigaction(number, &action, nullptr);
}

std::string caught_signal() {
  return pending_signal == 0 ? "" : std::string("SIG") + sigabbrev_np(pending_signal);
}

}  // namespace assay

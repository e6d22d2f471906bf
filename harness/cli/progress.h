// How far a run is, on stderr: a bar with time left on a terminal, sparse lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "harness/run/run.h"

namespace assay {

/// One phase (incumbent, candidate). Call update from one thread at a time.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();  ///< ends the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(const Progress& progress);

 private:
  std::string title_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

/// Seconds as a person reads them: 45 s, 3 min 20 s, 2 h 5 min.
std::string duration_text(double seconds);

/// A unit as a person knows it: pgd@0.1 on samples 0 to 63.
std::string unit_text(const Unit& unit);
/// Why a run ends that took longer than this.
std::string time_limit_text(double limit_s);

/// Makes stop_signals() ask the run to stop between queries instead of ending the process, whoever
/// sends them: one to the whole group and the supervisor's may arrive as one. What a second one
/// does is the supervisor's affair.
void catch_signals();
/// "SIGINT", "SIGTERM" or "SIGHUP" once one arrived, else "".
std::string caught_signal();

}  // namespace assay

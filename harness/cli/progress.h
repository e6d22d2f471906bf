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

/// Makes stop_signals() ask the run to stop between units instead of ending the process. Only
/// those that the process `sender` sent count; 0: all.
void catch_signals(int sender);
/// "SIGINT", "SIGTERM" or "SIGHUP" once one arrived, else "".
std::string caught_signal();

}  // namespace assay

// Signals that ask a run to stop.
#pragma once

#include <csignal>
#include <vector>

namespace assay {

/// SIGINT, SIGTERM, and SIGHUP unless it is ignored, as nohup has it.
inline std::vector<int> stop_signals() {
  std::vector<int> signals = {SIGINT, SIGTERM};
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) signals.push_back(SIGHUP);
  return signals;
}

}  // namespace assay

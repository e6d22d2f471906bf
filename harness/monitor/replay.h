// An attack's queries replayed through a monitor: does it notice, how soon, and at what price?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/monitor/monitor.h"

namespace assay {

/// What a monitor achieved against one attack.
struct Efficacy {
  std::string monitor;         ///< name of the detector
  int64_t attack_queries = 0;  ///< that the attack sent
  int64_t mixed = 0;           ///< benign queries among them
  /// How often the monitor's statistic was held against its threshold on that mix. 0: too few
  /// queries for any verdict.
  int64_t checks = 0;
  /// There were more alarms than benign traffic explains (watch_log): one query in a hundred with
  /// an alarm notices nobody where it is as many of benign ones. Absent where nothing can be said.
  std::optional<bool> noticed;
  /// Attack queries sent up to and with the first that had an alarm. Where none had and the attack
  /// is noticed all the same, up to the end of the part that shows it (WatchResult::window): judged
  /// together, queries before it hide it. Absent where there is neither.
  std::optional<int64_t> queries_to_alarm;
  int64_t flagged = 0;  ///< attack queries with an alarm; 0 where only parts of the mix show the
                        ///< attack
  int64_t benign_queries = 0;  ///< of the benign traffic alone
  int64_t false_alarms = 0;    ///< benign queries with an alarm, without any attack
  double threshold = 0;        ///< of Alarms
};

/// Sends the attack's queries, in their order, through the detector among benign ones, which make
/// up `benign_share` in [0, 1) of the mix as far as there are enough of them; none is sent twice.
/// Which of them, and in which places, the seed decides. False alarms are counted on all benign
/// traffic alone, in its order. That traffic and the reference the detector was calibrated with
/// must have no query in common (split_benign). Streams are of one width. `alpha`: chance that
/// benign traffic is noticed.
Efficacy replay(const std::string& name, const Detector& detector, const QueryView& attack,
                const QueryView& benign, double benign_share, uint64_t seed, double alpha);

/// Divides n benign queries by seed into a reference to calibrate with and traffic to count false
/// alarms on, a half each, as ascending positions.
struct BenignSplit {
  std::vector<int64_t> reference;
  std::vector<int64_t> traffic;
};
BenignSplit split_benign(int64_t n, uint64_t seed);

}  // namespace assay

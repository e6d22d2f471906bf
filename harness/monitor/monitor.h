// Monitors: which queries of a stream look like an attack on the model that answers them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/monitor/stream.h"
#include "harness/suite/params.h"
#include "harness/suite/suite.h"

namespace assay {

/// What a monitor says of a stream.
struct Alarms {
  /// Positions of the queries that were answered while the alarm stood, ascending. A monitor that
  /// judges single queries alarms on each by itself; prada's alarm stands from one check to the
  /// next.
  std::vector<int64_t> queries;
  double threshold = 0;  ///< what its statistic was held against, in that statistic's units
  /// How often the statistic was held against the threshold. 0: the stream was too short for that,
  /// and that there is no alarm says nothing.
  int64_t checks = 0;
  int64_t raised = 0;  ///< checks that raised the alarm, or kept it standing
  /// [n], of a monitor that judges queries one by one: 1 where the statistic was beyond the
  /// threshold, 0 where not, -1 where it was not taken; with nothing forgotten, as if no alarm had
  /// been raised before. Empty where checks share what they look at.
  std::vector<int8_t> beyond;
};

/// Judges a stream from its first query to its last. Reads no query before those in front of it, so
/// the alarms of a stream's beginning are the beginning of its alarms. Pure.
using Detector = std::function<Alarms(const QueryView&)>;

/// What a monitor is given to work with, beside its parameters.
struct Watch {
  /// Benign queries to calibrate thresholds with; empty: none. Their order and labels are not used.
  QueryView reference;
  double lo = 0;  ///< the box that inputs live in
  double hi = 1;
  uint64_t seed = 0;  ///< of salts
};

/// A monitor with its parameters.
struct Prepared {
  int64_t least_reference = 0;  ///< benign queries without which `make` cannot calibrate
  bool by_label = false;        ///< what the model answered makes a difference
  /// Calibrates, once.
  std::function<Detector(const Watch&)> make;
};

/// A monitor. `bind` reads its parameters, for queries of `width` entries (0: unknown).
struct Monitor {
  MonitorInfo info;
  std::function<Prepared(Params&, int64_t width)> bind;
};

/// All monitors, by name: blacklight, prada, stateful.
std::vector<Monitor> monitor_table();

/// Digest of the monitors' sources: part of what a replay depends on.
std::string monitor_version();

/// The part of the table that a suite is read with.
std::vector<MonitorInfo> monitor_infos();

/// Refuses detectors whose parameters do not suit the suite's inputs, at their places.
void check_detectors(const Suite& suite);

/// Refuses detectors that so many benign queries, of which a half is the reference
/// (split_benign), do not suffice to calibrate, at their places.
void check_calibration(const Suite& suite, int64_t benign);

/// True if the detector of this entry looks at what the model answered.
bool looks_at_labels(const DetectorSpec& spec);

/// The detector that an entry under `monitors.detectors` describes. Throws Error at the entry's
/// place where the reference does not suffice to calibrate it.
Detector make_detector(const DetectorSpec& spec, const Watch& watch);

}  // namespace assay

// What monitors and drift tests say of a query log, as text and as OpenMetrics.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "harness/monitor/drift.h"
#include "harness/monitor/watch.h"
#include "harness/suite/error.h"

namespace assay {

struct MonitorReport {
  std::string log;  ///< path, as given
  int64_t queries = 0;
  int64_t width = 0;
  std::vector<WatchResult> monitors;
  std::vector<DriftTest> drift;
  /// Names of monitors, and of drift tests after `drift `, that lack what they need, and that
  /// nobody asked for.
  std::set<std::string> unasked;
};

/// kFail for more alarms than benign traffic explains, or drift; kInconclusive where a test that
/// was asked for came to no verdict; else kPass.
ExitCode verdict_of(const MonitorReport& report);

/// Tables, and the verdict in the last line.
std::string to_text(const MonitorReport& report);

/// The OpenMetrics text exposition (version 1.0), with `# EOF`.
std::string to_openmetrics(const MonitorReport& report);

}  // namespace assay

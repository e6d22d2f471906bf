// What monitors and drift tests say of a query log, as text and as OpenMetrics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/monitor/drift.h"
#include "harness/monitor/monitor.h"
#include "harness/suite/error.h"

namespace assay {

/// One monitor's word; where it says nothing, `reason` tells why.
struct WatchResult {
  std::string name;
  std::string reason;
  Alarms alarms;
};

struct MonitorReport {
  std::string log;  ///< path, as given
  int64_t queries = 0;
  int64_t width = 0;
  double alpha = 0;
  std::vector<WatchResult> monitors;
  std::vector<DriftTest> drift;
};

/// kFail for an alarm or drift, kInconclusive where nothing could be tested, else kPass.
ExitCode verdict_of(const MonitorReport& report);

/// Tables, and the verdict in the last line.
std::string to_text(const MonitorReport& report);

/// The OpenMetrics text exposition (version 1.0), with `# EOF`.
std::string to_openmetrics(const MonitorReport& report);

}  // namespace assay

#include "harness/cli/monitor_report.h"

#include <algorithm>
#include <cstdio>

#include "harness/cli/output.h"
#include "harness/suite/value.h"

namespace assay {
namespace {

std::string significant(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// Columns two spaces apart, the first to the left and the others to the right.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      line += i == 0 ? row[i] + blanks : "  " + blanks + row[i];
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

std::string untested(const std::string& name, const std::string& reason) {
  return wrapped(name + " says nothing: " + reason, 79, 2) + '\n';
}

std::string monitors_text(const MonitorReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"monitor", "alarms", "first query", "threshold", "checks"}};
  std::string silent;
  for (const WatchResult& result : report.monitors) {
    if (!result.reason.empty()) {
      silent += untested(result.name, result.reason);
      continue;
    }
    const Alarms& alarms = result.alarms;
    rows.push_back({result.name, std::to_string(alarms.queries.size()),
                    alarms.queries.empty() ? "-" : std::to_string(alarms.queries.front()),
                    significant(alarms.threshold), std::to_string(alarms.checks)});
  }
  return (rows.size() > 1 ? table(rows) : "") + silent;
}

std::string drift_text(const MonitorReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"drift", "p-value", "statistic", "reference", "recent"}};
  std::string silent;
  std::string features;
  for (const DriftTest& test : report.drift) {
    if (!test.reason.empty()) {
      silent += untested(test.name, test.reason);
      continue;
    }
    rows.push_back({test.name, significant(test.p_value), significant(test.statistic),
                    std::to_string(test.reference), std::to_string(test.recent)});
    if (!test.most_different) continue;
    features = std::to_string(test.drifted) + " of " + std::to_string(test.features) +
               " features differ; feature " + std::to_string(*test.most_different) + " most\n";
  }
  return (rows.size() > 1 ? table(rows) : "") + features + silent;
}

std::string verdict_text(const MonitorReport& report) {
  std::string alarms;
  for (const WatchResult& result : report.monitors) {
    if (!result.alarms.queries.empty()) alarms += (alarms.empty() ? "" : ", ") + result.name;
  }
  std::string drift;
  for (const DriftTest& test : report.drift) {
    if (test.drift) drift += (drift.empty() ? "" : ", ") + test.name;
  }
  if (!alarms.empty()) return "ALARM  " + alarms + (drift.empty() ? "" : "; drift: " + drift);
  if (!drift.empty()) return "DRIFT  " + drift;
  if (verdict_of(report) == ExitCode::kPass) return "QUIET";
  return "NOTHING CAN BE SAID  too few queries for any test";
}

std::string escaped(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text;
}

// One metric family. Without a sample it is left out.
class MetricFamily {
 public:
  MetricFamily(const std::string& name, const std::string& type, const char* help)
      : name_(name), head_("# TYPE " + name + ' ' + type + "\n# HELP " + name + ' ' + help + '\n') {
    if (type == "counter") name_ += "_total";
    if (type == "info") name_ += "_info";
  }
  void add(const std::string& value) { samples_ += name_ + ' ' + value + '\n'; }
  void add(const char* label, const std::string& of, const std::string& value) {
    samples_ += name_ + '{' + label + "=\"" + escaped(of) + "\"} " + value + '\n';
  }
  std::string text() const { return samples_.empty() ? "" : head_ + samples_; }

 private:
  std::string name_;  // of its samples
  std::string head_;
  std::string samples_;
};

std::string monitors_metrics(const MonitorReport& report) {
  MetricFamily alarms("assay_monitor_alarms", "counter", "Queries answered while the alarm stood.");
  MetricFamily checks("assay_monitor_checks", "counter",
                      "How often the statistic was held against the threshold.");
  MetricFamily first("assay_monitor_first_alarm", "gauge", "Position of the first alarm, from 0.");
  MetricFamily threshold("assay_monitor_threshold", "gauge",
                         "Threshold of the monitor's statistic.");
  for (const WatchResult& result : report.monitors) {
    if (!result.reason.empty()) continue;
    const Alarms& found = result.alarms;
    alarms.add("monitor", result.name, std::to_string(found.queries.size()));
    checks.add("monitor", result.name, std::to_string(found.checks));
    if (!found.queries.empty()) {
      first.add("monitor", result.name, std::to_string(found.queries.front()));
    }
    threshold.add("monitor", result.name, number_text(found.threshold));
  }
  return alarms.text() + checks.text() + first.text() + threshold.text();
}

std::string drift_metrics(const MonitorReport& report) {
  MetricFamily p_value("assay_drift_p_value", "gauge", "Of the two-sample test.");
  MetricFamily statistic("assay_drift_statistic", "gauge", "Of the two-sample test.");
  MetricFamily detected("assay_drift_detected", "gauge",
                        "1 where the test rejects at the level of all tests together.");
  for (const DriftTest& test : report.drift) {
    if (!test.reason.empty()) continue;
    p_value.add("test", test.name, number_text(test.p_value));
    statistic.add("test", test.name, number_text(test.statistic));
    detected.add("test", test.name, test.drift ? "1" : "0");
  }
  return p_value.text() + statistic.text() + detected.text();
}

}  // namespace

ExitCode verdict_of(const MonitorReport& report) {
  bool tested = false;
  bool found = false;
  for (const WatchResult& result : report.monitors) {
    tested |= result.reason.empty() && result.alarms.checks > 0;
    found |= !result.alarms.queries.empty();
  }
  for (const DriftTest& test : report.drift) {
    tested |= test.reason.empty();
    found |= test.drift;
  }
  if (found) return ExitCode::kFail;
  return tested ? ExitCode::kPass : ExitCode::kInconclusive;
}

std::string to_text(const MonitorReport& report) {
  std::string text = report.log + ": " + std::to_string(report.queries) + " queries of " +
                     std::to_string(report.width) + " entries\n\n" + monitors_text(report) + '\n';
  if (!report.drift.empty()) text += drift_text(report) + '\n';
  return text + verdict_text(report) + '\n';
}

std::string to_openmetrics(const MonitorReport& report) {
  MetricFamily log("assay_monitor_log", "info", "The recorded queries.");
  log.add("path", report.log, "1");
  MetricFamily queries("assay_monitor_queries", "counter", "Queries in the log.");
  queries.add(std::to_string(report.queries));
  return log.text() + queries.text() + monitors_metrics(report) + drift_metrics(report) + "# EOF\n";
}

}  // namespace assay

#include "harness/cli/monitor_report.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "harness/cli/output.h"
#include "harness/suite/utf8.h"
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

std::string rate(int64_t raised, int64_t checks) {
  return checks == 0 ? "-" : std::to_string(raised) + " of " + std::to_string(checks);
}

std::string monitors_text(const MonitorReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"monitor", "alarms", "first query", "checks", "benign", "p-value", "threshold"}};
  std::string silent;
  for (const WatchResult& result : report.monitors) {
    if (!result.reason.empty()) silent += untested(result.name, result.reason);
    const Alarms& alarms = result.alarms;
    if (alarms.checks == 0) continue;
    rows.push_back(
        {result.name, std::to_string(alarms.queries.size()),
         alarms.queries.empty() ? "-" : std::to_string(alarms.queries.front()),
         rate(alarms.raised, alarms.checks), rate(result.benign.raised, result.benign.checks),
         result.p_value ? significant(*result.p_value) : "-", significant(alarms.threshold)});
  }
  for (const WatchResult& result : report.monitors) {
    if (!result.alarm || !result.window) continue;
    const Window& window = *result.window;
    silent += result.name + ": most in queries " + std::to_string(window.begin) + " to " +
              std::to_string(window.end - 1) + ", " + rate(window.rate.raised, window.rate.checks) +
              " beyond the threshold\n";
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

// Of a monitor or a drift test.
struct Finding {
  std::string name;
  bool told = false;   // a verdict
  bool found = false;  // an alarm or drift
  bool drift = false;
};

std::vector<Finding> outcomes(const MonitorReport& report) {
  std::vector<Finding> all;
  for (const WatchResult& result : report.monitors) {
    all.push_back({result.name, result.reason.empty(), result.alarm, false});
  }
  for (const DriftTest& test : report.drift) {
    all.push_back({test.name, test.reason.empty(), test.drift, true});
  }
  return all;
}

template <typename Chosen>
std::string names_of(const MonitorReport& report, Chosen chosen) {
  std::string text;
  for (const Finding& outcome : outcomes(report)) {
    if (chosen(outcome)) text += (text.empty() ? "" : ", ") + outcome.name;
  }
  return text;
}

std::string verdict_text(const MonitorReport& report) {
  const std::string alarms =
      names_of(report, [](const Finding& each) { return each.found && !each.drift; });
  const std::string drift =
      names_of(report, [](const Finding& each) { return each.found && each.drift; });
  if (!alarms.empty()) return "ALARM  " + alarms + (drift.empty() ? "" : "; drift: " + drift);
  if (!drift.empty()) return "DRIFT  " + drift;
  const std::string silent = names_of(report, [](const Finding& each) { return !each.told; });
  if (verdict_of(report) == ExitCode::kPass) {
    return silent.empty() ? "QUIET" : "QUIET  without " + silent;
  }
  const std::string quiet = names_of(report, [](const Finding& each) { return each.told; });
  if (quiet.empty()) return "NOTHING CAN BE SAID";
  return "NOT CLEAR  no verdict of " + silent + "; quiet: " + quiet;
}

// OpenMetrics is UTF-8, which a path need not be: bytes that begin no character become U+FFFD.
std::string escaped(std::string_view value) {
  std::string text;
  while (!value.empty()) {
    const size_t size = utf8_character(value);
    const std::string_view character = value.substr(0, std::max<size_t>(1, size));
    value.remove_prefix(character.size());
    if (character == "\\" || character == "\"") text += '\\';
    text += size == 0 ? "\uFFFD" : character == "\n" ? "\\n" : character;
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
  MetricFamily raised("assay_monitor_raised", "counter", "Checks that raised the alarm.");
  MetricFamily benign_checks("assay_monitor_benign_checks", "counter",
                             "Checks on benign traffic, in streams as long as the log.");
  MetricFamily benign_raised("assay_monitor_benign_raised", "counter",
                             "Checks on benign traffic that raised the alarm.");
  MetricFamily p_value("assay_monitor_p_value", "gauge",
                       "Chance of as many alarms or more, in the log or any part of it that was "
                       "looked at, were it benign traffic.");
  MetricFamily detected("assay_monitor_detected", "gauge",
                        "1 where there are more alarms than benign traffic explains.");
  MetricFamily begin("assay_monitor_window_begin", "gauge",
                     "Position of the first query, from 0, of the part of the log that shows it.");
  MetricFamily end("assay_monitor_window_end", "gauge", "Position after its last query.");
  MetricFamily first("assay_monitor_first_alarm", "gauge", "Position of the first alarm, from 0.");
  MetricFamily threshold("assay_monitor_threshold", "gauge",
                         "Threshold of the monitor's statistic.");
  for (const WatchResult& result : report.monitors) {
    const Alarms& found = result.alarms;
    if (found.checks == 0) continue;
    const auto add = [&result](MetricFamily& family, const std::string& value) {
      family.add("monitor", result.name, value);
    };
    add(alarms, std::to_string(found.queries.size()));
    add(checks, std::to_string(found.checks));
    add(raised, std::to_string(found.raised));
    if (!found.queries.empty()) add(first, std::to_string(found.queries.front()));
    add(threshold, number_text(found.threshold));
    if (result.benign.checks > 0) {
      add(benign_checks, std::to_string(result.benign.checks));
      add(benign_raised, std::to_string(result.benign.raised));
    }
    if (!result.p_value) continue;
    add(p_value, number_text(*result.p_value));
    add(detected, result.alarm ? "1" : "0");
    if (!result.alarm || !result.window) continue;
    add(begin, std::to_string(result.window->begin));
    add(end, std::to_string(result.window->end));
  }
  return alarms.text() + checks.text() + raised.text() + benign_checks.text() +
         benign_raised.text() + p_value.text() + detected.text() + begin.text() + end.text() +
         first.text() + threshold.text();
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
  bool found = false;
  bool silent = false;
  bool told = false;
  for (const Finding& outcome : outcomes(report)) {
    found |= outcome.found;
    told |= outcome.told;
    silent |=
        !outcome.told && !report.unasked.contains((outcome.drift ? "drift " : "") + outcome.name);
  }
  if (found) return ExitCode::kFail;
  return told && !silent ? ExitCode::kPass : ExitCode::kInconclusive;
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
  MetricFamily verdict("assay_monitor_verdict", "gauge",
                       "0: quiet; 1: an alarm or drift; 4: a test came to no verdict.");
  verdict.add(std::to_string(static_cast<int>(verdict_of(report))));
  return log.text() + queries.text() + verdict.text() + monitors_metrics(report) +
         drift_metrics(report) + "# EOF\n";
}

}  // namespace assay

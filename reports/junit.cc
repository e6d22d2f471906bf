// junit.xml: one testcase per cell and one for the gate (contracts §5).
#include <cmath>
#include <cstdio>

#include "reports/markup.h"
#include "reports/report.h"
#include "reports/view.h"

namespace assay {
namespace {

using reports::CellSummary;
using reports::CellVerdict;
using reports::escape;

struct Counts {
  int tests = 0;
  int failures = 0;
  int errors = 0;
  int skipped = 0;
};

std::string seconds(double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.3f", std::isfinite(value) && value > 0 ? value : 0.0);
  return buffer;
}

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

/// `kind` is failure or error; the first line is the message, all are the text.
std::string problem(const std::string& kind, const std::string& type,
                    const std::vector<std::string>& lines) {
  const std::string message = lines.empty() ? type : lines.front();
  return "      <" + kind + " message=\"" + escape(message) + "\" type=\"" + type + "\">" +
         escape(join_lines(lines)) + "</" + kind + ">\n";
}

std::string body(const CellSummary& summary, Counts& counts) {
  switch (summary.verdict) {
    case CellVerdict::kPass:
    case CellVerdict::kUncovered:
      break;
    case CellVerdict::kFail:
      ++counts.failures;
      return problem("failure", "fail", summary.lines);
    case CellVerdict::kInconclusive:
      ++counts.failures;
      return problem("failure", "inconclusive", summary.lines);
    case CellVerdict::kIncomplete:
      ++counts.errors;
      return problem("error", "incomplete", summary.lines);
    case CellVerdict::kNotApplicable:
      ++counts.skipped;
      return "      <skipped message=\"" + escape(join_lines(summary.lines)) + "\"/>\n";
  }
  if (summary.lines.empty()) return "";
  return "      <system-out>" + escape(join_lines(summary.lines)) + "</system-out>\n";
}

std::string gate_body(const Report& report, Counts& counts) {
  const reports::Headline head = reports::headline(report);
  std::vector<std::string> lines{head.sentence};
  lines.insert(lines.end(), head.steps.begin(), head.steps.end());
  switch (report.decision->outcome) {
    case Outcome::kPass:
      return "";
    case Outcome::kFail:
    case Outcome::kInconclusive:
    case Outcome::kRefused:
      ++counts.failures;
      return problem("failure", std::string(to_string(report.decision->outcome)), lines);
    case Outcome::kIncomplete:
      break;
  }
  ++counts.errors;
  return problem("error", "incomplete", lines);
}

std::string testcase(const std::string& suite, const std::string& name, double time_s,
                     const std::string& inside) {
  std::string out = "    <testcase classname=\"" + escape(suite) + "\" name=\"" + escape(name) +
                    "\" time=\"" + seconds(time_s) + "\"";
  return out + (inside.empty() ? "/>\n" : ">\n" + inside + "    </testcase>\n");
}

}  // namespace

std::string junit_xml(const Report& report) {
  Counts counts;
  std::string cases;
  double total_s = 0;
  const std::string& suite = report.suite->name;
  for (const CellResult& cell : report.decision->cells) {
    ++counts.tests;
    if (std::isfinite(cell.cost.time_s)) total_s += cell.cost.time_s;
    const std::string name = cell.name == "gate" ? "cell.gate" : cell.name;  // as under ctest
    cases +=
        testcase(suite, name, cell.cost.time_s, body(reports::summarise(report, cell), counts));
  }
  ++counts.tests;
  cases += testcase(suite, "gate", 0, gate_body(report, counts));
  const std::string totals =
      " tests=\"" + std::to_string(counts.tests) + "\" failures=\"" +
      std::to_string(counts.failures) + "\" errors=\"" + std::to_string(counts.errors) +
      "\" skipped=\"" + std::to_string(counts.skipped) + "\" time=\"" + seconds(total_s) + "\"";
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += "<testsuites name=\"assay\"" + totals + ">\n";
  out += "  <testsuite name=\"" + escape(suite) + "\"" + totals;
  // The XML schema of JUnit wants no zone; report.started is UTC.
  if (std::string at = report.started; !at.empty()) {
    if (at.back() == 'Z') at.pop_back();
    out += " timestamp=\"" + escape(at) + "\"";
  }
  return out + ">\n" + cases + "  </testsuite>\n</testsuites>\n";
}

}  // namespace assay

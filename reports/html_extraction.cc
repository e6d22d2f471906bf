// Extraction cells: what thieves got for their queries, what monitors made of it, and what else
// was found.
#include <algorithm>
#include <cmath>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

/// "89.1 %" in strong, and the bounds below it.
std::string bounded_value(const std::map<std::string, Estimate>& metrics, const std::string& name) {
  const auto at = metrics.find(name);
  if (at == metrics.end() || !at->second.value) return "—";
  const Unit unit = value_unit(name);
  std::string out = element("span", "strong", escape(show(at->second.value, unit)));
  if (at->second.lower && at->second.upper) {
    out += "<br>" +
           element("span", "small soft nowrap",
                   escape(show(at->second.lower, unit) + " – " + show(at->second.upper, unit)));
  }
  return out;
}

std::string queries_text(const BudgetResult& budget) {
  int64_t least = INT64_MAX;
  int64_t most = 0;
  for (const TheftResult& theft : budget.seeds) {
    least = std::min(least, theft.queries);
    most = std::max(most, theft.queries);
  }
  if (budget.seeds.empty()) return "—";
  return least == most ? show_count(most) : show_count(least) + " – " + show_count(most);
}

std::string metric_rows(const CellResult& cell) {
  const bool paired = !cell.baseline_metrics.empty();
  std::vector<std::vector<std::string>> rows;
  for (const BudgetResult& budget : cell.extraction->budgets) {
    const std::string at = "@" + std::to_string(budget.budget);
    std::vector<std::string> row{element("span", "strong", show_count(budget.budget)),
                                 escape(queries_text(budget)),
                                 bounded_value(cell.metrics, "agreement" + at)};
    if (paired) row.push_back(bounded_value(cell.baseline_metrics, "agreement" + at));
    for (const char* name :
         {"surrogate_accuracy", "accuracy_ratio", "transfer_success", "mean_kl"}) {
      row.push_back(bounded_value(cell.metrics, name + at));
    }
    rows.push_back(std::move(row));
  }
  std::vector<std::string> headings{">budget", ">queries sent", ">agreement"};
  if (paired) headings.push_back(">baseline's agreement");
  headings.insert(headings.end(),
                  {">accuracy", ">accuracy ratio", ">transfer success", ">KL, nats"});
  return table(headings, rows);
}

/// Why figures are missing: of each metric the reason at the smallest budget, each reason once.
std::string reasons(const CellResult& cell) {
  std::vector<std::pair<std::string, std::string>> known;  // reason, names of metrics
  for (const char* name : kExtractionMetrics) {
    for (const BudgetResult& budget : cell.extraction->budgets) {
      const auto metric = cell.metrics.find(name + ("@" + std::to_string(budget.budget)));
      if (metric == cell.metrics.end() || metric->second.value) continue;
      const std::string& reason = metric->second.reason;
      const auto same = std::find_if(known.begin(), known.end(),
                                     [&](const auto& other) { return other.first == reason; });
      if (same == known.end()) {
        known.emplace_back(reason, metric_words(name));
      } else {
        same->second += ", " + metric_words(name);
      }
      break;
    }
  }
  std::string out;
  for (const auto& [reason, names] : known) {
    out += element("p", "small soft", escape("No " + names + ": " + reason));
  }
  return out;
}

std::string monitor_table(const std::vector<MonitorResult>& monitors) {
  if (monitors.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const MonitorResult& monitor : monitors) {
    const auto per_10000 = [](const std::optional<double>& share) {
      return share ? show(*share * 1e4, Unit::kNumber) : std::string("—");
    };
    const Estimate& alarms = monitor.false_alarms;
    std::string false_alarms = "—";
    if (alarms.value) {
      false_alarms = element("span", "strong", escape(per_10000(alarms.value))) + "<br>" +
                     element("span", "small soft nowrap",
                             escape(per_10000(alarms.lower) + " – " + per_10000(alarms.upper)));
    }
    const bool told = monitor.decided > 0;
    const std::string never = told ? "never" : "too few queries for a verdict";
    const std::string among =
        monitor.mixed == 0 ? "alone" : "among " + show_count(monitor.mixed) + " benign";
    rows.push_back({element("code", "strong", escape(monitor.monitor)), escape(among),
                    told ? show_count(monitor.alarmed) + " of " + show_count(monitor.decided) : "—",
                    monitor.queries_to_alarm
                        ? escape(show_count(static_cast<int64_t>(*monitor.queries_to_alarm)))
                        : never,
                    escape(show(monitor.flagged, Unit::kPercent)), false_alarms,
                    escape(show(monitor.threshold, Unit::kNumber))});
  }
  return element("h3", "", "Monitors") +
         element("p", "small soft",
                 "The thieves' queries at the largest budget, alone, as a monitor meets them that "
                 "watches each client by himself, and sent among benign ones: how many thieves "
                 "were noticed, by more alarms than benign traffic explains, after how many of "
                 "their queries the first of these came (median; where alarms come only of a part "
                 "that is judged by itself, its end), and what the monitor says of benign traffic "
                 "alone.") +
         table({"monitor", "thief", ">thieves noticed", ">queries to alarm", ">queries flagged",
                ">false alarms in 10,000", ">threshold"},
               rows);
}

std::string finding_table(const ExtractionResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const BudgetResult& budget : result.budgets) {
    for (const TheftResult& theft : budget.seeds) {
      for (const auto& [name, value] : theft.findings) {
        rows.push_back({escape(metric_words(name)),
                        element("span", "strong",
                                std::isfinite(value) ? show_limit(value, Unit::kNumber) : "—"),
                        show_count(budget.budget), show_count(theft.seed)});
      }
    }
  }
  if (rows.empty()) return "";
  return element("h3", "", "Findings") + table({"finding", ">value", ">budget", ">seed"}, rows);
}

std::string failures(const ExtractionResult& result) {
  std::string out;
  for (const BudgetResult& budget : result.budgets) {
    for (const TheftResult& theft : budget.seeds) {
      if (theft.failure.empty()) continue;
      out += element("p", "strong",
                     escape("the candidate failed at a budget of " + show_count(budget.budget) +
                            ", seed " + show_count(theft.seed) + ": " + theft.failure));
    }
  }
  return out;
}

std::string extraction_part(const Report& report, const CellResult& cell) {
  const ExtractionResult& result = *cell.extraction;
  const CellHeader* header = header_of(report.evidence, cell.name);
  std::string words = show_plural(result.records, "test record");
  if (result.candidate_accuracy) {
    words += ", of which the candidate gets " + show(result.candidate_accuracy, Unit::kPercent) +
             " right";
  }
  if (header) words = "The API answers " + surface_words(header->threat.surface) + ". " + words;
  const std::string inside = element("p", "small soft", escape(words + ".")) + failures(result) +
                             metric_rows(cell) + reasons(cell) + monitor_table(result.monitors) +
                             finding_table(result);
  return details(true,
                 element("code", "strong", escape(cell.name)) +
                     element("span", "end small soft", escape(headline_metric(cell))),
                 inside);
}

}  // namespace

std::string extraction_section(const Report& report) {
  std::string parts;
  for (const CellResult& cell : report.decision->cells) {
    if (cell.extraction && !cell.extraction->budgets.empty())
      parts += extraction_part(report, cell);
  }
  if (parts.empty()) return "";
  return section("extraction", "Extraction",
                 "How good a copy of the candidate a thief gets for his queries, by what the API "
                 "answers. Every point is of fresh surrogates.",
                 element("div", "stack", theft_charts(report) + parts));
}

}  // namespace assay::reports

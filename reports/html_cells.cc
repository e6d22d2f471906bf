// Classes and cells.
#include <algorithm>
#include <cmath>

#include "harness/suite/param_text.h"
#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr size_t kMostClasses = 100;

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// Loss against the baseline where there is one, else weakness: larger is worse.
double badness(const ClassRow& row) {
  if (row.baseline_robust) return share(*row.baseline_robust - row.robust, row.n);
  return -share(row.robust, row.n);
}

std::string bar(double value, bool fall) {
  return std::string("<span class=\"bar") + (fall ? " fall" : "") +
         "\" style=\"width:" + coordinate(std::clamp(std::abs(value), 0.0, 1.0) * 100) +
         "%\"></span>";
}

std::string class_table(const Report& report, const CellResult& cell) {
  std::vector<ClassRow> order = cell.classes;
  std::stable_sort(order.begin(), order.end(),
                   [](const ClassRow& a, const ClassRow& b) { return badness(a) > badness(b); });
  const bool paired = std::any_of(order.begin(), order.end(),
                                  [](const ClassRow& row) { return row.baseline_robust; });
  std::vector<std::string> headings{"class", ">samples", ">clean", ">robust"};
  if (paired) headings.insert(headings.end(), {">baseline", ">change"});
  headings.push_back(paired ? "robust accuracy lost" : "robust accuracy");
  std::vector<std::vector<std::string>> rows;
  for (const ClassRow& row : order) {
    if (rows.size() >= kMostClasses) break;
    std::vector<std::string> cells{element("span", "strong", escape(class_name(report, row.label))),
                                   show_count(row.n), show(share(row.clean, row.n), Unit::kPercent),
                                   show(share(row.robust, row.n), Unit::kPercent)};
    if (paired) {
      if (row.baseline_robust) {
        const double change = share(row.robust - *row.baseline_robust, row.n);
        cells.push_back(show(share(*row.baseline_robust, row.n), Unit::kPercent));
        cells.push_back((change > 0 ? "+" : "") + show(change, Unit::kPoints));
        cells.push_back(change < 0 ? bar(change, true) : "");
      } else {
        cells.insert(cells.end(), {"—", "—", ""});
      }
    } else {
      cells.push_back(bar(share(row.robust, row.n), false));
    }
    cells.back() = element("div", "bar-cell", cells.back());
    rows.push_back(std::move(cells));
  }
  std::string out = table(headings, rows);
  if (order.size() > kMostClasses) {
    out += element("p", "small soft",
                   "the " + std::to_string(kMostClasses) + " worst of " +
                       std::to_string(order.size()) + " classes");
  }
  return out;
}

std::string pair(const std::string& name, const std::string& value) {
  return "<div>" + element("dt", "", escape(name)) + element("dd", "", value) + "</div>";
}

std::string params_list(const CellHeader& header) {
  std::string out;
  for (const auto& [name, value] : header.params) {
    if (std::holds_alternative<std::monostate>(value)) continue;
    out += element("code", "", escape(name + " " + param_text(value)));
  }
  return out.empty() ? "" : element("div", "params", out);
}

std::string threat(const CellHeader& header) {
  std::string out = std::string(to_string(header.threat.norm));
  if (header.threat.unbounded) {
    out = "perturbations of its own";
  } else if (header.threat.eps) {
    out += " ≤ " + show_limit(*header.threat.eps, Unit::kNumber);
    if (!header.sample_scale.empty()) out += " times each sample's share";
  } else {
    out += ", smallest change";
  }
  return out + ", " + std::string(to_string(header.threat.goal)) + ", " +
         std::string(to_string(header.threat.access)) + " access";
}

std::string metric_table(const CellResult& cell) {
  std::vector<std::vector<std::string>> rows;
  const bool paired = !cell.baseline_metrics.empty();
  std::map<std::string, Estimate> metrics = cell.metrics;
  if (cell.local_optimality) metrics["local_optimality"] = *cell.local_optimality;
  for (const auto& [name, metric] : metrics) {
    const Unit unit = value_unit(name);
    std::vector<std::string> row{escape(metric_words(name))};
    if (metric.value) {
      row.push_back(element("span", "strong", escape(show(metric.value, unit))));
    } else {
      row.push_back("—");
    }
    row.push_back(escape(show(metric.lower, unit)));
    row.push_back(escape(show(metric.upper, unit)));
    if (paired) {
      const auto before = cell.baseline_metrics.find(name);
      row.push_back(
          before == cell.baseline_metrics.end() ? "—" : escape(show(before->second.value, unit)));
    }
    row.push_back(show_count(metric.n));
    row.push_back(element("span", "soft", escape(metric.reason)));
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  std::vector<std::string> headings{"metric", ">value", ">lower bound", ">upper bound"};
  if (paired) headings.push_back(">baseline");
  headings.insert(headings.end(), {">n", ""});
  return table(headings, rows);
}

std::string stage_table(const CellResult& cell) {
  std::vector<std::vector<std::string>> rows;
  for (const StageCount& stage : cell.stages) {
    rows.push_back({element("code", "", escape(stage.name)), show_count(stage.entered),
                    show_count(stage.broken), show_count(stage.entered - stage.broken)});
  }
  return rows.empty() ? "" : table({"stage", ">entered", ">broken", ">survived"}, rows);
}

std::string cell_facts(const CellResult& cell, const CellHeader* header) {
  std::string out;
  if (header) {
    out += pair("attack", element("code", "", escape(header->attack)) + " " +
                              element("span", "soft", escape(header->version)));
    if (header->family == Family::kEvasion) out += pair("attacker", escape(threat(*header)));
    if (header->family == Family::kExtraction) {
      out += pair("API answers", escape(surface_words(header->threat.surface)));
    }
  }
  const SampleCounts& n = cell.samples;
  std::string samples = show_count(n.total) + " in all, " + show_count(n.ok) + " ok";
  if (n.invalid > 0) samples += ", " + show_count(n.invalid) + " invalid";
  if (n.unconfirmed > 0) samples += ", " + show_count(n.unconfirmed) + " unconfirmed";
  if (n.error > 0 && !cell.extraction) samples += ", " + show_count(n.error) + " in error";
  out += pair(cell.extraction ? "test records" : "samples", escape(samples));
  out += pair("cost", escape(show_time(cell.cost.time_s) + " of workers, " +
                             show_plural(cell.cost.forwards, "forward") + ", " +
                             show_plural(cell.cost.gradients, "gradient")));
  if (header) {
    std::string known;
    for (const auto& [scheme, id] : header->taxonomy) {
      known += (known.empty() ? "" : ", ") + scheme + " " + id;
    }
    if (!known.empty()) out += pair("taxonomy", escape(known));
  }
  if (!cell.key.empty()) {
    out += pair("pairing key", element("code", "", escape(cell.key.substr(0, 16))));
  }
  return "<dl class=\"pairs\">" + out + "</dl>";
}

std::string cell_chip(const CellSummary& summary) {
  switch (summary.verdict) {
    case CellVerdict::kPass:
      return chip("pass", "pass");
    case CellVerdict::kFail:
      return chip("fail", "fail");
    case CellVerdict::kInconclusive:
      return chip("inconclusive", "inconclusive");
    case CellVerdict::kIncomplete:
      return chip("incomplete", "incomplete");
    case CellVerdict::kNotApplicable:
      return chip("none", "not applicable");
    case CellVerdict::kUncovered:
      break;
  }
  return chip("none", "no rule");
}

}  // namespace

std::string classes_section(const Report& report) {
  // The cell that decided is open: the first of the rules' order that has classes.
  std::string first;
  const auto has_classes = [&](const std::string& name) {
    const auto& cells = report.decision->cells;
    return std::any_of(cells.begin(), cells.end(), [&](const CellResult& cell) {
      return cell.name == name && !cell.classes.empty();
    });
  };
  for (const RuleResult* rule : by_severity(*report.decision)) {
    if (first.empty() && has_classes(rule->cell)) first = rule->cell;
  }
  std::string out;
  for (const CellResult& cell : report.decision->cells) {
    if (cell.classes.empty()) continue;
    const bool open = first.empty() ? out.empty() : cell.name == first;
    out += details(open,
                   element("code", "strong", escape(cell.name)) +
                       element("span", "end small soft", escape(headline_metric(cell))),
                   class_table(report, cell));
  }
  if (out.empty()) return "";
  return section("classes", "Classes", "Worst first.", out);
}

std::string cells_section(const Report& report) {
  std::string out;
  for (const CellResult& cell : report.decision->cells) {
    const CellHeader* header = header_of(report.evidence, cell.name);
    const CellSummary verdict = summarise(report, cell);
    std::string inside = cell_facts(cell, header);
    if (header) inside += params_list(*header);
    if (!cell.complete) {
      for (const std::string& why : verdict.lines) inside += element("p", "soft", escape(why));
    }
    if (!cell.baseline_reason.empty()) {
      inside += element("p", "soft", "No baseline: " + escape(cell.baseline_reason));
    }
    inside += metric_table(cell) + stage_table(cell);
    out += details(
        false,
        element("code", "strong", escape(cell.name)) + cell_chip(verdict) +
            element("span", "end small soft",
                    escape(headline_metric(cell).empty()
                               ? show_time(cell.cost.time_s)
                               : headline_metric(cell) + " · " + show_time(cell.cost.time_s))),
        inside);
  }
  if (out.empty()) return "";
  return section("cells", "Cells",
                 "Each attack as it ran: parameters, metrics with their bounds, stages and cost.",
                 out);
}

}  // namespace assay::reports

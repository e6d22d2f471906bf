// Agreement over the query budget, with confidence bands, as inline SVG. Cells of one attack and
// pool differ by what the API answers: they share a chart.
#include <algorithm>
#include <cmath>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr ChartBox kTheftBox{460, 290, 44, 330, 14, 236};
constexpr size_t kTones = 6;  ///< classes s0 … s5 of the style sheet

struct Point {
  double budget = 0;
  double value = 0;
  double lower = 0;
  double upper = 0;
};

struct Line {
  std::string name;
  std::string tone;
  bool baseline = false;
  std::vector<Point> points;
  std::vector<std::pair<double, double>> seeds;  ///< budget and agreement of each
};

struct Thefts {
  std::string attack;
  std::string pool;
  std::vector<const CellResult*> cells;
  std::vector<const CellHeader*> headers;
};

std::vector<Thefts> thefts_of(const Report& report) {
  std::vector<Thefts> charts;
  for (const CellResult& cell : report.decision->cells) {
    const CellHeader* header = header_of(report.evidence, cell.name);
    if (!header || !cell.extraction) continue;
    const auto pool = header->sets.find("pool");
    const std::string name = pool == header->sets.end() ? "" : pool->second;
    auto chart = std::find_if(charts.begin(), charts.end(), [&](const Thefts& other) {
      return other.attack == header->attack && other.pool == name;
    });
    if (chart == charts.end()) chart = charts.insert(charts.end(), {header->attack, name, {}, {}});
    chart->cells.push_back(&cell);
    chart->headers.push_back(header);
  }
  return charts;
}

/// The surface where it tells the cells of the chart apart, else the cell's name.
std::string line_name(const Thefts& chart, size_t at) {
  const std::string words = surface_words(chart.headers[at]->threat.surface);
  const auto same = std::count_if(
      chart.headers.begin(), chart.headers.end(),
      [&](const CellHeader* other) { return surface_words(other->threat.surface) == words; });
  return same > 1 ? chart.cells[at]->name : words;
}

void add_points(const std::map<std::string, Estimate>& metrics, const ExtractionResult& result,
                Line& line) {
  for (const BudgetResult& budget : result.budgets) {
    const double at = static_cast<double>(budget.budget);
    for (const TheftResult& theft : budget.seeds) {
      const auto agreement = theft.metrics.find("agreement");
      if (agreement == theft.metrics.end() || line.baseline) continue;
      if (!std::isfinite(agreement->second)) continue;
      line.seeds.emplace_back(at, agreement->second);
    }
    const auto metric = metrics.find("agreement@" + std::to_string(budget.budget));
    if (metric == metrics.end() || !metric->second.value) continue;
    const double value = *metric->second.value;
    if (!std::isfinite(value)) continue;
    line.points.push_back(
        {at, value, metric->second.lower.value_or(value), metric->second.upper.value_or(value)});
  }
}

std::vector<Line> lines_of(const Thefts& chart) {
  std::vector<Line> lines;
  for (size_t i = 0; i < chart.cells.size(); ++i) {
    const CellResult& cell = *chart.cells[i];
    const std::string tone = "hue s" + std::to_string(i % kTones);
    Line line{line_name(chart, i), tone, false, {}, {}};
    add_points(cell.metrics, *cell.extraction, line);
    if (!line.points.empty()) lines.push_back(std::move(line));
    if (cell.baseline_extraction) {
      Line before{line_name(chart, i) + ", baseline", tone, true, {}, {}};
      add_points(cell.baseline_metrics, *cell.baseline_extraction, before);
      if (!before.points.empty()) lines.push_back(std::move(before));
    }
  }
  return lines;
}

/// Budgets on a logarithmic axis; agreement from `bottom`, which leaves no line room to waste.
struct TheftAxes {
  double least = 1;
  double most = 1;
  double bottom = 0;
  double x(double budget) const {
    if (most <= least) return kTheftBox.x(0.5);
    constexpr double kMargin = 16;
    const double share = std::log(budget / least) / std::log(most / least);
    return kTheftBox.left + kMargin + share * (kTheftBox.right - kTheftBox.left - 2 * kMargin);
  }
  double y(double share) const {
    return kTheftBox.y(std::clamp((share - bottom) / (1 - bottom), 0.0, 1.0));
  }
  std::string at(double budget, double share) const {
    return coordinate(x(budget)) + "," + coordinate(y(share));
  }
};

TheftAxes axes_of(const std::vector<Line>& lines) {
  TheftAxes axes{1e300, 0, 1};
  for (const Line& line : lines) {
    for (const Point& point : line.points) {
      axes.least = std::min(axes.least, point.budget);
      axes.most = std::max(axes.most, point.budget);
      axes.bottom = std::min(axes.bottom, point.lower);
    }
    for (const auto& [budget, share] : line.seeds) axes.bottom = std::min(axes.bottom, share);
  }
  axes.bottom = axes.bottom >= 0.9 ? 0.9 : axes.bottom >= 0.8 ? 0.8 : axes.bottom >= 0.5 ? 0.5 : 0;
  return axes;
}

std::string theft_frame(const TheftAxes& axes, const std::vector<Line>& lines) {
  std::string out;
  const double step = axes.bottom == 0.9   ? 0.02
                      : axes.bottom == 0.8 ? 0.05
                      : axes.bottom == 0.5 ? 0.1
                                           : 0.25;
  for (double share = axes.bottom; share <= 1 + 1e-9; share += step) {
    const double y = axes.y(share);
    out += svg_line(share == axes.bottom ? "axis" : "rule", kTheftBox.left, y, kTheftBox.right, y);
    out += svg_text(kTheftBox.left - 7, y + 4, "end", "", show_limit(share * 100, Unit::kNumber));
  }
  std::vector<double> budgets;
  for (const Line& line : lines) {
    for (const Point& point : line.points) budgets.push_back(point.budget);
  }
  std::sort(budgets.begin(), budgets.end());
  double last = -1e9;  // the right end of the label before
  for (const double budget : budgets) {
    const double x = axes.x(budget);
    const std::string words = show_count(static_cast<int64_t>(budget));
    const double half = 3.6 * static_cast<double>(words.size());
    if (x - half < last + 6) continue;
    last = x + half;
    out += svg_line("axis", x, kTheftBox.bottom, x, kTheftBox.bottom + 4);
    out += svg_text(x, kTheftBox.bottom + 17, "middle", "", words);
  }
  out += svg_text(kTheftBox.x(0.5), kTheftBox.bottom + 39, "middle", "", "queries (logarithmic)");
  return out;
}

std::string classes_of(const Line& line) { return line.tone + (line.baseline ? " before" : ""); }

std::string theft_drawing(const TheftAxes& axes, const Line& line) {
  const std::string classes = classes_of(line);
  std::string upper, lower, middle, dots;
  for (const Point& point : line.points) {
    upper += axes.at(point.budget, point.upper) + " ";
    middle += axes.at(point.budget, point.value) + " ";
    lower.insert(0, axes.at(point.budget, point.lower) + " ");
    // A vertical bar keeps the bounds visible where the band has no width.
    dots +=
        svg_line(classes, axes.x(point.budget), axes.y(point.lower), axes.x(point.budget),
                 axes.y(point.upper)) +
        "<circle class=\"" + classes + "\" cx=\"" + coordinate(axes.x(point.budget)) + "\" cy=\"" +
        coordinate(axes.y(point.value)) + "\" r=\"3.5\"><title>" +
        escape(line.name + " after " + show_plural(static_cast<int64_t>(point.budget), "query") +
               ": " + show(point.value, Unit::kPercent) + ", bounds " +
               show(point.lower, Unit::kPercent) + " and " + show(point.upper, Unit::kPercent)) +
        "</title></circle>";
  }
  for (const auto& [budget, share] : line.seeds) {
    dots += "<circle class=\"seed " + line.tone + "\" cx=\"" + coordinate(axes.x(budget) + 7) +
            "\" cy=\"" + coordinate(axes.y(share)) + "\" r=\"1.6\"/>";
  }
  return (line.baseline
              ? ""
              : "<polygon class=\"band " + line.tone + "\" points=\"" + upper + lower + "\"/>") +
         std::string("<polyline class=\"line ") + classes + "\" points=\"" + middle + "\"/>" + dots;
}

/// Figures at the right ends of the candidate's lines, kept apart. Names are in the legend.
std::string theft_ends(const TheftAxes& axes, const std::vector<Line>& lines) {
  std::vector<std::pair<double, const Line*>> labels;
  for (const Line& line : lines) {
    labels.emplace_back(axes.y(line.points.back().value), &line);
  }
  std::stable_sort(labels.begin(), labels.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  constexpr double kLineApart = 15;
  for (size_t i = 1; i < labels.size(); ++i) {
    labels[i].first = std::max(labels[i].first, labels[i - 1].first + kLineApart);
  }
  const double beyond = labels.empty() ? 0 : labels.back().first - kTheftBox.bottom;
  std::string out;
  for (const auto& [y, line] : labels) {
    const std::string words =
        show(line->points.back().value, Unit::kPercent) + (line->baseline ? " baseline" : "");
    out += svg_text(kTheftBox.right + 8, y - std::max(0.0, beyond) + 4, "start", line->tone, words);
  }
  return out;
}

std::string theft_legend(const std::vector<Line>& lines) {
  std::string out;
  for (const Line& line : lines) {
    out += legend_entry(line.baseline ? "" : line.tone, classes_of(line), line.name);
  }
  return element("div", "legend",
                 out + "<span>bands and bars: one-sided bounds; small dots: single seeds</span>");
}

}  // namespace

std::string theft_charts(const Report& report) {
  std::string out;
  for (const Thefts& chart : thefts_of(report)) {
    const std::vector<Line> lines = lines_of(chart);
    if (lines.empty()) continue;
    const TheftAxes axes = axes_of(lines);
    const std::string pool = chart.pool.empty() ? "" : ", queries from " + chart.pool;
    std::string inside = theft_frame(axes, lines);
    // The candidate's lines on top, of which the first one most.
    for (auto line = lines.rbegin(); line != lines.rend(); ++line)
      inside += theft_drawing(axes, *line);
    inside += theft_ends(axes, lines);
    out += "<figure class=\"card\"><h3><code>" + escape(chart.attack) + "</code>" + escape(pool) +
           "</h3>" + element("p", "small soft", "agreement of surrogate and candidate, %") +
           chart_svg(kTheftBox, "agreement over queries for " + chart.attack, inside) +
           theft_legend(lines) + "</figure>\n";
  }
  return out.empty() ? "" : element("div", "grid wide", out);
}

}  // namespace assay::reports

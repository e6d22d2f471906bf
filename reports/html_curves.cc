// Robust accuracy over eps, with confidence bands, as inline SVG.
#include <algorithm>
#include <cmath>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr ChartBox kCurveBox{460, 280, 44, 372, 14, 232};
constexpr size_t kMostBars = 16;

struct Series {
  std::string name;  ///< candidate or baseline: also its class
  std::vector<CurvePoint> points;
};

/// Cells of one attack entry share a chart: `pgd@0.05` and `pgd@0.1` are points of one curve.
struct Curves {
  std::string title;
  std::string norm;
  Series candidate{"candidate", {}};
  Series baseline{"baseline", {}};
};

void add(Series& series, const CurvePoint& point) {
  for (const double number : {point.eps, point.robust_accuracy, point.lower, point.upper}) {
    if (!std::isfinite(number)) return;
  }
  const auto at =
      std::lower_bound(series.points.begin(), series.points.end(), point.eps,
                       [](const CurvePoint& other, double eps) { return other.eps < eps; });
  if (at != series.points.end() && at->eps == point.eps) return;
  series.points.insert(at, point);
}

void add_all(Series& series, const std::vector<CurvePoint>& curve,
             const std::map<std::string, Estimate>& metrics, const std::optional<double>& eps) {
  for (const CurvePoint& point : curve) add(series, point);
  const auto read = [&](const char* name, double at) {
    const auto metric = metrics.find(name);
    if (metric == metrics.end() || !metric->second.value) return;
    const double value = *metric->second.value;
    add(series,
        {at, value, metric->second.lower.value_or(value), metric->second.upper.value_or(value)});
  };
  if (eps) read("robust_accuracy", *eps);
  // Without room to move, robust accuracy is clean accuracy.
  if (!series.points.empty()) read("clean_accuracy", 0);
}

std::vector<Curves> curves_of(const Report& report) {
  std::vector<Curves> charts;
  for (const CellResult& cell : report.decision->cells) {
    const CellHeader* header = header_of(report.evidence, cell.name);
    if (!header || header->family != Family::kEvasion) continue;
    const std::string title = cell.name.substr(0, cell.name.rfind('@'));
    auto chart = std::find_if(charts.begin(), charts.end(),
                              [&](const Curves& other) { return other.title == title; });
    if (chart == charts.end()) {
      charts.push_back({.title = title, .norm = std::string(to_string(header->threat.norm))});
      chart = charts.end() - 1;
    }
    add_all(chart->candidate, cell.curve, cell.metrics, header->threat.eps);
    add_all(chart->baseline, cell.baseline_curve, cell.baseline_metrics, header->threat.eps);
  }
  std::erase_if(charts, [](const Curves& chart) {
    return chart.candidate.points.empty() && chart.baseline.points.empty();
  });
  return charts;
}

/// 1, 2 or 5 times a power of ten, for about four steps.
double step_of(double most) {
  const double rough = most / 4;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

struct CurveAxes {
  double most = 1;  ///< eps at the right end
  double x(double eps) const { return kCurveBox.x(eps / most); }
  double y(double share) const { return kCurveBox.y(std::clamp(share, 0.0, 1.0)); }
  std::string at(double eps, double share) const {
    return coordinate(x(eps)) + "," + coordinate(y(share));
  }
};

std::string curve_frame(const CurveAxes& axes, const std::string& norm) {
  std::string out;
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const double y = axes.y(share);
    out += svg_line(share == 0 ? "axis" : "rule", kCurveBox.left, y, kCurveBox.right, y);
    out += svg_text(kCurveBox.left - 7, y + 4, "end", "", show_limit(share * 100, Unit::kNumber));
  }
  const double step = step_of(axes.most);
  for (double eps = 0; eps <= axes.most * (1 + 1e-9); eps += step) {
    const double x = axes.x(eps);
    out += svg_line("axis", x, kCurveBox.bottom, x, kCurveBox.bottom + 4);
    out += svg_text(x, kCurveBox.bottom + 17, "middle", "", show_limit(eps, Unit::kNumber));
  }
  out += svg_text(kCurveBox.x(0.5), kCurveBox.bottom + 37, "middle", "",
                  "eps (" + norm + ", in units of the input)");
  return out;
}

std::string curve_drawing(const CurveAxes& axes, const Series& series) {
  if (series.points.empty()) return "";
  std::string upper, lower, middle, dots;
  // So many points would hide the band under their bars.
  const bool dense = series.points.size() > kMostBars;
  for (const CurvePoint& point : series.points) {
    upper += axes.at(point.eps, point.upper) + " ";
    middle += axes.at(point.eps, point.robust_accuracy) + " ";
    lower.insert(0, axes.at(point.eps, point.lower) + " ");
    dots +=
        "<circle class=\"" + series.name + "\" cx=\"" + coordinate(axes.x(point.eps)) + "\" cy=\"" +
        coordinate(axes.y(point.robust_accuracy)) + "\" r=\"" + (dense ? "1.5" : "3.5") +
        "\"><title>" +
        escape(series.name + " at eps " + show_limit(point.eps, Unit::kNumber) + ": " +
               show(point.robust_accuracy, Unit::kPercent) + ", bounds " +
               show(point.lower, Unit::kPercent) + " and " + show(point.upper, Unit::kPercent)) +
        "</title></circle>";
    if (dense) continue;
    // A vertical bar keeps the bounds visible where the band has no width.
    dots.insert(0, svg_line(series.name, axes.x(point.eps), axes.y(point.lower), axes.x(point.eps),
                            axes.y(point.upper)));
  }
  return "<polygon class=\"band " + series.name + "\" points=\"" + upper + lower + "\"/>" +
         "<polyline class=\"line " + series.name + "\" points=\"" + middle + "\"/>" + dots;
}

/// Names at the right ends of the lines, kept apart.
std::string curve_ends(const CurveAxes& axes, const Curves& chart) {
  const bool both = !chart.candidate.points.empty() && !chart.baseline.points.empty();
  double at[2] = {0, 0};
  const Series* series[2] = {&chart.candidate, &chart.baseline};
  for (int i = 0; i < 2; ++i) {
    if (!series[i]->points.empty()) at[i] = axes.y(series[i]->points.back().robust_accuracy);
  }
  constexpr double kApart = 30;
  if (both && std::abs(at[0] - at[1]) < kApart) {
    const double middle =
        std::clamp((at[0] + at[1]) / 2, kCurveBox.top + kApart / 2, kCurveBox.bottom - kApart / 2);
    const double side = at[0] <= at[1] ? -kApart / 2 : kApart / 2;
    at[0] = middle + side;
    at[1] = middle - side;
  }
  std::string out;
  for (int i = 0; i < 2; ++i) {
    if (series[i]->points.empty()) continue;
    const double x = axes.x(series[i]->points.back().eps) + 9;
    out += svg_text(x, at[i] - 2, "start", series[i]->name, series[i]->name);
    out += svg_text(x, at[i] + 12, "start", series[i]->name,
                    show(series[i]->points.back().robust_accuracy, Unit::kPercent));
  }
  return out;
}

std::string curve_legend(const Curves& chart) {
  std::string out;
  for (const Series* series : {&chart.candidate, &chart.baseline}) {
    if (!series->points.empty()) out += legend_entry(series->name, series->name, series->name);
  }
  return element("div", "legend", out + "<span>bands: one-sided bounds</span>");
}

std::string curve_figure(const Report& report, const Curves& chart) {
  CurveAxes axes{0};
  for (const Series* series : {&chart.candidate, &chart.baseline}) {
    if (!series->points.empty()) axes.most = std::max(axes.most, series->points.back().eps);
  }
  if (!(axes.most > 0)) return "";
  const std::string inside = curve_frame(axes, chart.norm) + curve_drawing(axes, chart.baseline) +
                             curve_drawing(axes, chart.candidate) + curve_ends(axes, chart);
  return "<figure class=\"card\"><h3><code>" + escape(chart.title) + "</code></h3>" +
         element("p", "small soft", "robust accuracy, %") +
         chart_svg(kCurveBox,
                   "robust accuracy over eps for " + chart.title + " on " + report.suite->name,
                   inside) +
         curve_legend(chart) + "</figure>\n";
}

}  // namespace

std::string curves_section(const Report& report) {
  std::string out;
  for (const Curves& chart : curves_of(report)) out += curve_figure(report, chart);
  if (out.empty()) return "";
  return section("curves", "Robust accuracy over eps",
                 "The share of all samples that stay rightly classified as the attacker may change "
                 "inputs more. Dots are measured, lines only join them.",
                 element("div", "grid wide", out));
}

}  // namespace assay::reports

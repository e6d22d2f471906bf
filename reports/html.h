// The parts of report.html. Every part returns markup, "" where it has nothing to say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reports/view.h"

namespace assay::reports {

std::string style_sheet();

std::string hero(const Report& report);
std::string samples_section(const Report& report);
std::string rules_section(const Report& report);
std::string flags_section(const Report& report);
std::string curves_section(const Report& report);
std::string membership_section(const Report& report);
std::string extraction_section(const Report& report);
/// Agreement over the budget, a chart for each attack and pool with a line for each surface.
std::string theft_charts(const Report& report);
std::string classes_section(const Report& report);
std::string cells_section(const Report& report);
std::string run_section(const Report& report);

/// Limit, bounds and measured value of a rule as a small SVG; "" where there are no numbers.
std::string interval_bar(const RuleResult& rule);
/// A word in the colour of its meaning; `tone` is pass fail inconclusive incomplete refused none.
std::string chip(std::string_view tone, std::string_view text);
std::string chip(RuleVerdict verdict);
std::string_view tone_of(RuleVerdict verdict);

/// A section with a heading and, where there is one, a sentence below it.
std::string section(std::string_view id, std::string_view title, std::string_view lead,
                    const std::string& body);
/// A table in a box of its own that scrolls sideways. Headings starting with '>' are right-aligned
/// with their column; cells are markup.
std::string table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows);
std::string element(std::string_view tag, std::string_view classes, const std::string& inside);
std::string details(bool open, const std::string& summary, const std::string& inside);
/// A chart's drawing and the plot between its axes, in units of its viewBox.
struct ChartBox {
  double width, height;
  double left, right, top, bottom;
  /// Where a share of an axis lies.
  double x(double share) const { return left + share * (right - left); }
  double y(double share) const { return bottom - share * (bottom - top); }
};
std::string chart_svg(const ChartBox& box, const std::string& label, const std::string& inside);
/// Words of the legend beside a stroke of their line's classes, on a band of `band` if not "".
std::string legend_entry(std::string_view band, std::string_view line, const std::string& words);
/// Words and lines of charts; `anchor` is start, middle or end.
std::string svg_text(double x, double y, std::string_view anchor, std::string_view classes,
                     const std::string& words);
std::string svg_line(std::string_view classes, double x1, double y1, double x2, double y2);
/// Coordinates in SVG and lengths in CSS: one decimal, "." whatever the locale.
std::string coordinate(double value);

}  // namespace assay::reports

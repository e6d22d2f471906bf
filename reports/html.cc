// report.html: one file that loads nothing, decision first.
#include "reports/html.h"

#include <cmath>
#include <cstdio>

#include "harness/suite/error.h"
#include "reports/markup.h"

namespace assay {
namespace reports {

std::string coordinate(double value) {
  if (!std::isfinite(value)) value = 0;
  const auto tenths = static_cast<int64_t>(std::llround(value * 10));
  const std::string sign = tenths < 0 ? "-" : "";
  const int64_t size = std::abs(tenths);
  return sign + std::to_string(size / 10) + (size % 10 == 0 ? "" : "." + std::to_string(size % 10));
}

std::string element(std::string_view tag, std::string_view classes, const std::string& inside) {
  std::string out = "<" + std::string(tag);
  if (!classes.empty()) out += " class=\"" + std::string(classes) + "\"";
  return out + ">" + inside + "</" + std::string(tag) + ">";
}

std::string chip(std::string_view tone, std::string_view text) {
  return element("span", "chip tone-" + std::string(tone), escape(text));
}

std::string_view tone_of(RuleVerdict verdict) {
  switch (verdict) {
    case RuleVerdict::kPass:
      return "pass";
    case RuleVerdict::kFail:
      return "fail";
    case RuleVerdict::kInconclusive:
      return "inconclusive";
    case RuleVerdict::kNotApplicable:
    case RuleVerdict::kWaived:
      break;
  }
  return "none";
}

std::string chip(RuleVerdict verdict) {
  return chip(tone_of(verdict), metric_words(to_string(verdict)));
}

std::string section(std::string_view id, std::string_view title, std::string_view lead,
                    const std::string& body) {
  std::string out = "<section id=\"" + std::string(id) + "\">\n<h2>" + escape(title) + "</h2>\n";
  if (!lead.empty()) out += "<p class=\"lead\">" + escape(lead) + "</p>\n";
  return out + body + "\n</section>\n";
}

std::string table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  const auto right = [&](size_t i) { return i < headings.size() && headings[i].starts_with('>'); };
  for (size_t i = 0; i < headings.size(); ++i) {
    out += right(i) ? "<th scope=\"col\" class=\"right\">" : "<th scope=\"col\">";
    out += escape(right(i) ? headings[i].substr(1) : headings[i]) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      out += element("td", right(i) ? "right" : "", row[i]);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string chart_svg(const ChartBox& box, const std::string& label, const std::string& inside) {
  return "<svg class=\"chart\" viewBox=\"0 0 " + coordinate(box.width) + " " +
         coordinate(box.height) + "\" width=\"100%\" font-size=\"12\" role=\"img\" aria-label=\"" +
         escape(label) + "\">" + inside + "</svg>";
}

std::string legend_entry(std::string_view band, std::string_view line, const std::string& words) {
  std::string out = "<span><svg class=\"chart\" viewBox=\"0 0 26 10\" aria-hidden=\"true\">";
  if (!band.empty()) {
    out += "<rect class=\"band " + std::string(band) + "\" width=\"26\" height=\"10\"/>";
  }
  return out + "<polyline class=\"line " + std::string(line) + "\" points=\"0,5 26,5\"/></svg>" +
         escape(words) + "</span>";
}

std::string svg_text(double x, double y, std::string_view anchor, std::string_view classes,
                     const std::string& words) {
  return "<text class=\"" + std::string(classes) + "\" x=\"" + coordinate(x) + "\" y=\"" +
         coordinate(y) + "\" text-anchor=\"" + std::string(anchor) + "\">" + escape(words) +
         "</text>";
}

std::string svg_line(std::string_view classes, double x1, double y1, double x2, double y2) {
  return "<line class=\"" + std::string(classes) + "\" x1=\"" + coordinate(x1) + "\" y1=\"" +
         coordinate(y1) + "\" x2=\"" + coordinate(x2) + "\" y2=\"" + coordinate(y2) + "\"/>";
}

std::string details(bool open, const std::string& summary, const std::string& inside) {
  return std::string("<details") + (open ? " open" : "") + "><summary>" + summary + "</summary>" +
         element("div", "inside", inside) + "</details>\n";
}

}  // namespace reports

namespace {

/// A dot in the colour of the decision, for the browser's tab.
std::string tab_icon(Outcome outcome) {
  constexpr int kSize = 32;
  uint8_t colour[3] = {0x8a, 0x5a, 0x00};
  const auto set = [&](uint8_t r, uint8_t g, uint8_t b) {
    colour[0] = r, colour[1] = g, colour[2] = b;
  };
  if (outcome == Outcome::kPass) set(0x1f, 0x8a, 0x5b);
  if (outcome == Outcome::kFail || outcome == Outcome::kRefused) set(0xc2, 0x31, 0x2d);
  if (outcome == Outcome::kIncomplete) set(0x4f, 0x55, 0xb8);
  reports::Bitmap bitmap{kSize, kSize, 4, {}};
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      const double radius = std::hypot(x - 15.5, y - 15.5);
      const double alpha = std::fmin(1, std::fmax(0, 14.5 - radius));
      for (const uint8_t channel : colour) bitmap.pixels.push_back(channel);
      bitmap.pixels.push_back(static_cast<uint8_t>(std::lround(alpha * 255)));
    }
  }
  return reports::png_data_uri(bitmap);
}

}  // namespace

std::string report_html(const Report& report) {
  ASSAY_CHECK(report.suite && report.decision, "a report has a suite and a decision");
  const Outcome outcome = report.decision->outcome;
  const std::string word(to_string(outcome));
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  // No script runs and nothing is fetched, whatever a sample id or a message may hold.
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  out += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  out += "<meta name=\"referrer\" content=\"no-referrer\">\n";
  out += "<title>" +
         reports::escape(word + " · " + report.suite->name + " · " +
                         reports::base_name(reports::model_path(report))) +
         "</title>\n";
  out += "<link rel=\"icon\" href=\"" + tab_icon(outcome) + "\">\n";
  out += "<style>\n" + reports::style_sheet() + "</style>\n</head>\n";
  out += "<body class=\"tone-" + word + "\" data-decision=\"" + word + "\">\n";
  out += reports::hero(report);
  out += "<main class=\"wrap\">\n";
  out += reports::samples_section(report);
  out += reports::rules_section(report);
  out += reports::curves_section(report);
  out += reports::membership_section(report);
  out += reports::extraction_section(report);
  out += reports::classes_section(report);
  out += reports::cells_section(report);
  out += reports::flags_section(report);
  out += reports::run_section(report);
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace assay

// Rules with interval bars, and flags.
#include <algorithm>
#include <cmath>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

// The bar's measures, in units of its viewBox.
constexpr double kBarWidth = 300;
constexpr double kBarLeft = 10;
constexpr double kBarRight = 290;
constexpr double kBarAxis = 14;

/// The part of the number line that a bar shows.
struct Domain {
  double lo = 0;
  double hi = 1;
  double x(double value) const {
    const double share = (std::clamp(value, lo, hi) - lo) / (hi - lo);
    return kBarLeft + share * (kBarRight - kBarLeft);
  }
};

Domain domain_of(const RuleResult& rule) {
  // Proportions keep the whole of 0 to 1, so that rows can be compared at a glance.
  if (!is_paired(rule) && value_unit(rule.metric) == Unit::kPercent) return {};
  if (!is_paired(rule) && rule.metric == "auc") return {};
  double lo = std::min(0.0, rule.limit), hi = std::max(0.0, rule.limit);
  for (const auto& value : {rule.lower, rule.upper, measured(rule)}) {
    if (!value || !std::isfinite(*value)) continue;
    lo = std::min(lo, *value);
    hi = std::max(hi, *value);
  }
  const double room = hi > lo ? (hi - lo) * 0.15 : 1;
  return {is_paired(rule) || lo < 0 ? lo - room : lo, hi + room};
}

std::string bar_vertical(std::string_view classes, double x, double top, double bottom) {
  return "<line class=\"" + std::string(classes) + "\" x1=\"" + coordinate(x) + "\" x2=\"" +
         coordinate(x) + "\" y1=\"" + coordinate(top) + "\" y2=\"" + coordinate(bottom) + "\"/>";
}

std::string bar_horizontal(std::string_view classes, double from, double to) {
  return "<line class=\"" + std::string(classes) + "\" x1=\"" + coordinate(from) + "\" x2=\"" +
         coordinate(to) + "\" y1=\"" + coordinate(kBarAxis) + "\" y2=\"" + coordinate(kBarAxis) +
         "\"/>";
}

std::string bar_label(double x, std::string_view classes, const std::string& text) {
  const double half = 3.2 * static_cast<double>(text.size());
  const char* anchor = x - half < 0 ? "start" : x + half > kBarWidth ? "end" : "middle";
  const double at = x - half < 0           ? std::min(x, kBarLeft)
                    : x + half > kBarWidth ? std::max(x, kBarRight)
                                           : x;
  return "<text class=\"" + std::string(classes) + "\" x=\"" + coordinate(at) +
         "\" y=\"38\" font-size=\"11.5\" text-anchor=\"" + anchor + "\">" + escape(text) +
         "</text>";
}

std::string rule_numbers(const RuleResult& rule) {
  const Unit own = value_unit(rule.metric);
  if (rule.kind == RuleSpec::Kind::kFlagsClear) return "";
  std::string out;
  if (is_paired(rule) && rule.baseline && rule.value) {
    out += element("div", "nowrap",
                   escape(show(*rule.baseline, own) + " → " + show(*rule.value, own)));
  } else if (rule.value) {
    out += element("div", "nowrap", escape(show_against(*rule.value, rule.limit, own)));
  }
  if (rule.regressed && rule.repaired) {
    out += element("div", "soft",
                   escape(show_count(*rule.regressed) + " regressed, " +
                          show_count(*rule.repaired) + " repaired"));
  }
  if (rule.n > 0) out += element("div", "soft nowrap", escape("n = " + show_count(rule.n)));
  return out;
}

std::string rule_why(const RuleResult& rule) {
  std::string out;
  const std::string amount = margin_words(rule);
  if (!amount.empty()) out += element("div", "", "<b>" + escape(amount) + "</b>");
  if (!rule.reason.empty()) out += element("div", "", escape(rule.reason));
  if (!rule.hint.empty()) out += element("div", "", "<b>→</b> " + escape(rule.hint));
  return element("div", "why", out);
}

}  // namespace

std::string interval_bar(const RuleResult& rule) {
  const std::optional<double> value = measured(rule);
  const bool numbers = (value && std::isfinite(*value)) || rule.lower || rule.upper;
  if (rule.kind == RuleSpec::Kind::kFlagsClear || !numbers) return "";
  const Domain domain = domain_of(rule);
  const double limit = domain.x(rule.limit);
  const bool floor = rule.kind == RuleSpec::Kind::kAtLeast;
  const double from = floor ? kBarLeft - 4 : limit, to = floor ? limit : kBarRight + 4;
  const std::string words = measured_words(rule);
  std::string out = "<svg class=\"interval tone-" + std::string(tone_of(rule.verdict)) +
                    "\" viewBox=\"0 0 300 42\" width=\"300\" height=\"42\" role=\"img\"><title>" +
                    escape(words.empty() ? condition(rule) : words) + "</title>";
  out += bar_horizontal("track", kBarLeft, kBarRight);
  out += "<rect class=\"zone\" x=\"" + coordinate(from) + "\" y=\"2\" width=\"" +
         coordinate(std::max(0.0, to - from)) + "\" height=\"24\" rx=\"3\"/>";
  const bool zero = is_paired(rule) && domain.lo < 0 && std::abs(domain.x(0) - limit) > 3;
  if (zero) out += bar_vertical("zero", domain.x(0), 4, 24);
  if (rule.lower || rule.upper) {
    const double lower = rule.lower ? domain.x(*rule.lower) : kBarLeft;
    const double upper = rule.upper ? domain.x(*rule.upper) : kBarRight;
    out += bar_horizontal("range", lower, upper);
    if (rule.lower) out += bar_vertical("end", lower, 7, 21);
    if (rule.upper) out += bar_vertical("end", upper, 7, 21);
  }
  out += bar_vertical("limit", limit, 1, 27);
  if (value && std::isfinite(*value)) {
    out +=
        "<circle class=\"point\" cx=\"" + coordinate(domain.x(*value)) + "\" cy=\"14\" r=\"4.5\"/>";
  }
  const std::string limit_text = "limit " + show_limit(rule.limit, rule_unit(rule));
  out += bar_label(limit, "at", limit_text);
  // Zero is named where its label has room beside the limit's.
  if (zero && std::abs(domain.x(0) - limit) > 3.5 * static_cast<double>(limit_text.size()) + 36) {
    out += bar_label(domain.x(0), "", "no change");
  }
  return out + "</svg>";
}

std::string rules_section(const Report& report) {
  const std::vector<const RuleResult*> rules = by_severity(*report.decision);
  if (rules.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const RuleResult* rule : rules) {
    std::string what = element("code", "strong", escape(rule->cell.empty() ? "run" : rule->cell));
    what += element("div", "", escape(condition(*rule)));
    if (rule->line > 0) {
      what += element("div", "soft", "line " + std::to_string(rule->line) + " of the suite");
    }
    rows.push_back({chip(rule->verdict), element("div", "what", what), interval_bar(*rule),
                    rule_numbers(*rule), rule_why(*rule)});
  }
  const double confidence = report.suite->confidence * 100;
  const std::string lead =
      "The bar runs from the lower to the upper bound, each one-sided at the rule's confidence (" +
      show_limit(confidence / 100, Unit::kPercent) +
      " unless the rule says otherwise); the dot is what was measured. A rule passes when its "
      "whole bar lies outside the red side of the limit, and fails when all of it lies inside.";
  return section("rules", "Rules", lead,
                 table({"verdict", "rule", "bounds and limit", "measured", "why"}, rows));
}

std::string flags_section(const Report& report) {
  std::string out;
  if (report.decision->outcome == Outcome::kRefused) return out;  // the top of the page has them
  for (const Flag& flag : report.decision->flags) {
    std::string head = element("code", "strong", escape(flag.id));
    if (!flag.cell.empty()) head += " in " + element("code", "", escape(flag.cell));
    std::string body = element("p", "", head);
    if (!flag.detail.empty()) body += element("p", "small soft", escape(flag.detail));
    if (!flag.advice.empty()) body += element("p", "small", "→ " + escape(flag.advice));
    out += element("div", "card flag", body) + "\n";
  }
  if (out.empty()) return "";
  return section("flags", "Flags",
                 "What makes the numbers above mean less, or more, than they seem to.", out);
}

}  // namespace assay::reports

// summary.md: a comment on a pull request, under 64 kB (what GitHub takes), worst first.
#include <algorithm>

#include "reports/markup.h"
#include "reports/report.h"
#include "reports/view.h"

namespace assay {
namespace {

using reports::RuleVerdict;
constexpr size_t kMostBytes = 60'000;  // of 65,536, for what a bot may add around it
constexpr size_t kMostText = 600;      // of one sentence
constexpr size_t kMostName = 120;
constexpr size_t kMostFlagBytes = 12'000;

/// At most `most` bytes, cut between code points.
std::string cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

/// Text that stays text: no markup, no mention, no line break.
std::string prose(std::string_view text) {
  static constexpr std::string_view kMarkup = "\\`*_{}[]<>()#|~!&@";
  std::string out;
  for (const char c : cut(reports::clean_text(text), kMostText)) {
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
    } else if (c == '@') {
      out += "&#64;";  // a backslash does not stop a mention
    } else {
      if (kMarkup.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

/// A code span for names. Backticks and pipes, which no name has, become quotes and slashes.
std::string code_span(std::string_view text) {
  std::string out;
  for (const char c : cut(reports::clean_text(text), kMostName)) {
    out += c == '`' ? '\'' : c == '|' ? '/' : (c == '\n' || c == '\r' || c == '\t') ? ' ' : c;
  }
  return out.empty() ? "—" : "`" + out + "`";
}

const char* sign(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "✅";
    case Outcome::kFail:
      return "❌";
    case Outcome::kRefused:
      return "⛔";
    case Outcome::kInconclusive:
      return "❔";
    case Outcome::kIncomplete:
      break;
  }
  return "⏸️";
}

std::string verdict_cell(RuleVerdict verdict) {
  switch (verdict) {
    case RuleVerdict::kPass:
      return "✅ pass";
    case RuleVerdict::kFail:
      return "❌ **fail**";
    case RuleVerdict::kInconclusive:
      return "❔ **inconclusive**";
    case RuleVerdict::kNotApplicable:
      return "not applicable";
    case RuleVerdict::kWaived:
      break;
  }
  return "waived";
}

std::string bounds(const RuleResult& rule) {
  if (!rule.lower && !rule.upper) return "—";
  const reports::Unit unit = reports::rule_unit(rule);
  const auto side = [&](const std::optional<double>& bound) {
    return bound ? reports::show_against(*bound, rule.limit, unit) : std::string("—");
  };
  return side(rule.lower) + " … " + side(rule.upper);
}

std::string rule_row(const RuleResult& rule) {
  const std::optional<double> value = reports::measured(rule);
  std::string why = prose(rule.reason);
  if (!rule.hint.empty()) why += (why.empty() ? "" : "; ") + prose(rule.hint);
  return "| " + verdict_cell(rule.verdict) + " | " +
         code_span(rule.cell.empty() ? "(run)" : rule.cell) + " | " +
         prose(reports::condition(rule)) + " | " +
         (value ? reports::show_against(*value, rule.limit, reports::rule_unit(rule)) : "—") +
         " | " + bounds(rule) + " | " + why + " |\n";
}

std::string head(const Report& report) {
  const Decision& decision = *report.decision;
  const reports::Headline headline = reports::headline(report);
  std::string out = std::string("## ") + sign(decision.outcome) + " " + headline.title +
                    " (Assay: " + std::string(to_string(decision.outcome)) + ")\n\n" +
                    prose(headline.sentence) + "\n\n";
  for (const std::string& step : headline.steps) out += "- " + prose(step) + "\n";
  out += "\nSuite " + code_span(report.suite->name) + ", candidate " +
         code_span(reports::base_name(reports::model_path(report)));
  const std::string sha256 = reports::model_sha256(report);
  if (!sha256.empty()) out += " " + code_span(sha256.substr(0, 12));
  if (reports::has_baseline(report)) {
    out += ", baseline " + code_span(reports::base_name(report.baseline_path));
  } else {
    out += ", no baseline";
  }
  if (decision.clean_accuracy) {
    out += ". Clean accuracy " + reports::show(*decision.clean_accuracy, reports::Unit::kPercent);
    if (decision.baseline_clean_accuracy) {
      out += " (baseline " +
             reports::show(*decision.baseline_clean_accuracy, reports::Unit::kPercent) + ")";
    }
  }
  return out + ".\n";
}

std::string flags(const Decision& decision) {
  if (decision.flags.empty()) return "";
  std::string out = "\n### Flags\n\n";
  size_t shown = 0;
  for (const Flag& flag : decision.flags) {
    std::string line = "- " + code_span(flag.id) +
                       (flag.cell.empty() ? "" : " in " + code_span(flag.cell)) + ": " +
                       prose(flag.detail);
    if (!flag.advice.empty()) line += ". " + prose(flag.advice);
    if (out.size() + line.size() > kMostFlagBytes) break;
    out += line + "\n";
    ++shown;
  }
  if (shown < decision.flags.size()) {
    out += "- and " + std::to_string(decision.flags.size() - shown) + " more in report.html\n";
  }
  return out;
}

}  // namespace

std::string summary_markdown(const Report& report) {
  std::string out = head(report);
  const std::string tail = flags(*report.decision);
  const std::vector<const RuleResult*> rules = reports::by_severity(*report.decision);
  if (!rules.empty()) {
    out += "\n| verdict | cell | rule | measured | bounds | why |\n";
    out += "|---|---|---|---|---|---|\n";
  }
  size_t shown = 0;
  for (const RuleResult* rule : rules) {
    const std::string row = rule_row(*rule);
    if (out.size() + row.size() + tail.size() > kMostBytes) break;
    out += row;
    ++shown;
  }
  if (shown < rules.size()) {
    out += "\n" + std::to_string(rules.size() - shown) + " of " + std::to_string(rules.size()) +
           " rules are left out here; report.html and report.json have all.\n";
  }
  return out + tail;
}

}  // namespace assay

// The top of report.html: the decision, what decided, by how much, and what to do.
#include <algorithm>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr size_t kMostCulprits = 2;

std::string outcome_icon(Outcome outcome) {
  const char* shape = "";
  switch (outcome) {
    case Outcome::kPass:
      shape = "<path d=\"M14 25l7 7 14-16\"/>";
      break;
    case Outcome::kFail:
      shape = "<path d=\"M16 16l16 16M32 16L16 32\"/>";
      break;
    case Outcome::kInconclusive:
      shape =
          "<path d=\"M18 19a6 6 0 1 1 9 5.2c-2 1.2-3 2.3-3 4.3\"/>"
          "<path d=\"M24 34.5v.2\"/>";
      break;
    case Outcome::kIncomplete:
      shape = "<path d=\"M24 13v12l7 5\"/>";
      break;
    case Outcome::kRefused:
      shape = "<path d=\"M11 37L37 11\"/>";
      break;
  }
  return std::string(
             "<svg viewBox=\"0 0 48 48\" aria-hidden=\"true\" fill=\"none\" "
             "stroke=\"currentColor\" stroke-width=\"4\" stroke-linecap=\"round\" "
             "stroke-linejoin=\"round\"><circle cx=\"24\" cy=\"24\" r=\"20\"/>") +
         shape + "</svg>";
}

/// "drop 64.2 points, bounds 62.8 points and 65.6 points"
std::string bounds_words(const RuleResult& rule) {
  const Unit unit = rule_unit(rule);
  const char* what = rule.kind == RuleSpec::Kind::kMaxDrop   ? "drop "
                     : rule.kind == RuleSpec::Kind::kMaxRise ? "rise "
                                                             : "measured ";
  std::string out = what + show_against(*measured(rule), rule.limit, unit);
  const auto bound = [&](const std::optional<double>& value) {
    return value ? show_against(*value, rule.limit, unit) : std::string("none");
  };
  if (rule.lower || rule.upper) {
    out += ", bounds " + bound(rule.lower) + " and " + bound(rule.upper);
  }
  return out;
}

/// `lead` is the sentence above, which may have said the rule's reason already.
std::string culprit(const RuleResult& rule, const std::string& lead) {
  std::string out = "<div class=\"card culprit tone-" + std::string(tone_of(rule.verdict)) + "\">";
  out += "<div class=\"top\"><code class=\"strong\">" +
         escape(rule.cell.empty() ? "whole run" : rule.cell) + "</code><span>" +
         escape(condition(rule)) + "</span></div>";
  const std::string amount = margin_words(rule);
  if (!amount.empty()) out += element("p", "amount", escape(amount));
  out += interval_bar(rule);
  const bool numbers = measured(rule).has_value();
  if (is_paired(rule) && rule.baseline && rule.value) {
    const Unit unit = value_unit(rule.metric);
    out += element("p", "",
                   "<span class=\"shift\">" +
                       escape(show(*rule.baseline, unit) + " → " + show(*rule.value, unit)) +
                       "</span> <span class=\"soft small\">baseline to candidate</span>");
  }
  if (numbers) out += element("p", "small soft", escape(bounds_words(rule)));
  if (rule.regressed && rule.repaired) {
    out += element("p", "small soft",
                   escape(show_plural(*rule.regressed, "sample") + " regressed, " +
                          show_count(*rule.repaired) + " repaired, of " + show_count(rule.n)));
  }
  // Where the bounds do not tell, the reason does (flags, no baseline, vacuous, invalid samples).
  // A card that only says `no flags` would read as if there were none.
  const bool said =
      rule.kind != RuleSpec::Kind::kFlagsClear && lead.find(rule.reason) != std::string::npos;
  if (amount.empty() && !said) out += element("p", "small", escape(rule.reason));
  return out + "</div>\n";
}

/// Rules that made the decision.
std::string culprits(const Report& report, const std::string& lead) {
  const Decision& decision = *report.decision;
  RuleVerdict wanted = RuleVerdict::kFail;
  std::string title = "Failed";
  if (decision.outcome == Outcome::kInconclusive) {
    wanted = RuleVerdict::kInconclusive;
    title = "Undecided";
  } else if (decision.outcome == Outcome::kPass) {
    const RuleResult* rule = tightest(decision);
    if (!rule) return "";
    return element("h2", "label", "Closest call") + culprit(*rule, lead);
  }
  std::string out;
  size_t shown = 0, total = 0;
  for (const RuleResult* rule : by_severity(decision)) {
    if (rule->verdict != wanted) continue;
    ++total;
    if (shown >= kMostCulprits) continue;
    ++shown;
    out += culprit(*rule, lead);
  }
  if (total == 0) return "";
  if (total > shown) {
    out += element("p", "small soft",
                   "and " + escape(show_plural(static_cast<int64_t>(total - shown), "rule")) +
                       " more <a href=\"#rules\">below</a>");
  }
  return element("h2", "label", title) + out;
}

/// How far an unfinished run came.
std::string progress(const Report& report) {
  if (report.decision->outcome != Outcome::kIncomplete) return "";
  std::vector<std::vector<std::string>> rows;
  for (const CellResult& cell : report.decision->cells) {
    rows.push_back({element("code", "", escape(cell.name)),
                    cell.complete ? chip("pass", "complete") : chip("incomplete", "incomplete")});
  }
  if (rows.empty()) return "";
  return element("h2", "label", "How far it came") + table({"cell", "status"}, rows);
}

std::string refusal(const Report& report) {
  if (report.decision->outcome != Outcome::kRefused) return "";
  std::string out;
  for (const Flag& flag : report.decision->flags) {
    out += element("div", "card",
                   element("code", "strong", escape(flag.id)) +
                       element("p", "small soft", escape(flag.detail)) +
                       element("p", "small", escape(flag.advice)));
  }
  return out.empty() ? "" : element("h2", "label", "What was found") + out;
}

std::string fact(const std::string& name, const std::string& value, const std::string& more) {
  std::string inside = escape(value);
  if (!more.empty()) inside += element("small", "", escape(more));
  return "<div>" + element("dt", "", escape(name)) + element("dd", "", inside) + "</div>";
}

std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] -= 'a' - 'A';
  return text;
}

std::string identity(const std::string& sha256) {
  return sha256.empty() ? "" : "sha256 " + sha256.substr(0, 12);
}

std::string run_facts(const Report& report) {
  const Decision& decision = *report.decision;
  std::string out =
      fact("Candidate", base_name(model_path(report)), identity(model_sha256(report)));
  if (has_baseline(report)) {
    const std::string sha256 = report.baseline ? report.baseline->header.model.sha256 : "";
    out += fact("Baseline", base_name(report.baseline_path), identity(sha256));
  } else {
    out += fact("Baseline", "none", report.suite->baseline == "none" ? "declared a first run" : "");
  }
  if (decision.clean_accuracy) {
    out += fact("Clean accuracy", show(decision.clean_accuracy, Unit::kPercent),
                decision.baseline_clean_accuracy
                    ? "baseline " + show(decision.baseline_clean_accuracy, Unit::kPercent)
                    : "");
  }
  const auto number = [&](RuleVerdict verdict) { return count(decision, verdict); };
  std::string more;
  const auto add = [&](RuleVerdict verdict, const char* word) {
    if (number(verdict) > 0) {
      more += (more.empty() ? "" : ", ") + show_count(number(verdict)) + " " + word;
    }
  };
  add(RuleVerdict::kFail, "failed");
  add(RuleVerdict::kInconclusive, "inconclusive");
  add(RuleVerdict::kWaived, "waived");
  add(RuleVerdict::kNotApplicable, "not applicable");
  const auto total = static_cast<int64_t>(decision.rules.size());
  if (total > 0)
    out += fact("Rules passed", show_count(number(RuleVerdict::kPass)) + " of " + show_count(total),
                more);
  if (report.evidence && !report.evidence->header.samples.empty()) {
    out += fact("Samples", show_count(static_cast<int64_t>(report.evidence->header.samples.size())),
                show_plural(static_cast<int64_t>(decision.cells.size()), "cell"));
  }
  if (!decision.flags.empty()) {
    out += fact("Flags", show_count(static_cast<int64_t>(decision.flags.size())), "");
  }
  if (!report.started.empty()) {
    out += fact("Started", show_moment(report.started), "took " + show_time(report.wall_s));
  }
  return "<dl class=\"facts\">" + out + "</dl>\n";
}

}  // namespace

std::string hero(const Report& report) {
  const Decision& decision = *report.decision;
  const Headline head = headline(report);
  std::string out = "<header class=\"hero\"><div class=\"wrap\">\n";
  out += element("p", "kicker", "Assay gate · <b>" + escape(report.suite->name) + "</b>");
  out += "<div class=\"verdict\">" + outcome_icon(decision.outcome) +
         element("h1", "", escape(head.title)) +
         chip(to_string(decision.outcome),
              std::string(to_string(decision.outcome)) + " · exit " +
                  std::to_string(static_cast<int>(exit_code(decision.outcome)))) +
         "</div>\n";
  out += element("p", "reason", escape(capital(head.sentence))) + "\n";
  std::string steps;
  for (const std::string& step : head.steps) steps += element("li", "", escape(capital(step)));
  const std::string todo = element("h2", "label", "What to do") +
                           "<div class=\"card\"><ol class=\"steps\">" + steps + "</ol></div>\n";
  const std::string left = culprits(report, head.sentence) + progress(report) + refusal(report);
  out += left.empty() ? "<div class=\"hero-grid alone\">" : "<div class=\"hero-grid\">";
  if (!left.empty()) out += element("div", "stack left", left);
  out += element("div", "stack todo", todo) + run_facts(report);
  return out + "</div>\n</div></header>\n";
}

}  // namespace assay::reports

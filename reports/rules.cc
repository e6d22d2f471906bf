// Words for rules.
#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/suite/error.h"
#include "reports/view.h"

namespace assay::reports {
namespace {

using Kind = RuleSpec::Kind;

/// True if large values break the rule.
bool is_ceiling(const RuleResult& rule) { return rule.kind != Kind::kAtLeast; }

int severity(RuleVerdict verdict) {
  switch (verdict) {
    case RuleVerdict::kFail:
      return 0;
    case RuleVerdict::kInconclusive:
      return 1;
    case RuleVerdict::kWaived:
      return 2;
    case RuleVerdict::kPass:
      return 3;
    case RuleVerdict::kNotApplicable:
      break;
  }
  return 4;
}

/// Differences of percentages are points.
Unit distance_unit(const RuleResult& rule) {
  return rule_unit(rule) == Unit::kNumber ? Unit::kNumber : Unit::kPoints;
}

double sort_margin(const RuleResult& rule) {
  return margin(rule).value_or(-std::numeric_limits<double>::infinity());
}

}  // namespace

Unit value_unit(std::string_view metric) {
  const std::string_view name = metric.substr(0, metric.find('@'));
  for (const std::string_view number :
       {"auc", "median_distance", "epsilon_lower", "accuracy_ratio", "mean_kl"}) {
    if (name == number) return Unit::kNumber;
  }
  return Unit::kPercent;
}

bool is_paired(const RuleResult& rule) { return assay::is_paired(rule.kind); }

Unit rule_unit(const RuleResult& rule) {
  if (!is_paired(rule)) return value_unit(rule.metric);
  if (rule.metric == "median_distance") return Unit::kPercent;  // relative to the baseline
  return value_unit(rule.metric) == Unit::kPercent ? Unit::kPoints : Unit::kNumber;
}

std::string metric_words(std::string_view metric) {
  std::string words(metric);
  std::replace(words.begin(), words.end(), '_', ' ');
  const size_t at = words.find('@');
  if (at == std::string::npos) return words;
  const std::string budget = words.substr(at + 1);
  const bool number = !budget.empty() && budget.size() < 19 &&
                      budget.find_first_not_of("0123456789") == std::string::npos;
  return number ? words.substr(0, at) + " after " + show_plural(std::stoll(budget), "query")
                : words;
}

std::string condition(const RuleResult& rule) {
  const std::string limit = show_limit(rule.limit, rule_unit(rule));
  const std::string metric = metric_words(rule.metric);
  switch (rule.kind) {
    case Kind::kAtLeast:
      return metric + " at least " + limit;
    case Kind::kAtMost:
      return metric + " at most " + limit;
    case Kind::kMaxDrop:
      return metric + " drops by at most " + limit;
    case Kind::kMaxRise:
      return metric + " rises by at most " + limit;
    case Kind::kFlagsClear:
      break;
  }
  return "no flags";
}

std::optional<double> measured(const RuleResult& rule) {
  return is_paired(rule) ? rule.difference : rule.value;
}

std::optional<double> margin(const RuleResult& rule) {
  if (rule.kind == Kind::kFlagsClear) return std::nullopt;
  const bool failed = rule.verdict == RuleVerdict::kFail;
  if (!failed && rule.verdict != RuleVerdict::kPass) return std::nullopt;
  // The far bound decides a pass, the near one a failure.
  const auto& bound = is_ceiling(rule) != failed ? rule.upper : rule.lower;
  if (!bound || !std::isfinite(*bound)) return std::nullopt;
  const double distance = is_ceiling(rule) ? rule.limit - *bound : *bound - rule.limit;
  // A rule may fail for another reason than its bounds, e.g. a fault of the candidate.
  if (failed ? distance >= 0 : distance < 0) return std::nullopt;
  return distance;
}

std::string margin_words(const RuleResult& rule) {
  const std::optional<double> distance = margin(rule);
  if (!distance) return "";
  const std::string amount = show_against(std::abs(*distance), 0, distance_unit(rule));
  return (rule.verdict == RuleVerdict::kFail ? "beyond the limit by at least "
                                             : "inside the limit by at least ") +
         amount;
}

std::string sentence(const RuleResult& rule) {
  ASSAY_CHECK(margin(rule).has_value(), "only a rule with a margin has a sentence");
  const Unit unit = rule_unit(rule);
  const std::string limit = show_limit(rule.limit, unit);
  const std::string metric = metric_words(rule.metric) + " of " + rule.cell;
  const std::string confidence =
      " at " + show_limit(rule.confidence, Unit::kPercent) + " confidence)";
  const auto amount = [&](const std::optional<double>& value) {
    return value ? show_against(*value, rule.limit, unit) : std::string("an unknown amount");
  };
  if (rule.kind == Kind::kAtLeast) {
    return metric + " is " + amount(rule.value) + " (at most " + amount(rule.upper) + confidence +
           "; the suite asks for at least " + limit;
  }
  const std::string surely = " (at least " + amount(rule.lower) + confidence;
  if (rule.kind == Kind::kAtMost) {
    return metric + " is " + amount(rule.value) + surely + "; the suite allows at most " + limit;
  }
  return metric + (rule.kind == Kind::kMaxDrop ? " fell by " : " rose by ") +
         amount(rule.difference) + " against the baseline" + surely + "; the suite allows " + limit;
}

std::string measured_words(const RuleResult& rule) {
  const std::optional<double> value = measured(rule);
  if (!value) return "";
  const Unit unit = rule_unit(rule);
  std::string words = "measured " + show_against(*value, rule.limit, unit);
  if (is_paired(rule) && rule.baseline && rule.value) {
    const Unit own = value_unit(rule.metric);
    words +=
        " (baseline " + show(*rule.baseline, own) + ", candidate " + show(*rule.value, own) + ")";
  }
  if (rule.lower) words += ", lower bound " + show_against(*rule.lower, rule.limit, unit);
  if (rule.upper) words += ", upper bound " + show_against(*rule.upper, rule.limit, unit);
  return words + ", limit " + show_limit(rule.limit, unit);
}

std::vector<const RuleResult*> by_severity(const Decision& decision) {
  std::vector<const RuleResult*> rules;
  for (const RuleResult& rule : decision.rules) rules.push_back(&rule);
  std::stable_sort(rules.begin(), rules.end(), [](const RuleResult* a, const RuleResult* b) {
    if (a->verdict != b->verdict) return severity(a->verdict) < severity(b->verdict);
    return a->verdict == RuleVerdict::kFail && sort_margin(*a) < sort_margin(*b);
  });
  return rules;
}

const RuleResult* tightest(const Decision& decision) {
  const RuleResult* nearest_rule = nullptr;
  for (const RuleResult& rule : decision.rules) {
    if (rule.verdict != RuleVerdict::kPass || !margin(rule)) continue;
    if (!nearest_rule || *margin(rule) < *margin(*nearest_rule)) nearest_rule = &rule;
  }
  return nearest_rule;
}

int64_t count(const Decision& decision, RuleVerdict verdict) {
  return std::count_if(decision.rules.begin(), decision.rules.end(),
                       [&](const RuleResult& rule) { return rule.verdict == verdict; });
}

}  // namespace assay::reports

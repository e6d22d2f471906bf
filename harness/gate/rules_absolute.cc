// at_least and at_most: bounds of one metric against a limit; and flags: clear.
#include <algorithm>
#include <cmath>

#include "harness/gate/metrics.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

std::string value_text(double value) { return std::isfinite(value) ? figure(value) : "infinite"; }

/// What would decide an inconclusive rule on a share.
std::string level_hint(const RuleSpec& rule, const Estimate& estimate) {
  const bool at_least = rule.kind == RuleSpec::Kind::kAtLeast;
  const std::string shown = count(estimate.n, "sample") + " can show " +
                            (at_least ? "at_least " + figure(round_down(*estimate.lower))
                                      : "at_most " + figure(round_up(*estimate.upper)));
  const int64_t needed = samples_for_limit(*estimate.value, rule.limit, rule.confidence);
  if (needed == kNoSampleSuffices) {
    return "no number of samples decides this if the value stays at " + figure(*estimate.value) +
           "; these " + shown;
  }
  return "about " + count(std::max(needed, estimate.n + 1), "sample") +
         " would decide if the value holds; these " + shown;
}

/// Of a median, one end is enough to decide: whether more or less than half of the samples lie
/// beyond the limit.
std::string median_level_hint(const RuleSpec& rule, const Trial& trial, const Estimate& estimate) {
  const bool at_least = rule.kind == RuleSpec::Kind::kAtLeast;
  const std::optional<double>& end = at_least ? estimate.lower : estimate.upper;
  if (!end) return few_for_median(rule.confidence);
  int64_t beyond = 0;
  for (const std::optional<double>& distance : distances(*trial.candidate, *trial.cell)) {
    if (distance && (at_least ? *distance < rule.limit : *distance > rule.limit)) ++beyond;
  }
  const double share = static_cast<double>(beyond) / static_cast<double>(estimate.n);
  const int64_t needed = samples_for_limit(share, 0.5, rule.confidence);
  const std::string lie =
      " of the samples lie " + std::string(at_least ? "under " : "over ") + figure(rule.limit);
  return (needed == kNoSampleSuffices
              ? "no number of samples decides this if half" + lie
              : "about " + count(std::max(needed, estimate.n + 1), "sample") + " would decide if " +
                    percent(share) + lie) +
         "; these " + count(estimate.n, "sample") + " can show " +
         (!std::isfinite(*end) ? "no bound on this side"
          : at_least           ? "at_least " + figure(round_down(*end))
                               : "at_most " + figure(round_up(*end)));
}

std::string hint_of(const RuleSpec& rule, const Trial& trial, const Estimate& estimate) {
  switch (trial.cell->header->family) {
    case Family::kMembership:
      return membership_hint(rule, trial, estimate);
    case Family::kExtraction:
      return extraction_hint(rule, trial, estimate);
    case Family::kEvasion:
      break;
  }
  return rule.metric == "median_distance" ? median_level_hint(rule, trial, estimate)
                                          : level_hint(rule, estimate);
}

std::string clean_hint_of(const Trial& trial) {
  const Header& header = trial.candidate->evidence->header;
  return clean_hint(header.flags, header.classes);
}

/// What would give a metric that has no value one.
std::string missing_hint(const RuleSpec& rule, const Trial& trial) {
  const CellView& cell = *trial.cell;
  if (cell.header->family == Family::kMembership) return missing_score_hint(rule, trial);
  if (cell.header->family == Family::kExtraction) return "";  // the reason says it
  const bool aimed = std::count(cell.aimed.begin(), cell.aimed.end(), false) == 0;
  return aimed ? "choose another `target`, or samples of other classes" : clean_hint_of(trial);
}

}  // namespace

std::string clean_hint(const std::vector<Flag>& flags, int64_t classes) {
  std::string hint = "if this surprises: ";
  // Of more than two classes a softmax leaves the highest where it is.
  for (const Flag& flag : flags) {
    if (flag.id == "softmax_output" && classes == 2) hint += flag.advice + "; else ";
  }
  return hint +
         "`normalize` is missing, or the suite and the model both normalise, or the model takes "
         "another `input.range`, such as [0, 255], or the class order of data and model differs";
}

std::string few_for_median(double confidence) {
  const double needed = std::ceil(std::log(1 - confidence) / std::log(0.5) - 1e-9);
  return "bounds of a median at this confidence need " + figure(needed) + " samples or more";
}

void judge_absolute(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const std::optional<Estimate> measured =
      measure(rule.metric, *trial.candidate, *trial.cell, rule.confidence);
  if (!measured) {
    settle(result, Outcomes::kInconclusive,
           "`" + rule.metric + "` cannot be measured in this cell" +
               suggest(rule.metric, metrics_of(*trial.cell->header)));
    return;
  }
  const Estimate& estimate = *measured;
  const Estimate shown = reportable(estimate);
  result.value = shown.value;
  result.lower = shown.lower;
  result.upper = shown.upper;
  result.n = estimate.n;
  if (!estimate.value) {
    settle(result, Outcomes::kInconclusive, estimate.reason, missing_hint(rule, trial));
    return;
  }
  if (rule.metric == "epsilon_lower") return judge_epsilon(rule, trial, estimate, result);
  const bool at_least = rule.kind == RuleSpec::Kind::kAtLeast;
  const bool pass = at_least ? estimate.lower && *estimate.lower >= rule.limit
                             : estimate.upper && *estimate.upper <= rule.limit;
  const bool fail = at_least ? estimate.upper && *estimate.upper < rule.limit
                             : estimate.lower && *estimate.lower > rule.limit;
  if (pass) {
    settle(result, Outcomes::kPass, shown.reason);  // of a value that is not finite
    if (rule.metric == "auc" && !at_least) doubt_reversal(rule, trial, estimate, result);
  } else if (fail) {
    settle(result, Outcomes::kFail,
           rule.metric + " is " + value_text(*estimate.value) + " and " +
               (at_least ? "at most " + value_text(*estimate.upper) + ", under "
                         : "at least " + value_text(*estimate.lower) + ", over ") +
               limit_text(rule),
           rule.metric == "clean_accuracy" ? clean_hint_of(trial) : "");
  } else {
    const auto end = [](const std::optional<double>& bound) {
      return bound ? value_text(*bound) : "unknown";
    };
    settle(result, Outcomes::kInconclusive,
           rule.metric + " is " + value_text(*estimate.value) + ", between " + end(estimate.lower) +
               " and " + end(estimate.upper) + ": these samples cannot tell it from " +
               limit_text(rule),
           hint_of(rule, trial, estimate));
  }
}

std::vector<Flag> flags_of(const Trial& trial) {
  const EvidenceView& view = *trial.candidate;
  const CellView& cell = *trial.cell;
  const std::string& name = cell.header->name;
  const std::string entry = name.substr(0, name.find('@'));
  std::vector<Flag> flags;
  const auto add_own = [&](const std::vector<Flag>& list) {
    for (const Flag& flag : list) {
      // A flag raised for a whole entry concerns each of its cells.
      if (flag.cell.empty() || flag.cell == name || flag.cell == entry) flags.push_back(flag);
    }
  };
  add_own(view.evidence->header.flags);
  const auto add = [&](const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      const auto unit = view.units.find(key);
      if (unit == view.units.end()) continue;
      flags.insert(flags.end(), unit->second->flags.begin(), unit->second->flags.end());
    }
  };
  add(view.evidence->header.clean_units);
  add(cell.header->units);
  add_own(*trial.diagnosis);
  return flags;
}

void judge_flags(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  std::vector<Flag> raised;
  std::vector<std::string> ids;
  for (const Flag& flag : flags_of(trial)) {
    const auto has = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), flag.id) != list.end();
    };
    if (has(rule.except) || has(ids)) continue;
    ids.push_back(flag.id);
    raised.push_back(flag);
  }
  result.n = trial.cell->counts.total;
  if (raised.empty()) {
    settle(result, Outcomes::kPass, "");
    return;
  }
  const Flag& first = raised.front();
  std::string reason = "flag " + first.id;
  if (!first.detail.empty()) reason += ": " + first.detail;
  if (raised.size() > 1) {
    reason += ", and ";
    for (size_t i = 1; i < ids.size(); ++i) reason += (i > 1 ? ", " : "") + ids[i];
  }
  settle(result, Outcomes::kFail, reason, first.advice);
}

}  // namespace assay

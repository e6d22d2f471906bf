// max_drop and max_rise against the baseline, on the same samples.
//
// Shares: Tango bounds of D = (b - c)/n, b samples lost and c gained.
// median_distance: the limit is relative, D = 1 - median here / median in the baseline, with bounds
// from a paired bootstrap. The population is the baseline's, so a candidate cannot improve by
// misclassifying its weak samples (they count as 0). The median of the samples' own ratios would
// have a narrower bound but is another quantity: it stays 1 where a tenth of the samples, those in
// the middle, lose nearly all of their distance and the median goes with them.
#include <algorithm>
#include <cmath>

#include "harness/gate/metrics.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

bool is_drop(const RuleSpec& rule) { return rule.kind == RuleSpec::Kind::kMaxDrop; }

std::optional<double> finite(const std::optional<double>& number) {
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::string spell(const RuleSpec& rule, double number) {
  if (!std::isfinite(number)) return number > 0 ? "infinity" : "-infinity";
  return rule.metric == "median_distance" ? percent(number) : figure(number);
}

/// True, and settled, if the difference cannot exceed the limit whatever the candidate does.
bool vacuous_share(const RuleSpec& rule, const PairedCounts& pairs, RuleResult& result) {
  const Interval base = clopper_pearson(pairs.baseline, pairs.n, rule.confidence);
  const double room = is_drop(rule) ? base.upper : 1 - base.lower;
  if (room > rule.limit) return false;
  settle_vacuous(
      rule,
      "the baseline's " + rule.metric + " is " +
          (is_drop(rule) ? "at most " + figure(base.upper) : "at least " + figure(base.lower)) +
          ", so no candidate can break " + limit_text(rule),
      result);
  return true;
}

std::string share_hint(const RuleSpec& rule, const PairedCounts& pairs,
                       const Difference& difference) {
  const std::string shown = "these " + count(pairs.n, "sample") + " can show " +
                            std::string(to_string(rule.kind)) + " " +
                            figure(round_up(*difference.upper));
  // What is left of the margin; a candidate that looks better than the baseline is planned as
  // equal.
  const double margin =
      difference.value < 0 && rule.limit > 0 ? rule.limit : std::abs(rule.limit - difference.value);
  if (margin == 0) return "no number of samples decides this if the rates hold; " + shown;
  const double discordant = static_cast<double>(pairs.regressed.size() + pairs.repaired.size()) /
                            static_cast<double>(pairs.n);
  const int64_t needed = samples_for_margin(margin, discordant, rule.confidence);
  return "about " + count(std::max(needed, pairs.n + 1), "sample") +
         " would decide if the rates hold; " + shown;
}

Flag regression_flag(const Trial& trial, const std::string& detail) {
  return {"regression_within_margin", trial.cell->header->name, detail,
          "look at the regressed samples before promoting; repeated small drops add up"};
}

void judge_share(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  const bool clean = rule.metric == "clean_accuracy";
  const PairedCounts pairs = count_pairs(
      clean ? trial.candidate->clean : robust_facts(*trial.cell),
      clean ? trial.baseline->clean : robust_facts(*trial.pairing->cell), *trial.partners);
  RuleResult& result = judgement.result;
  result.n = pairs.n;
  if (pairs.n == 0) {
    settle(result, Outcomes::kInconclusive, "no sample is in both runs",
           "draw the same samples for both runs, or give the incumbent's model file as baseline");
    return;
  }
  const int64_t b = static_cast<int64_t>(pairs.regressed.size());
  const int64_t c = static_cast<int64_t>(pairs.repaired.size());
  const double n = static_cast<double>(pairs.n);
  result.value = static_cast<double>(pairs.here) / n;
  result.baseline = static_cast<double>(pairs.baseline) / n;
  result.regressed = b;
  result.repaired = c;
  const Interval bounds = tango(b, c, pairs.n, rule.confidence);
  Difference difference = {static_cast<double>(b - c) / n, bounds.lower, bounds.upper};
  if (!is_drop(rule)) difference = mirrored(difference);
  decide_difference(rule, difference, share_hint(rule, pairs, difference), result);
  if (clean && is_drop(rule) && result.verdict == Outcomes::kFail) {
    const Header& header = trial.candidate->evidence->header;
    result.hint = clean_hint(header.flags, header.classes);
  }
  vacuous_share(rule, pairs, result);
  const double chance = mcnemar_mid_p(b, c);
  if (is_drop(rule) && chance <= 1 - rule.confidence && difference.value <= rule.limit &&
      result.verdict != Outcomes::kFail) {
    judgement.flag = regression_flag(
        trial, rule.metric + " dropped by " + figure(difference.value) + " (" + std::to_string(b) +
                   " lost, " + std::to_string(c) + " gained, p = " + figure(chance) + "), inside " +
                   limit_text(rule));
  }
}

std::string median_hint(const RuleSpec& rule, const Difference& difference, int64_t n) {
  if (!difference.upper) return few_for_median(rule.confidence);
  if (!std::isfinite(*difference.upper)) return "more samples: the bound is infinite";
  const double gap = difference.value - rule.limit;
  const double reach =
      gap < 0 ? *difference.upper - difference.value : difference.value - *difference.lower;
  // Bounds close in as the root of the number of samples.
  const double needed = std::ceil(static_cast<double>(n) * std::pow(reach / gap, 2));
  return (needed < 1e15
              ? "about " + count(std::max(static_cast<int64_t>(needed), n + 1), "sample") +
                    " would decide if the medians hold"
              : "no number of samples decides this if the medians hold") +
         "; these " + count(n, "sample") + " can show " + std::string(to_string(rule.kind)) + " " +
         percent(round_up(*difference.upper));
}

/// Why a median, or both, has no value; "" where both have.
std::string unbroken_text(const MedianDrop& drop) {
  const bool here = std::isinf(drop.here);
  const bool before = std::isinf(drop.baseline);
  if (!here && !before) return "";
  return "half or more of the samples were never broken in " +
         std::string(here && before ? "both runs"
                     : here         ? "the candidate, whose median is infinite"
                                    : "the baseline, whose median is infinite");
}

void judge_median(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  RuleResult& result = judgement.result;
  const std::vector<DistancePair> pairs = pair_distances(
      *trial.candidate, *trial.cell, *trial.baseline, *trial.pairing->cell, *trial.partners);
  result.n = static_cast<int64_t>(pairs.size());
  if (pairs.empty()) {
    settle(result, Outcomes::kInconclusive,
           "no sample in both runs is rightly classified by the baseline",
           "draw the same samples for both runs, of those that the baseline classifies rightly");
    return;
  }
  const MedianDrop drop = median_drop(pairs, rule.confidence);
  result.value = finite(drop.here);
  result.baseline = finite(drop.baseline);
  const std::string unbroken = unbroken_text(drop);
  if (std::isinf(drop.here) && std::isinf(drop.baseline)) {
    settle(result, Outcomes::kInconclusive,
           unbroken + ", so that nothing tells their medians apart",
           "an attack that breaks more than half of the samples in one of them would decide: more "
           "steps, another one, or score access where gradients are not finite");
    return;
  }
  Difference difference = {drop.value, drop.lower, drop.upper};
  if (!is_drop(rule)) difference = mirrored(difference);
  decide_difference(rule, difference, median_hint(rule, difference, result.n), result);
  if (!unbroken.empty()) result.reason += (result.reason.empty() ? "" : "; ") + unbroken;
  if (is_drop(rule) && (rule.limit >= 1 || drop.baseline <= 0)) {
    settle_vacuous(rule, "no candidate's distances can drop by more than they are", result);
  } else if (is_drop(rule) && result.verdict == Outcomes::kPass && difference.lower &&
             *difference.lower > 0) {
    judgement.flag =
        regression_flag(trial, rule.metric + " dropped by " + percent(difference.value) +
                                   ", inside " + limit_text(rule));
  }
}

}  // namespace

Difference mirrored(const Difference& drop) {
  Difference rise;
  rise.value = 0 - drop.value;  // never -0
  if (drop.upper) rise.lower = 0 - *drop.upper;
  if (drop.lower) rise.upper = 0 - *drop.lower;
  return rise;
}

void decide_difference(const RuleSpec& rule, const Difference& difference, const std::string& hint,
                       RuleResult& result) {
  result.difference = finite(difference.value);
  result.lower = finite(difference.lower);
  result.upper = finite(difference.upper);
  const std::string moved = is_drop(rule) ? "dropped" : "rose";
  if (difference.upper && *difference.upper <= rule.limit) {
    settle(result, Outcomes::kPass, "");
  } else if (difference.lower && *difference.lower > rule.limit) {
    std::string reason = rule.metric + " " + moved + " by " + spell(rule, difference.value) +
                         " against the baseline, at least " + spell(rule, *difference.lower) +
                         ", over " + limit_text(rule);
    if (result.regressed) {
      reason += "; " + std::to_string(*result.regressed) + " lost, " +
                std::to_string(*result.repaired) + " gained";
    }
    settle(result, Outcomes::kFail, reason);
  } else {
    const auto end = [&](const std::optional<double>& bound) {
      return bound ? spell(rule, *bound) : "unknown";
    };
    settle(result, Outcomes::kInconclusive,
           "the " + std::string(is_drop(rule) ? "drop" : "rise") + " of " + rule.metric + " is " +
               spell(rule, difference.value) + ", between " + end(difference.lower) + " and " +
               end(difference.upper) + ": these samples cannot tell it from " + limit_text(rule),
           hint);
  }
}

void settle_vacuous(const RuleSpec& rule, const std::string& why, RuleResult& result) {
  settle(result, rule.vacuous_ok ? Outcomes::kNotApplicable : Outcomes::kInconclusive, "vacuous",
         why + (rule.vacuous_ok ? ""
                                : "; set a smaller limit, attack where the baseline still holds, "
                                  "or accept it with `vacuous: ok`"));
}

void judge_paired(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  const bool paired_share = rule.metric == "robust_accuracy" || rule.metric == "clean_accuracy";
  const std::vector<std::string> names = metrics_of(*trial.cell->header);
  if (rule.metric == "attack_success") {
    settle(judgement.result, Outcomes::kInconclusive,
           "attack_success cannot be paired: the denominators of the two models differ",
           "use robust_accuracy");
  } else if (std::find(names.begin(), names.end(), rule.metric) == names.end()) {
    settle(judgement.result, Outcomes::kInconclusive,
           "`" + rule.metric + "` cannot be measured in this cell" + suggest(rule.metric, names));
  } else if (rule.metric != "median_distance" && rule.relative) {
    settle(judgement.result, Outcomes::kInconclusive,
           "a relative limit is defined on median_distance only",
           "write the limit as a difference, such as 0.05");
  } else if (trial.cell->header->family == Family::kMembership) {
    judge_paired_membership(rule, trial, judgement);
  } else if (trial.cell->header->family == Family::kExtraction) {
    judge_paired_extraction(rule, trial, judgement);
  } else if (paired_share) {
    judge_share(rule, trial, judgement);
  } else {
    judge_median(rule, trial, judgement);
  }
}

}  // namespace assay

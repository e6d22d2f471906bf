// Rules on membership cells: what stands in their way, epsilon_lower, and differences between two
// models' scores of the same records.
#include <algorithm>
#include <cmath>

#include "harness/gate/membership.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/text.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

constexpr const char* kTieAdvice =
    "an attack whose scores tie less, such as loss or lira, gives the metric a threshold";

/// Records from the metric's side that would give it a value; "" if it has enough of them.
std::string more_records(const RuleSpec& rule, const CellHeader& cell, const ScoreSets& scores) {
  if (scores.members.size() < 2 || scores.non_members.size() < 2) {
    return "audit two members and two non-members or more";
  }
  const double fpr = fpr_of(rule.metric);
  if (fpr == 0 || static_cast<int64_t>(scores.non_members.size()) >= non_members_needed(fpr)) {
    return "";
  }
  return "audit " + std::to_string(non_members_needed(fpr)) + " " +
         std::string(negatives_of(rule.metric, cell)) + " or more";
}

/// Why the scores of two runs, from the metric's side, cannot be compared; "" if they can.
std::string pairing_obstacle(const RuleSpec& rule, const CellHeader& cell,
                             const PairedScores& pairs) {
  const std::string negatives(negatives_of(rule.metric, cell));
  const bool turned = negatives == "members";
  const int64_t n = static_cast<int64_t>(pairs.here.non_members.size());
  const int64_t m = static_cast<int64_t>(pairs.here.members.size());
  if (m < 2 || n < 2) {
    return "only " + std::to_string(turned ? n : m) + " members and " +
           std::to_string(turned ? m : n) + " non-members are in both runs";
  }
  const double fpr = fpr_of(rule.metric);
  if (fpr > 0 && n < non_members_needed(fpr)) {
    return "ten allowed false positives need " + std::to_string(non_members_needed(fpr)) + " " +
           negatives + ", and " + std::to_string(n) + " are in both runs";
  }
  return "";
}

/// Why one of the two TPRs says nothing; "" if both do.
std::string tie_obstacle(const RuleSpec& rule, const CellHeader& cell, const PairedScores& pairs) {
  const double fpr = fpr_of(rule.metric);
  if (fpr == 0) return "";
  const auto obstacle = [&](const ScoreSets& scores) {
    return tpr_obstacle(make_roc(scores), fpr, rule.confidence, negatives_of(rule.metric, cell));
  };
  const std::string here = obstacle(pairs.here);
  if (!here.empty()) return here;
  const std::string there = obstacle(pairs.there);
  return there.empty() ? "" : "in the baseline " + there;
}

Bounded rise_of(const RuleSpec& rule, const Trial& trial, const PairedScores& pairs) {
  // The same draws for one cell whatever it is called; a rerun of the gate repeats them.
  const uint64_t seed = hash64(trial.cell->header->key);
  if (rule.metric == "auc") return auc_difference(pairs.here, pairs.there, rule.confidence);
  if (rule.metric == "advantage") {
    return advantage_difference(pairs.here, pairs.there, rule.confidence, seed);
  }
  return tpr_difference(pairs.here, pairs.there, fpr_of(rule.metric), rule.confidence, seed);
}

/// By what factor the records must grow until the bounds of a difference decide.
double growth_of(const RuleSpec& rule, const PairedScores& pairs, const Difference& difference) {
  if (rule.metric == "auc") {
    return rule.kind == RuleSpec::Kind::kMaxRise
               ? auc_difference_growth(pairs.here, pairs.there, rule.limit, rule.confidence)
               : auc_difference_growth(pairs.there, pairs.here, rule.limit, rule.confidence);
  }
  const double gap = difference.value - rule.limit;
  const double above = *difference.upper - difference.value;
  const double below = difference.value - *difference.lower;
  const bool cut = gap < 0 ? *difference.upper >= 1 : *difference.lower <= -1;
  return std::pow((cut ? std::max(above, below) : gap < 0 ? above : below) / gap, 2);
}

double value_of(const RuleSpec& rule, const ScoreSets& scores) {
  if (rule.metric == "auc") return delong(scores.members, scores.non_members).value;
  const Roc roc = make_roc(scores);
  return (rule.metric == "advantage" ? advantage(roc, rule.confidence)
                                     : tpr_at_fpr(roc, fpr_of(rule.metric), rule.confidence))
      .value;
}

/// A pass of an AUC stands only if an attacker who turns the candidate's score round gains no more
/// than the limit either, over the baseline's score or over its reverse, whichever gives more. Each
/// of the two may be what bounds it, at half of alpha.
void doubt_reversed_auc(const RuleSpec& rule, const PairedScores& pairs, RuleResult& result) {
  if (result.verdict != Outcomes::kPass) return;
  const double split = (1 + rule.confidence) / 2;
  const ScoreSets reverse = turned(pairs.here);
  const double most = std::min(auc_difference(reverse, pairs.there, split).upper,
                               auc_difference(reverse, turned(pairs.there), split).upper);
  if (most <= rule.limit) return;
  settle(result, Outcomes::kInconclusive,
         "auc is " + figure(*result.value) +
             ", and of the score turned round it may have risen by " + figure(most) + ", over " +
             limit_text(rule),
         *result.value < 0.5 ? kReversedAdvice : "more records, or a larger limit");
}

/// Nor does a small rise of another metric stand where that of the score turned round is certainly
/// larger than the limit, over the baseline's score and over its reverse.
void doubt_reversed_rise(const RuleSpec& rule, const Trial& trial, const PairedScores& pairs,
                         RuleResult& result) {
  if (rule.metric == "auc") return doubt_reversed_auc(rule, pairs, result);
  if (result.verdict == Outcomes::kFail) return;
  const CellHeader& cell = *trial.cell->header;
  const PairedScores over = {turned(pairs.here), pairs.there};
  const PairedScores reverse = {over.here, turned(pairs.there)};
  if (!tie_obstacle(rule, cell, over).empty()) return;
  double least = value_of(rule, over.here) - value_of(rule, over.there);  // at most, so far
  if (least > rule.limit) least = std::min(least, rise_of(rule, trial, over).lower);
  if (least > rule.limit && tie_obstacle(rule, cell, reverse).empty()) {
    least = std::min(least, rise_of(rule, trial, reverse).lower);
  }
  if (least <= rule.limit) return;
  settle(result, Outcomes::kInconclusive,
         rule.metric + " of the score turned round rose by at least " + figure(least) + ", over " +
             limit_text(rule),
         kReversedAdvice);
}

/// How much a metric of the baseline can still change in the rule's direction.
double room_left(const RuleSpec& rule, const Trial& trial) {
  const Estimate base =
      measure_membership(rule.metric, *trial.baseline, *trial.pairing->cell, rule.confidence);
  if (!base.value) return 1;
  return rule.kind == RuleSpec::Kind::kMaxRise ? 1 - *base.lower : *base.upper;
}

/// The bound is under the limit, but would hardly be above it if epsilon were; `stated` names it.
void settle_powerless(const RuleSpec& rule, const EpsilonAudit& audit, const Resolution& resolution,
                      const std::string& stated, RuleResult& result) {
  const double must_see = rule.limit + kEpsilonMargin;
  const int64_t m = resolution.members;
  const int64_t n = resolution.non_members;
  const bool for_ties =
      epsilon_detectable(audit, Resolution{m, n}, rule.limit, must_see).has_value();
  std::string reason = stated + ", and these " + (for_ties ? "scores" : "records") +
                       " could hardly have shown more: had epsilon been " + figure(must_see) +
                       " and the attack the best there is, the bound would exceed " +
                       figure(rule.limit) + " with probability under " + figure(kPower);
  if (for_ties) {
    int64_t values = m + n;
    for (const Tie& tie : resolution.record_ties) values -= tie.count - 1;
    reason += ", since the " + count(m + n, "score") + " take " + count(values, "value") +
              " and no threshold divides records that tie";
  } else {
    reason += "; a perfect attack would show " + figure(epsilon_reach(audit, m, n));
  }
  std::string hint = for_ties ? "an attack whose scores tie less, such as loss or lira, gives the "
                                "audit that power"
                              : "no number of records gives this estimator that power; set a "
                                "smaller limit, a smaller `delta`, or another `estimator`";
  if (const std::optional<double> growth = epsilon_growth(audit, resolution, rule.limit)) {
    const auto grown = [&](int64_t records, const std::string& of) {
      return count(static_cast<int64_t>(std::ceil(static_cast<double>(records) * *growth)), of);
    };
    const std::string records = "about " + grown(m, "member") + " and " + grown(n, "non-member") +
                                " give the audit that power";
    hint = for_ties ? hint + "; so do " + records.substr(0, records.find(" give")) : records;
  }
  settle(result, Outcomes::kInconclusive, reason, hint);
}

}  // namespace

std::string missing_score_hint(const RuleSpec& rule, const Trial& trial) {
  const CellHeader& cell = *trial.cell->header;
  const ScoreSets scores =
      from_its_side(rule.metric, cell, audited_scores(*trial.candidate, *trial.cell).scores);
  const std::string more = more_records(rule, cell, scores);
  if (!more.empty()) return more;
  return fpr_of(rule.metric) > 0 ? kTieAdvice : "";  // epsilon's reasons say it
}

void distrust_unlike_shadows(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  if (trial.cell->header->family != Family::kMembership) return;
  if (const std::string labels = unequal_labels(*trial.candidate, *trial.cell); !labels.empty()) {
    return settle(result, Outcomes::kInconclusive, labels, kLabelsAdvice);
  }
  const std::string foreign = not_comparable(*trial.cell);
  if (foreign.empty()) return;
  if (const std::string unequal = unequal_models(*trial.cell); !unequal.empty()) {
    settle(result, Outcomes::kInconclusive, "not comparable: " + unequal, kSetsAdvice);
  } else if (wants_little(rule) && result.verdict == Outcomes::kFail) {
    result.reason += "; though the shadows are unlike the candidate, which only weakens the attack";
    result.hint = kFidelityAdvice;
  } else {
    settle(result, Outcomes::kInconclusive, foreign, kFidelityAdvice);
  }
}

void judge_epsilon(const RuleSpec& rule, const Trial& trial, const Estimate& estimate,
                   RuleResult& result) {
  const std::string stated = "epsilon is at least " + figure(*estimate.lower);
  const bool beyond = *estimate.lower > rule.limit;
  if (rule.kind == RuleSpec::Kind::kAtLeast) {
    if (*estimate.lower >= rule.limit) return settle(result, Outcomes::kPass, "");
    settle(result, Outcomes::kInconclusive,
           stated + ", which does not show " + limit_text(rule) + ": no audit bounds epsilon above",
           "more records, a stronger attack, or canaries would raise the bound");
    return;
  }
  if (beyond) {
    return settle(result, Outcomes::kFail, stated + ", over " + limit_text(rule));
  }
  const Resolution resolution = resolution_of(audited_scores(*trial.candidate, *trial.cell).scores);
  const EpsilonAudit audit = epsilon_audit(*trial.cell->header, rule.confidence);
  const double must_see = rule.limit + kEpsilonMargin;
  if (epsilon_detectable(audit, resolution, rule.limit, must_see)) {
    return settle(result, Outcomes::kPass, "");
  }
  settle_powerless(rule, audit, resolution, stated, result);
}

void judge_paired_membership(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  RuleResult& result = judgement.result;
  if (rule.metric == "epsilon_lower") {
    settle(result, Outcomes::kInconclusive,
           "epsilon_lower is a bound, and the difference of two bounds bounds nothing",
           "use auc, advantage or a TPR");
    return;
  }
  const std::string foreign = not_comparable(*trial.pairing->cell);
  if (!foreign.empty()) {
    settle(result, Outcomes::kInconclusive, "in the baseline " + foreign, kFidelityAdvice);
    return;
  }
  PairedScores pairs =
      paired_scores(*trial.candidate, *trial.cell, *trial.baseline, *trial.pairing->cell);
  pairs.here = from_its_side(rule.metric, *trial.cell->header, std::move(pairs.here));
  pairs.there = from_its_side(rule.metric, *trial.cell->header, std::move(pairs.there));
  result.n = static_cast<int64_t>(pairs.here.members.size() + pairs.here.non_members.size());
  const std::string obstacle = pairing_obstacle(rule, *trial.cell->header, pairs);
  if (!obstacle.empty()) {
    settle(result, Outcomes::kInconclusive, obstacle,
           more_records(rule, *trial.cell->header, pairs.here) + ", the same records in both runs");
    return;
  }
  const std::string tied = tie_obstacle(rule, *trial.cell->header, pairs);
  if (!tied.empty()) return settle(result, Outcomes::kInconclusive, tied, kTieAdvice);
  result.value = value_of(rule, pairs.here);
  result.baseline = value_of(rule, pairs.there);
  const Bounded rise = rise_of(rule, trial, pairs);
  const bool rises = rule.kind == RuleSpec::Kind::kMaxRise;
  Difference difference = {rise.value, rise.lower, rise.upper};
  if (!rises) difference = mirrored(difference);
  const double needed = static_cast<double>(result.n) * growth_of(rule, pairs, difference);
  decide_difference(rule, difference,
                    records_text(std::max(needed, static_cast<double>(result.n + 1))) + "; these " +
                        count(result.n, "record") + " can show " +
                        std::string(to_string(rule.kind)) + " " +
                        figure(round_up(*difference.upper)),
                    result);
  if (rises) doubt_reversed_rise(rule, trial, pairs, result);
  if (room_left(rule, trial) <= rule.limit) {
    settle_vacuous(rule,
                   "no candidate can break " + limit_text(rule) + ": the baseline's " +
                       rule.metric + " leaves no room",
                   result);
  } else if (rises && result.verdict == Outcomes::kPass && *difference.lower > 0) {
    judgement.flag = {"regression_within_margin", trial.cell->header->name,
                      rule.metric + " rose by " + figure(difference.value) + ", at least " +
                          figure(*difference.lower) + ", inside " + limit_text(rule),
                      "the candidate leaks more than the baseline; repeated small rises add up"};
  }
}

}  // namespace assay

// Small figures of a membership cell that do not stand: of a score that an attacker would turn
// round. And what would decide an open rule.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "harness/gate/membership.h"
#include "harness/gate/roc_internal.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

/// By what factor the records must grow until the bounds decide; of the score turned round where
/// `reversed`.
double growth(const RuleSpec& rule, const Trial& trial, const Estimate& estimate, bool reversed) {
  const ScoreSets scores = audited_scores(*trial.candidate, *trial.cell).scores;
  if (rule.metric == "auc") {
    return auc_growth(reversed ? turned(scores) : scores, rule.limit, rule.confidence);
  }
  if (rule.metric == "advantage") {
    return advantage_growth(*estimate.value, static_cast<int64_t>(scores.members.size()),
                            static_cast<int64_t>(scores.non_members.size()), rule.limit,
                            rule.confidence);
  }
  const double gap = *estimate.value - rule.limit;
  const double reach =
      gap < 0 ? *estimate.upper - *estimate.value : *estimate.value - *estimate.lower;
  return std::pow(reach / gap, 2);  // bounds close in as the root of the number of records
}

/// Settles a metric other than AUC whose figure is larger than the limit once the score is turned
/// round, certainly so.
void doubt_reversed_metric(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const ScoreSets scores = audited_scores(*trial.candidate, *trial.cell).scores;
  const Estimate reverse =
      measure_scores(rule.metric, *trial.cell->header, turned(scores), rule.confidence);
  if (!reverse.lower || *reverse.lower <= rule.limit) return;
  settle(result, Outcomes::kInconclusive,
         rule.metric + (result.value ? " is " + figure(*result.value) : " has no value") +
             ", and of the score turned round at least " + figure(*reverse.lower) + ", over " +
             limit_text(rule),
         kReversedAdvice);
}

/// The lower bound of the rule's metric within one class. Of a TPR at the threshold of all classes,
/// as reports have it.
std::optional<double> least_of_class(const RuleSpec& rule, const CellHeader& cell, const Roc& all,
                                     const ScoreSets& scores, double confidence) {
  if (fpr_of(rule.metric) == 0) return measure_scores(rule.metric, cell, scores, confidence).lower;
  const std::vector<double> members = from_its_side(rule.metric, cell, scores).members;
  if (members.empty()) return std::nullopt;
  const double threshold = threshold_at(all, fpr_of(rule.metric));
  const auto above = std::count_if(members.begin(), members.end(),
                                   [&](double score) { return score >= threshold; });
  return clopper_pearson(above, static_cast<int64_t>(members.size()), confidence).lower;
}

/// The class that exceeds the limit most by its own bound; "" if none does.
std::string class_over_limit(const RuleSpec& rule, const Trial& trial) {
  const CellHeader& cell = *trial.cell->header;
  const AuditedScores audited = audited_scores(*trial.candidate, *trial.cell);
  const Roc all = make_roc(from_its_side(rule.metric, cell, audited.scores));
  const std::map<int64_t, ScoreSets> classes = scores_by_label(audited);
  const double confidence = 1 - (1 - rule.confidence) / static_cast<double>(classes.size());
  int64_t worst = -1;
  double most = rule.limit;
  for (const auto& [label, scores] : classes) {
    const std::optional<double> least = least_of_class(rule, cell, all, scores, confidence);
    if (!least || *least <= most) continue;
    worst = label;
    most = *least;
  }
  if (worst < 0) return "";
  return "within class " + std::to_string(worst) + " " + rule.metric + " is at least " +
         figure(most) + " (at the confidence of all " + std::to_string(classes.size()) +
         " classes together): the limit holds of all records together, not of each class";
}

}  // namespace

bool wants_little(const RuleSpec& rule) {
  return rule.kind == RuleSpec::Kind::kAtMost || rule.kind == RuleSpec::Kind::kMaxRise;
}

std::string records_text(double records) {
  if (!(records < 1e15)) return "no number of records decides this if the value holds";
  return "about " + count(static_cast<int64_t>(std::ceil(records)), "record") +
         ", members and non-members as many as now in proportion, would decide if the value holds";
}

std::string membership_hint(const RuleSpec& rule, const Trial& trial, const Estimate& estimate,
                            bool reversed) {
  const bool at_least = rule.kind == RuleSpec::Kind::kAtLeast;
  const double needed = static_cast<double>(estimate.n) * growth(rule, trial, estimate, reversed);
  return records_text(std::max(needed, static_cast<double>(estimate.n + 1))) + "; these " +
         count(estimate.n, "record") + " can show " +
         (at_least ? "at_least " + figure(round_down(*estimate.lower))
                   : "at_most " + figure(round_up(*estimate.upper)));
}

void doubt_reversed_score(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  if (trial.cell->header->family != Family::kMembership || !wants_little(rule)) return;
  if (result.verdict != Outcomes::kPass && result.verdict != Outcomes::kInconclusive) return;
  // Bounds of an AUC say themselves what its reverse would give.
  const double confidence = rule.metric == "auc" ? kReversedConfidence : rule.confidence;
  const std::string reversed = reversed_score(*trial.candidate, *trial.cell, confidence);
  if (!reversed.empty()) {
    settle(result, Outcomes::kInconclusive, reversed, kReversedAdvice);
  } else if (rule.metric != "auc" && rule.kind == RuleSpec::Kind::kAtMost) {
    doubt_reversed_metric(rule, trial, result);
  }
}

void explain_pass(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  if (trial.cell->header->family != Family::kMembership || !wants_little(rule) ||
      result.verdict != Outcomes::kPass) {
    return;
  }
  if (rule.kind == RuleSpec::Kind::kAtMost) result.hint = class_over_limit(rule, trial);
  const std::string unchecked = unchecked_likeness(*trial.cell);
  result.hint += (result.hint.empty() || unchecked.empty() ? "" : "; ") + unchecked;
}

void doubt_reversal(const RuleSpec& rule, const Trial& trial, const Estimate& auc,
                    RuleResult& result) {
  if (1 - *auc.lower <= rule.limit + 1e-12) return;  // as the bound above, but for rounding
  const Estimate reverse = {1 - *auc.value, 1 - *auc.upper, 1 - *auc.lower, auc.n};
  const bool shown = *reverse.lower > 0.5;
  settle(result, Outcomes::kInconclusive,
         "auc is " + figure(*auc.value) + " and may be " + figure(*auc.lower) +
             ": the score turned round may have " + figure(*reverse.upper) + ", over " +
             limit_text(rule),
         shown ? kReversedAdvice : membership_hint(rule, trial, reverse, true));
}

}  // namespace assay

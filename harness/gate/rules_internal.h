// Shared by the files that judge rules; no one else includes it.
#pragma once

#include <string>

#include "harness/gate/rules.h"

namespace assay {

void settle(RuleResult& result, RuleResult::Verdict verdict, std::string reason,
            std::string hint = "");

/// A paired rule's difference with bounds, either of which may be absent or infinite.
struct Difference {
  double value = 0;
  std::optional<double> lower;
  std::optional<double> upper;
};
Difference mirrored(const Difference& drop);
/// Decides by the bounds; `hint` is for an inconclusive rule.
void decide_difference(const RuleSpec& rule, const Difference& difference, const std::string& hint,
                       RuleResult& result);
/// The rule cannot fail, for the reason `why`.
void settle_vacuous(const RuleSpec& rule, const std::string& why, RuleResult& result);

std::string few_for_median(double confidence);

void judge_absolute(const RuleSpec& rule, const Trial& trial, RuleResult& result);
void judge_flags(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// Of a membership cell whose score ranks non-members first, no small figure stands; nor does one
/// of another metric than AUC that is certainly over the limit once the score is turned round, as
/// where a few members score below all others. A large one that is shown is one all the same, and
/// fails.
void doubt_reversed_score(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// Beside a small figure of a membership cell that passed: the class that exceeds an `at_most` most
/// by its own bound, if one does, and what was not checked of the shadows for lack of records.
void explain_pass(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// An `at_most` of auc that passed: an attacker may turn the score round, so it stands only if the
/// bounds show that AUC is no less than 1 - limit either.
void doubt_reversal(const RuleSpec& rule, const Trial& trial, const Estimate& auc,
                    RuleResult& result);
/// Where the shadows are unlike the candidate, nothing of a metric stands but that a small figure
/// was asked for and a large one shown: such shadows make the attack weaker, not the leak smaller.
/// Where the sets differ in their classes, or models that saw neither tell them apart, nothing
/// stands.
void distrust_unlike_shadows(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// What would decide an inconclusive at_least or at_most; of the score turned round where
/// `reversed`.
std::string membership_hint(const RuleSpec& rule, const Trial& trial, const Estimate& estimate,
                            bool reversed = false);
/// "about 300 records ... would decide"; infinite: none do.
std::string records_text(double records);
/// True for at_most and max_rise, which a small figure passes.
bool wants_little(const RuleSpec& rule);
/// What would give a metric that has no value one.
std::string missing_score_hint(const RuleSpec& rule, const Trial& trial);
/// at_least and at_most on epsilon_lower, whose estimate has a value.
void judge_epsilon(const RuleSpec& rule, const Trial& trial, const Estimate& estimate,
                   RuleResult& result);
/// The trials have a paired baseline cell.
void judge_paired_membership(const RuleSpec& rule, const Trial& trial, Judgement& judgement);
/// What would decide an inconclusive at_least or at_most on an extraction cell.
std::string extraction_hint(const RuleSpec& rule, const Trial& trial, const Estimate& estimate);
/// Where thieves learnt nothing, presumed another model, were badly trained, or got more with fewer
/// queries, no rule passes that their success would fail; nor one on a cell that makes its points
/// on their surrogates. Where they were given values of the candidate, none passes and none fails.
void distrust_weak_thieves(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// The trials have a paired baseline cell.
void judge_paired_extraction(const RuleSpec& rule, const Trial& trial, Judgement& judgement);
void judge_paired(const RuleSpec& rule, const Trial& trial, Judgement& judgement);

/// A rule that passed stands only if it passes without all that is in doubt, at once. Of an evasion
/// cell, samples whose rows have a doubt count as broken, and by absolute rules untried ones, those
/// aside that a source of this run tried and left standing (paired rules on cells with untried
/// samples are refused); of a paired baseline, samples on which it failed count as robust.
void doubt_rows(const RuleSpec& rule, const Trial& trial, RuleResult& result);

}  // namespace assay

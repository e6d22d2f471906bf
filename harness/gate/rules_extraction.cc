// Rules on extraction cells: what would decide them, and differences between two models that were
// robbed by the same thieves.
#include <cmath>
#include <limits>
#include <utility>

#include "harness/gate/extraction.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

constexpr int64_t kMostSeeds = 1000;

/// What would decide if `bounds` must come nearer than `gap` to their value.
std::string needed_text(const SeededFigure& figure, double gap, double confidence) {
  const std::string with = count(figure.seeds, "seed") + " and " + count(figure.records, "record");
  if (!figure.bounds.lower) return "bounds need two seeds or more, and there is " + with;
  if (gap > 0) {
    const int64_t seeds = seeds_for_gap(figure.bounds, figure.seeds, gap, confidence, kMostSeeds);
    if (seeds > 0) {
      return "about " + count(seeds, "seed") + " would decide if the value holds; these " + with;
    }
    const double reach = normal_quantile(confidence) * figure.bounds.record_error;
    const double records = static_cast<double>(figure.records) * std::pow(reach / gap, 2);
    if (reach >= gap && records < 1e15) {
      return "more than " + count(static_cast<int64_t>(records), "test record") +
             " and more seeds would decide if the value holds; these " + with;
    }
  }
  return "no number of seeds decides this if the value holds; these " + with;
}

/// True for the rules that a thief's success fails, which bound a metric on that side.
bool guards(const RuleSpec& rule) {
  const bool bounds_above =
      rule.kind == RuleSpec::Kind::kAtMost || rule.kind == RuleSpec::Kind::kMaxRise;
  return bounds_above != (extraction_metric(rule.metric).name == "mean_kl");
}

/// True for the rules on an evasion cell that an attack's success fails.
bool wants_robustness(const RuleSpec& rule) {
  if (rule.metric == "clean_accuracy") return false;
  const bool bounds_below =
      rule.kind == RuleSpec::Kind::kAtLeast || rule.kind == RuleSpec::Kind::kMaxDrop;
  return bounds_below != (rule.metric == "attack_success");
}

/// How much the baseline's metric can still change in the rule's direction at most.
double room(const RuleSpec& rule, const std::string& metric, const Trial& trial) {
  const double infinity = std::numeric_limits<double>::infinity();
  const SeededFigure base =
      extraction_figure(extraction_metric(rule.metric), *trial.pairing->cell, rule.confidence);
  if (!base.bounds.lower) return infinity;
  if (rule.kind == RuleSpec::Kind::kMaxDrop) return *base.bounds.upper;
  return metric == "mean_kl" || metric == "accuracy_ratio" ? infinity : 1 - *base.bounds.lower;
}

std::optional<Flag> regression(const RuleSpec& rule, const Trial& trial,
                               const Difference& difference) {
  if (!guards(rule) || !difference.lower || *difference.lower <= 0) return {};
  const bool rises = rule.kind == RuleSpec::Kind::kMaxRise;
  return Flag{"regression_within_margin", trial.cell->header->name,
              rule.metric + (rises ? " rose by " : " dropped by ") + figure(difference.value) +
                  ", at least " + figure(*difference.lower) + ", inside " + limit_text(rule),
              "the candidate is easier to steal than the baseline; repeated small changes add up"};
}

/// The difference of a max_rise or max_drop rule on `metric`, in the rule's direction.
Difference difference_of(const RuleSpec& rule, const SeededFigure& found) {
  const Difference difference = {found.bounds.value, found.bounds.lower, found.bounds.upper};
  return rule.kind == RuleSpec::Kind::kMaxDrop ? mirrored(difference) : difference;
}

/// True if a guarding rule would pass on its metric at another budget.
bool passes_at(const RuleSpec& rule, const Trial& trial, const ExtractionMetric& metric) {
  const bool absolute =
      rule.kind == RuleSpec::Kind::kAtMost || rule.kind == RuleSpec::Kind::kAtLeast;
  if (!absolute) {
    const SeededFigure found =
        extraction_difference(metric, *trial.candidate, *trial.cell, *trial.baseline,
                              *trial.pairing->cell, rule.confidence)
            .figure;
    const Difference difference = difference_of(rule, found);
    return found.reason.empty() && difference.upper && *difference.upper <= rule.limit;
  }
  const SeededFigure found = extraction_figure(metric, *trial.cell, rule.confidence);
  if (!found.reason.empty() || !found.bounds.lower) return false;
  return rule.kind == RuleSpec::Kind::kAtMost ? *found.bounds.upper <= rule.limit
                                              : *found.bounds.lower >= rule.limit;
}

/// Why a rule on agreement that passes is not shown of thieves who look at labels alone; "" if it
/// is.
std::string doubt_of_labels(const RuleSpec& rule, const Trial& trial,
                            const ExtractionMetric& metric) {
  if (metric.name != "agreement") return "";
  if (rule.kind == RuleSpec::Kind::kAtMost) {
    return labels_exceed(*trial.cell, metric.budget, rule.limit, rule.confidence);
  }
  return labels_rise(*trial.cell, *trial.pairing->cell, metric.budget, rule.limit, rule.confidence);
}

/// Whoever may send more queries may send fewer too.
void distrust_larger_budget(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const ExtractionMetric metric = extraction_metric(rule.metric);
  for (const BetterBudget& better : better_budgets(metric, *trial.cell)) {
    if (passes_at(rule, trial, {metric.name, better.budget})) continue;
    const std::string smaller = std::to_string(better.budget);
    settle(result, Outcomes::kInconclusive,
           "with " + smaller + " queries thieves get more than with " +
               std::to_string(metric.budget) + " (" + metric.name + " differs by " +
               figure(std::abs(better.growth.bounds.value)) + "), and " + limit_text(rule) +
               " is not shown there",
           "more answers should not teach less: put the rule on " + metric.name + "@" + smaller +
               " too, or mend the recipe for the larger budget");
    return;
  }
}

}  // namespace

std::string extraction_hint(const RuleSpec& rule, const Trial& trial, const Estimate& estimate) {
  const SeededFigure found =
      extraction_figure(extraction_metric(rule.metric), *trial.cell, rule.confidence);
  std::string text = needed_text(found, std::abs(*estimate.value - rule.limit), rule.confidence);
  if (!estimate.lower) return text;
  return text + " can show " +
         (rule.kind == RuleSpec::Kind::kAtLeast ? "at_least " + figure(round_down(*estimate.lower))
                                                : "at_most " + figure(round_up(*estimate.upper)));
}

void distrust_weak_thieves(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const auto kept = trial.cell->header->key_fields.find(kKeptField);
  if (trial.cell->header->family == Family::kExtraction &&
      kept != trial.cell->header->key_fields.end() &&
      (result.verdict == Outcomes::kPass || result.verdict == Outcomes::kFail)) {
    settle(result, Outcomes::kInconclusive,
           "surrogates keep values of the candidate, which no thief has: " + kept->second,
           "name the network that the thief has as `architecture`");
  }
  if (result.verdict != Outcomes::kPass) return;
  if (trial.cell->header->family == Family::kEvasion && wants_robustness(rule)) {
    const std::vector<Flag> doubts = doubts_of_sources(*trial.candidate, *trial.cell->header);
    if (doubts.empty()) return;
    settle(result, Outcomes::kInconclusive, doubts.front().detail, doubts.front().advice);
  }
  if (trial.cell->header->family != Family::kExtraction || !guards(rule)) return;
  const ExtractionMetric metric = extraction_metric(rule.metric);
  const std::string weak = learnt_nothing(*trial.candidate, *trial.cell);
  const std::string ill = undertrained(*trial.cell, metric.budget);
  const std::string other = misapplied(*trial.cell, metric.budget);
  const std::string unknown = labels_diverged(*trial.cell, metric.budget);
  const std::string labels = doubt_of_labels(rule, trial, metric);
  if (!weak.empty()) {
    settle(result, Outcomes::kInconclusive, weak, kWeakThiefAdvice);
  } else if (!other.empty()) {
    settle(result, Outcomes::kInconclusive, other, kMisappliedAdvice);
  } else if (!ill.empty()) {
    settle(result, Outcomes::kInconclusive, ill, kUndertrainedAdvice);
  } else if (!unknown.empty()) {
    settle(result, Outcomes::kInconclusive, unknown, kDivergedAdvice);
  } else if (!labels.empty()) {
    settle(result, Outcomes::kInconclusive, labels + ", over " + limit_text(rule),
           kUndertrainedAdvice);
  } else {
    distrust_larger_budget(rule, trial, result);
  }
}

void judge_paired_extraction(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  RuleResult& result = judgement.result;
  const ExtractionMetric metric = extraction_metric(rule.metric);
  const SeededDifference found =
      extraction_difference(metric, *trial.candidate, *trial.cell, *trial.baseline,
                            *trial.pairing->cell, rule.confidence);
  result.n = found.figure.records;
  if (!found.figure.reason.empty()) {
    settle(result, Outcomes::kInconclusive, found.figure.reason);
    return;
  }
  result.value = found.here;
  result.baseline = found.there;
  const Difference difference = difference_of(rule, found.figure);
  std::string hint =
      needed_text(found.figure, std::abs(difference.value - rule.limit), rule.confidence);
  if (difference.upper) {
    hint += " can show " + std::string(to_string(rule.kind)) + " " +
            figure(round_up(*difference.upper));
  }
  decide_difference(rule, difference, hint, result);
  if (room(rule, metric.name, trial) <= rule.limit) {
    settle_vacuous(rule,
                   "no candidate can break " + limit_text(rule) + ": the baseline's " +
                       rule.metric + " leaves no room",
                   result);
  } else if (result.verdict == Outcomes::kPass) {
    judgement.flag = regression(rule, trial, difference);
  }
}

}  // namespace assay

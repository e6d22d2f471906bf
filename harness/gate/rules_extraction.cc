// Rules on extraction cells: what would decide them, and differences between two models that were
// robbed by the same thieves.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/gate/extraction.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

constexpr int64_t kMostSeeds = 1000;

/// So many records, of which the metric needs more or about as many, as a suite asks for them.
std::string wanted_text(const RuleSpec& rule, const Trial& trial, const SeededFigure& figure,
                        const std::string& how, double records) {
  const CellHeader& cell = *trial.cell->header;
  const auto tried = cell.params.find("transfer_count");
  if (extraction_metric(rule.metric).name != "transfer_success" || tried == cell.params.end()) {
    return how + count(static_cast<int64_t>(records), "test record");
  }
  // Some of the records that adversarials are made of tell nothing, and the set may have fewer.
  const auto all =
      static_cast<int64_t>(test_records(trial.candidate->evidence->header, cell).size());
  const int64_t drawn = std::min(std::get<int64_t>(tried->second), all);
  const double share = static_cast<double>(drawn) / static_cast<double>(figure.records);
  const auto wanted = static_cast<int64_t>(std::ceil(records * share));
  return "a `transfer_count` of " + how + std::to_string(wanted) +
         (wanted > all ? " with as many test records" : "");
}

/// What would decide a rule whose figure must be shown to lie on its side of `limit`.
std::string needed_text(const RuleSpec& rule, const Trial& trial, const SeededFigure& figure,
                        double limit) {
  const std::string with = count(figure.seeds, "seed") + " and " + count(figure.records, "record");
  const SeededBounds& bounds = figure.bounds;
  if (!bounds.lower) return "bounds need two seeds or more, and there is " + with;
  const std::string decides = " would decide if the value holds; these " + with;
  const int64_t seeds = seeds_for_limit(bounds, figure.seeds, limit, rule.confidence, kMostSeeds);
  if (seeds > 0) return "about " + count(seeds, "seed") + decides;
  const double needed =
      records_for_limit(bounds, figure.seeds, figure.records, limit, rule.confidence);
  const double records = std::ceil(std::max(needed, static_cast<double>(figure.records)));
  if (records > 1e15) return "no number of seeds decides this if the value holds; these " + with;
  const bool apart = bounds.seed_error > 1e-9;  // not by rounding alone
  return wanted_text(rule, trial, figure, apart ? "more than " : "about ", records) +
         (apart ? " and more seeds" : "") + decides;
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
  std::string text = needed_text(rule, trial, found, rule.limit);
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
  const bool drop = rule.kind == RuleSpec::Kind::kMaxDrop;
  std::string hint = needed_text(rule, trial, found.figure, drop ? -rule.limit : rule.limit);
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

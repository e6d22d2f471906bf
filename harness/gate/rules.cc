#include "harness/gate/rules.h"

#include <algorithm>
#include <utility>

#include "harness/gate/metrics.h"
#include "harness/gate/rules_internal.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

constexpr const char* kDoubtfulHint =
    "the attack left the ball or claimed a success that a fresh forward denies; see the status "
    "column of samples.csv";

/// Rows that no rule may be decided on; "" if there are none.
std::string doubtful_rows(const CellView& cell) {
  const SampleCounts& counts = cell.counts;
  std::string text;
  if (counts.invalid > 0) text = count(counts.invalid, "sample") + " invalid";
  if (counts.unconfirmed > 0) {
    text += (text.empty() ? "" : ", ") + count(counts.unconfirmed, "sample") + " unconfirmed";
  }
  return text;
}

/// Settles what is not there to be judged; true if it did.
bool settle_missing(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const CellView& cell = *trial.cell;
  const EvidenceView& view = *trial.candidate;
  const bool clean = rule.metric == "clean_accuracy";
  if (clean ? view.clean_complete : cell.complete) return false;
  const std::string& ended = view.evidence->ended_early;
  if (!ended.empty()) {
    settle(result, Outcomes::kInconclusive, "not run", "the run ended early: " + ended);
    return true;
  }
  int64_t missing = cell.counts.total - cell.judged;
  if (clean) missing = std::count(view.clean.begin(), view.clean.end(), Fact::kUnknown);
  settle(result, Outcomes::kInconclusive,
         "incomplete: " + std::to_string(missing) + " of " + count(cell.counts.total, "sample") +
             " without a verdict",
         "finish the run with --resume, or merge its missing shards");
  return true;
}

/// Settles what is there but cannot be trusted or understood; true if it did.
bool settle_unusable(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  const std::string doubtful = doubtful_rows(*trial.cell);
  if (!doubtful.empty()) {
    settle(result, Outcomes::kInconclusive, doubtful, kDoubtfulHint);
    return true;
  }
  const std::vector<std::optional<Verdict>>& rows = trial.cell->rows;
  const bool tried = std::any_of(rows.begin(), rows.end(),
                                 [](const auto& row) { return row && row->queries > 0; });
  const bool under_attack = rule.metric == "robust_accuracy" || rule.metric == "attack_success";
  if (under_attack && !tried && count_untried(*trial.cell) > 0) {
    settle(result, Outcomes::kInconclusive, "no sample was attacked",
           "the corpus or the source has no point of any of them; a first run fills the corpus");
    return true;
  }
  return false;
}

/// Settles a paired rule without a usable partner; true if it did.
bool settle_unpaired(const Trial& trial, RuleResult& result) {
  if (trial.baseline == nullptr) {
    settle(result, Outcomes::kInconclusive, "needs a baseline and there is none",
           "name one with --baseline, or declare a first run with --baseline none");
    return true;
  }
  if (trial.pairing->cell == nullptr) {
    settle(result, Outcomes::kInconclusive, "no baseline for this cell: " + trial.pairing->reason,
           "give the incumbent's model file as baseline, and it is attacked by the same plan");
    return true;
  }
  const std::string doubtful = doubtful_rows(*trial.pairing->cell);
  if (!doubtful.empty()) {
    settle(result, Outcomes::kInconclusive, "in the baseline " + doubtful, kDoubtfulHint);
    return true;
  }
  return false;
}

}  // namespace

void settle(RuleResult& result, RuleResult::Verdict verdict, std::string reason, std::string hint) {
  result.verdict = verdict;
  result.reason = std::move(reason);
  result.hint = std::move(hint);
}

RuleResult blank_result(const RuleSpec& rule, const std::string& cell) {
  RuleResult result;
  result.cell = cell;
  result.metric = rule.metric;
  result.kind = rule.kind;
  result.limit = rule.limit;
  result.confidence = rule.confidence;
  result.line = rule.where.line;
  return result;
}

std::string limit_text(const RuleSpec& rule) {
  const bool relative = is_paired(rule.kind) && rule.metric == "median_distance";
  return std::string(to_string(rule.kind)) + " " +
         (relative ? percent(rule.limit) : figure(rule.limit));
}

Judgement judge(const RuleSpec& rule, const Trial& trial) {
  Judgement judgement;
  RuleResult& result = judgement.result;
  result = blank_result(rule, trial.cell->header->name);
  const bool paired = is_paired(rule.kind);
  if (paired && trial.first_run) {
    settle(result, Outcomes::kNotApplicable, "first run: the baseline is declared none");
  } else if (settle_missing(rule, trial, result)) {
    return judgement;
  } else if (rule.kind == RuleSpec::Kind::kFlagsClear) {
    if (!settle_unusable(rule, trial, result)) judge_flags(rule, trial, result);
  } else {
    if (!settle_unusable(rule, trial, result)) {
      if (!paired) {
        judge_absolute(rule, trial, result);
      } else if (!settle_unpaired(trial, result)) {
        judge_paired(rule, trial, judgement);
      }
      doubt_rows(rule, trial, result);
      doubt_reversed_score(rule, trial, result);
    }
    distrust_unlike_shadows(rule, trial, result);
    explain_pass(rule, trial, result);
    distrust_weak_thieves(rule, trial, result);
  }
  return judgement;
}

}  // namespace assay

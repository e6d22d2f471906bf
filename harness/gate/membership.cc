#include "harness/gate/membership.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "harness/gate/pairing.h"
#include "harness/gate/text.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

/// How far shadows may be from the candidate in accuracy, beyond what sampling explains.
constexpr double kFidelityTolerance = 0.05;

std::string text_param(const CellHeader& cell, const std::string& name) {
  const auto at = cell.params.find(name);
  const auto* text = at == cell.params.end() ? nullptr : std::get_if<std::string>(&at->second);
  return text == nullptr ? "" : *text;
}

/// Fixed by the record alone, so that neither its set nor its neighbours say which half it is in.
uint64_t key_of(const SampleInfo& record) { return hash64(record.id + '\n' + record.digest); }

int64_t size_of(const std::vector<double>& scores) { return static_cast<int64_t>(scores.size()); }

void set_bounds(const Bounded& bounded, Estimate& estimate) {
  estimate.value = bounded.value;
  estimate.lower = bounded.lower;
  estimate.upper = bounded.upper;
}

void measure_epsilon(const CellHeader& cell, const ScoreSets& scores, double confidence,
                     Estimate& estimate) {
  const EpsilonAudit audit = epsilon_audit(cell, confidence);
  if (audit.estimator == EpsilonEstimator::kOneRun &&
      text_param(cell, "inclusion") != "randomised") {
    estimate.reason =
        "one_run holds only where a coin decided for each record whether it was trained on; "
        "`inclusion: randomised` says so, or take another estimator";
    return;
  }
  estimate.reason = epsilon_obstacle(audit, size_of(scores.members), size_of(scores.non_members));
  if (!estimate.reason.empty()) return;
  // The bound is all there is: no audit bounds epsilon from above.
  estimate.value = epsilon_lower(scores, audit);
  estimate.lower = estimate.value;
}

/// `scores` from the metric's side.
void measure_tpr(std::string_view metric, const CellHeader& cell, const ScoreSets& scores,
                 double confidence, Estimate& estimate) {
  const double fpr = fpr_of(metric);
  const int64_t n = size_of(scores.non_members);
  if (n < non_members_needed(fpr)) {
    estimate.reason =
        "ten allowed false positives need " + std::to_string(non_members_needed(fpr)) + " " +
        std::string(negatives_of(metric, cell)) + ", and there are " + std::to_string(n);
    return;
  }
  const Roc roc = make_roc(scores);
  estimate.reason = tpr_obstacle(roc, fpr, confidence, negatives_of(metric, cell));
  if (!estimate.reason.empty()) return;
  set_bounds(tpr_at_fpr(roc, fpr, confidence), estimate);
  const Bounded realised = realised_fpr(roc, fpr, confidence);
  estimate.realised_fpr = {realised.value, realised.lower, realised.upper};
}

/// "" if the accuracies are as near as `records` records and `shadows` models can tell.
std::string gap_text(double shadow, double candidate, int64_t records, int64_t shadows,
                     const std::string& records_of, const std::string& set) {
  const double p = std::clamp((shadow + candidate) / 2, 0.0, 1.0);
  const double n = static_cast<double>(std::max<int64_t>(1, records));
  const double spread =
      std::sqrt(p * (1 - p) / n * (1 + 1 / static_cast<double>(std::max<int64_t>(1, shadows))));
  const double allowed = kFidelityTolerance + normal_quantile(0.975) * spread;
  if (std::abs(shadow - candidate) <= allowed) return "";  // NaN is not near
  return "the shadows' accuracy on " + records_of + " is " + figure(shadow) +
         ", the candidate's on the " + set + " " + figure(candidate) + ", more than " +
         figure(allowed) + " apart";
}

std::string frozen_text(const Fidelity& fidelity) {
  if (fidelity.frozen == 0) return "";
  return (fidelity.reason.empty()
              ? count(fidelity.frozen, "parameter") + " frozen in the candidate keep its values"
              : fidelity.reason) +
         " in the shadows, which may know its members by them; `architecture` takes a file with "
         "values that other data trained, or cnn";
}

/// No one chose the network that stands in for a candidate that cannot be trained.
std::string stand_in_text(const Fidelity& fidelity) {
  if (fidelity.frozen > 0 || fidelity.reason.empty()) return "";
  return fidelity.reason + "; " + fidelity.architecture + " stands in for it, and may memorise " +
         "less: export it with torch.jit.script, or say which network it is as `architecture`";
}

std::string lone_text(const Fidelity& fidelity) {
  if (!fidelity.trained || fidelity.shadows != 1) return "";
  return "one shadow does not show how alike models trained so are; train two or more";
}

}  // namespace

AuditedScores audited_scores(const EvidenceView& view, const CellView& cell) {
  AuditedScores found;
  if (cell.scored == nullptr) return found;
  const Header& header = view.evidence->header;
  const std::vector<SampleInfo>& members = audited(header, *cell.header, true);
  const std::vector<SampleInfo>& non_members = audited(header, *cell.header, false);
  for (const Score& score : cell.scored->scores) {
    const std::vector<SampleInfo>& set = score.member ? members : non_members;
    if (score.failed || !std::isfinite(score.score) || score.record < 0 ||
        score.record >= static_cast<int64_t>(set.size())) {
      continue;
    }
    const SampleInfo& record = set[static_cast<size_t>(score.record)];
    (score.member ? found.members : found.non_members).push_back(&record);
    ScoreSets& scores = found.scores;
    (score.member ? scores.members : scores.non_members).push_back(score.score);
    (score.member ? scores.member_keys : scores.non_member_keys).push_back(key_of(record));
  }
  return found;
}

std::map<int64_t, ScoreSets> scores_by_label(const AuditedScores& audited) {
  std::map<int64_t, ScoreSets> by_label;
  for (size_t i = 0; i < audited.members.size(); ++i) {
    ScoreSets& of = by_label[audited.members[i]->label];
    of.members.push_back(audited.scores.members[i]);
    of.member_keys.push_back(audited.scores.member_keys[i]);
  }
  for (size_t i = 0; i < audited.non_members.size(); ++i) {
    ScoreSets& of = by_label[audited.non_members[i]->label];
    of.non_members.push_back(audited.scores.non_members[i]);
    of.non_member_keys.push_back(audited.scores.non_member_keys[i]);
  }
  return by_label;
}

EpsilonAudit epsilon_audit(const CellHeader& cell, double confidence) {
  EpsilonAudit audit;
  const std::string estimator = text_param(cell, "estimator");
  if (!estimator.empty()) audit.estimator = epsilon_estimator(estimator);
  const auto delta = cell.params.find("delta");
  if (delta != cell.params.end()) {
    if (const auto* value = std::get_if<double>(&delta->second)) audit.delta = *value;
  }
  audit.confidence = confidence;
  return audit;
}

double fpr_of(std::string_view metric) {
  if (metric == "tpr_at_fpr_0.01") return 0.01;
  return metric == "tpr_at_fpr_0.001" ? 0.001 : 0;
}

std::string_view negatives_of(std::string_view metric, const CellHeader& cell) {
  const bool turned = fpr_of(metric) != 0 && text_param(cell, "tail") == "non_members";
  return turned ? "members" : "non-members";
}

ScoreSets from_its_side(std::string_view metric, const CellHeader& cell, ScoreSets scores) {
  if (negatives_of(metric, cell) == "non-members") return scores;
  std::swap(scores.members, scores.non_members);
  std::swap(scores.member_keys, scores.non_member_keys);
  return turned(std::move(scores));
}

ScoreSets turned(ScoreSets scores) {
  for (double& score : scores.members) score = -score;
  for (double& score : scores.non_members) score = -score;
  return scores;
}

Estimate measure_scores(std::string_view metric, const CellHeader& cell, ScoreSets scores,
                        double confidence) {
  const int64_t m = size_of(scores.members);
  const int64_t n = size_of(scores.non_members);
  Estimate estimate;
  estimate.n = m + n;
  if (m < 2 || n < 2) {
    estimate.reason = "membership needs two members and two non-members with a score, and has " +
                      std::to_string(m) + " and " + std::to_string(n);
  } else if (metric == "auc") {
    set_bounds(auc_with_bounds(scores, confidence), estimate);
  } else if (metric == "advantage") {
    set_bounds(advantage(make_roc(scores), confidence), estimate);
  } else if (metric == "epsilon_lower") {
    measure_epsilon(cell, scores, confidence, estimate);
  } else {
    measure_tpr(metric, cell, from_its_side(metric, cell, std::move(scores)), confidence, estimate);
  }
  return estimate;
}

Estimate measure_membership(std::string_view metric, const EvidenceView& view, const CellView& cell,
                            double confidence) {
  return measure_scores(metric, *cell.header, audited_scores(view, cell).scores, confidence);
}

std::string unchecked_likeness(const CellView& cell) {
  if (cell.scored == nullptr) return "";
  const std::map<std::string, double>& tuned = cell.scored->tuned;
  const auto ranked = tuned.find("ranked");
  if (ranked == tuned.end()) return "";  // no shadows, or older evidence
  std::string text;
  const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  if (cell.header->threat.access != Access::kLabel) {
    if (!tuned.contains("scale")) {
      add("scale of the candidate's logits not fitted: fewer than 10 non-members of usual margins");
    }
    if (!tuned.contains("offset")) {
      add("offsets of classes not fitted: fewer than 10 non-members for each");
    }
  }
  if (ranked->second == 0) {
    add("ranking not checked: it takes " + std::to_string(kRankedRecords) +
        " non-members that two shadows have not seen, and shadows that do not start from a file");
  }
  return text;
}

std::string not_comparable(const CellView& cell) {
  if (cell.scored == nullptr || !cell.scored->fidelity) return "";
  const Fidelity& fidelity = *cell.scored->fidelity;
  const auto [members, non_members] = sizes_of(cell);
  std::string text;
  if (fidelity.trained) {
    text = gap_text(fidelity.shadow_members, fidelity.candidate_members, members, fidelity.shadows,
                    "what they were trained on", "members");
  }
  const std::string other =
      gap_text(fidelity.shadow_non_members, fidelity.candidate_non_members, non_members,
               fidelity.shadows, "what they were not trained on", "non-members");
  for (const std::string& more : {other, unequal_models(cell), frozen_text(fidelity),
                                  stand_in_text(fidelity), fidelity.unlike, lone_text(fidelity)}) {
    text += (text.empty() || more.empty() ? "" : "; ") + more;
  }
  return text.empty() ? "" : "not comparable: " + text;
}

std::string reversed_score(const EvidenceView& view, const CellView& cell, double confidence) {
  const Estimate auc = measure_membership("auc", view, cell, confidence);
  if (!auc.upper || *auc.upper >= 0.5) return "";
  return "the score ranks non-members above members: auc is " + figure(*auc.value) + ", at most " +
         figure(*auc.upper) + " at confidence " + figure(confidence);
}

std::vector<Flag> diagnose_membership(const EvidenceView& view) {
  std::vector<Flag> flags;
  for (const CellView& cell : view.cells) {
    if (cell.header->family != Family::kMembership) continue;
    const std::string& name = cell.header->name;
    const std::string foreign = not_comparable(cell);
    if (!foreign.empty()) {
      flags.push_back({"shadows_not_comparable", name, foreign,
                       unequal_models(cell).empty() ? kFidelityAdvice : kSetsAdvice});
    }
    const std::string labels = unequal_labels(view, cell);
    if (!labels.empty()) flags.push_back({"unequal_sets", name, labels, kLabelsAdvice});
    const std::string reversed = reversed_score(view, cell, kReversedConfidence);
    if (!reversed.empty()) flags.push_back({"score_reversed", name, reversed, kReversedAdvice});
  }
  return flags;
}

PairedScores paired_scores(const EvidenceView& here, const CellView& cell,
                           const EvidenceView& there, const CellView& baseline_cell) {
  const AuditedScores mine = audited_scores(here, cell);
  const AuditedScores theirs = audited_scores(there, baseline_cell);
  PairedScores pairs;
  const auto pair =
      [](const std::vector<const SampleInfo*>& records, const std::vector<double>& scores,
         const std::vector<const SampleInfo*>& others, const std::vector<double>& other_scores,
         std::vector<double>& to, std::vector<double>& other_to) {
        const auto copy = [](const std::vector<const SampleInfo*>& list) {
          std::vector<SampleInfo> infos;
          for (const SampleInfo* info : list) infos.push_back(*info);
          return infos;
        };
        const std::vector<int64_t> partners = pair_samples(copy(records), copy(others));
        for (size_t i = 0; i < partners.size(); ++i) {
          if (partners[i] < 0) continue;
          to.push_back(scores[i]);
          other_to.push_back(other_scores[static_cast<size_t>(partners[i])]);
        }
      };
  pair(mine.members, mine.scores.members, theirs.members, theirs.scores.members, pairs.here.members,
       pairs.there.members);
  pair(mine.non_members, mine.scores.non_members, theirs.non_members, theirs.scores.non_members,
       pairs.here.non_members, pairs.there.non_members);
  return pairs;
}

}  // namespace assay

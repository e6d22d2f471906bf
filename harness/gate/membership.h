// Membership cells: from scores to metrics, to what reports show, and what is in the way.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/gate/epsilon.h"
#include "harness/gate/roc.h"
#include "harness/gate/view.h"

namespace assay {

inline constexpr const char* kFidelityAdvice =
    "train the shadows as the candidate was trained: as many records and epochs, the same "
    "architecture";
inline constexpr const char* kSetsAdvice =
    "draw members and non_members from one source, at random; shadows that start from a file need "
    "one that has not seen the members";
inline constexpr const char* kLabelsAdvice =
    "draw members and non_members at random from one source, or with as large a share of each "
    "class "
    "in both";
inline constexpr const char* kReversedAdvice =
    "an attacker would turn the score round: look for members and non_members that changed places, "
    "or a model that was made to hide what it knows";

/// The records of a membership cell that have a score, members and non-members, in the order of
/// their sets. A record on which the candidate failed has none.
struct AuditedScores {
  ScoreSets scores;
  std::vector<const SampleInfo*> members;
  std::vector<const SampleInfo*> non_members;
};
AuditedScores audited_scores(const EvidenceView& view, const CellView& cell);

/// The same scores by the label of their records.
std::map<int64_t, ScoreSets> scores_by_label(const AuditedScores& audited);

/// What a cell's parameters `estimator`, `delta` and `inclusion` ask for.
EpsilonAudit epsilon_audit(const CellHeader& cell, double confidence);

/// auc, advantage, tpr_at_fpr_0.01, tpr_at_fpr_0.001 or epsilon_lower, of these scores.
Estimate measure_scores(std::string_view metric, const CellHeader& cell, ScoreSets scores,
                        double confidence);
/// The same of the cell's.
Estimate measure_membership(std::string_view metric, const EvidenceView& view, const CellView& cell,
                            double confidence);

/// "0.01" of tpr_at_fpr_0.01; 0 for any other metric.
double fpr_of(std::string_view metric);

/// The scores with their sign turned.
ScoreSets turned(ScoreSets scores);

/// A cell whose parameter `tail` is non_members gives, as TPR at an FPR, the true negative rate at
/// that false negative rate: then the sets changed places and every score its sign, for that
/// metric. Else the scores as they are.
ScoreSets from_its_side(std::string_view metric, const CellHeader& cell, ScoreSets scores);

/// What allows the false positives of such a metric: "non-members", or "members" from the other
/// side.
std::string_view negatives_of(std::string_view metric, const CellHeader& cell);

/// Scored records of a membership cell: members and non-members. Its scores are here.
std::pair<int64_t, int64_t> sizes_of(const CellView& cell);

/// MembershipResult::copies.
int64_t copies_of(const EvidenceView& view, const CellView& cell);

/// How the labels of members differ from those of non-members, where sets drawn from one source
/// would differ so less than once in a thousand times (chi-squared over labels, the rarest merged;
/// Fisher's exact test of the most frequent one where records are few): a score that depends on the
/// class says then what no model gives away, and hides what it does. "" if they do not.
std::string unequal_labels(const EvidenceView& view, const CellView& cell);

/// How models that were trained on neither set tell one from the other: then so does a candidate,
/// whatever it remembers, and no figure of the cell says anything, small or large. "" if they do
/// not.
std::string unequal_models(const CellView& cell);

/// Why shadow models say nothing about this candidate: their accuracy on what they were trained on,
/// or on non-members that they were not, differs from the candidate's by more than 0.05 and the
/// sampling error of the two; or the sets are unequal; or they share frozen parameters with the
/// candidate; or there is one alone, which does not show how alike two are. "" if they are near, or
/// there are none.
std::string not_comparable(const CellView& cell);

/// Records that neither of two shadows saw from which their rankings are compared with the
/// candidate's: fewer leave a correlation and its spread unknown.
inline constexpr int64_t kRankedRecords = 60;

/// What did not make the candidate comparable with its shadows, or show that it is, for lack of
/// records; "" if nothing, or without shadows.
std::string unchecked_likeness(const CellView& cell);

/// At what confidence a score is flagged as reversed.
inline constexpr double kReversedConfidence = 0.999;
/// Why a small figure of this cell must not be read as safety: the score ranks non-members above
/// members more often than chance does, at this confidence, so that its reverse is an attack; "" if
/// not.
std::string reversed_score(const EvidenceView& view, const CellView& cell, double confidence);

/// shadows_not_comparable, unequal_sets and score_reversed.
std::vector<Flag> diagnose_membership(const EvidenceView& view);

/// What reports show of a cell beyond its metrics.
MembershipResult describe_membership(const EvidenceView& view, const CellView& cell,
                                     double confidence);

/// The scores of both runs on the records that are in both, by id and content digest.
struct PairedScores {
  ScoreSets here;
  ScoreSets there;
};
PairedScores paired_scores(const EvidenceView& here, const CellView& cell,
                           const EvidenceView& there, const CellView& baseline_cell);

}  // namespace assay

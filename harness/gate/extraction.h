// Extraction cells: from what thieves got to metrics, to what reports show, and what is in the way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/gate/seeded.h"
#include "harness/gate/view.h"

namespace assay {

/// Key field of an extraction cell whose surrogates start with values of the candidate and keep
/// them: their names. Absent where they have none.
inline constexpr const char* kKeptField = "kept";

/// `agreement@1000` is agreement at a budget of 1000 queries.
struct ExtractionMetric {
  std::string name;  ///< one of kExtractionMetrics
  int64_t budget = 0;
};
ExtractionMetric extraction_metric(std::string_view metric);

/// A metric of one cell, or its difference between two, with bounds and the errors behind them.
struct SeededFigure {
  SeededBounds bounds;
  int64_t seeds = 0;
  int64_t records = 0;  ///< of the test set, that tell something
  std::string reason;   ///< why there is no value; "" if there is one
};
SeededFigure extraction_figure(const ExtractionMetric& metric, const CellView& cell,
                               double confidence);

/// The metric at its budget minus the metric at another budget of the same cell.
SeededFigure budget_difference(const ExtractionMetric& metric, int64_t other_budget,
                               const CellView& cell, double confidence);

/// A metric here minus the same in the baseline, on the test records that are in both (by id and
/// content digest) with the seeds paired by their index; transfer on what was tried in both.
/// `here` and `there` are the metric on these records.
struct SeededDifference {
  SeededFigure figure;
  double here = 0;
  double there = 0;
};
SeededDifference extraction_difference(const ExtractionMetric& metric, const EvidenceView& view,
                                       const CellView& cell, const EvidenceView& baseline,
                                       const CellView& baseline_cell, double confidence);

/// The figure as metrics are shown.
Estimate estimate_of(const SeededFigure& figure);

/// True if this thief sent fewer queries than he was allowed for want of records to send. A thief
/// without a pool makes up his queries, and may know when he is done.
bool ran_dry(const CellView& cell, const Stolen& stolen);

/// The test set whose records stand behind the characters of Stolen's strings.
const std::vector<SampleInfo>& test_records(const Header& header, const CellHeader& cell);

inline constexpr const char* kWeakThiefAdvice =
    "an API that is of use teaches something: look for a pool of other inputs than the "
    "candidate's, a recipe that does not train, or too few queries";

/// A budget smaller than the metric's, with which thieves got more, beyond what chance explains.
struct BetterBudget {
  int64_t budget = 0;
  SeededFigure growth;    ///< of the metric from this budget to its own
  double confidence = 0;  ///< of the bounds: the budgets share the chance of a false alarm
};
/// Ascending. A thief may always send fewer queries than he can: the metric is then no measure of
/// what its budget buys.
std::vector<BetterBudget> better_budgets(const ExtractionMetric& metric, const CellView& cell);

/// Why a small figure of this cell must not be read as protection: at the largest budget that
/// has figures its surrogates agree no more with the candidate than the candidate's most frequent
/// answer, or the most frequent label of the test set, would, beyond what chance in the records
/// explains; "" if they do.
std::string learnt_nothing(const EvidenceView& view, const CellView& cell);

/// Why a small figure at this budget tells of the attack and not of the candidate: what the cell's
/// thieves found contradicts, or what they found with so many queries does not show, that the
/// candidate is what the attack takes it for (affine: equation_solving; a network with one hidden
/// ReLU layer: relu_recovery), or their surrogates' agreement on the test set denies it; "" where
/// it is shown, and of attacks that presume nothing.
std::string misapplied(const CellView& cell, int64_t budget);

inline constexpr const char* kMisappliedAdvice =
    "this attack is for other models, or needs more queries than weights: put the rule on a thief "
    "who presumes nothing, such as `knockoff`, or on a budget that tells, and give `relu_recovery` "
    "more `patience`";

inline constexpr const char* kUndertrainedAdvice =
    "the same thief learns more from the labels of the answers alone: put the rule on a cell with "
    "`surface: label` and the same defence instead, or mend the recipe: `architecture: auto`, more "
    "epochs or steps, another learning rate";

/// Why a small figure at this budget must not be read as protection: on the test set the surrogates
/// agree with the candidate less than networks do that were trained on the bare labels of the same
/// answers, beyond what chance in seeds and records explains; "" if not, or where nobody looked.
std::string undertrained(const CellView& cell, int64_t budget);

inline constexpr const char* kDivergedAdvice =
    "the recipe suits the answers and not their labels: give it a smaller learning rate or another "
    "optimizer, or put the rule on a cell with `surface: label` and the same defence";

/// Why nobody knows what the labels of the answers alone teach at this budget: the training of a
/// network on them came to no number (`labels_diverged`); "" if none did.
std::string labels_diverged(const CellView& cell, int64_t budget);

/// Why `at_most limit` on agreement is not shown of networks trained on the bare labels of the same
/// answers (`agreement_labels`): their mean over the seeds at this budget, or what chance in seeds
/// and records leaves above it at this confidence, exceeds the limit; "" if not, or where nobody
/// looked. The limit is left to the caller to name.
std::string labels_exceed(const CellView& cell, int64_t budget, double limit, double confidence);

/// The same of `max_rise limit` between two cells with the same seeds, of the better here
/// (surrogates or such networks) and the better in the baseline; "" too where surrogates are on
/// both sides.
std::string labels_rise(const CellView& cell, const CellView& baseline, int64_t budget,
                        double limit, double confidence);

/// Why the points of a cell that makes all of them on surrogates must not be read as an attack: a
/// surrogate learnt nothing, or was badly trained or may have been. A flag for each such theft,
/// with the cell's name; none where another attack, or a source that learnt something, has a part
/// in the cell.
std::vector<Flag> doubts_of_sources(const EvidenceView& view, const CellHeader& cell);

/// extraction_weak and extraction_undertrained, of extraction cells and of those that make their
/// points on their surrogates; agreement_not_growing and budget_unspent.
std::vector<Flag> diagnose_extraction(const EvidenceView& view);

/// What reports show of a cell beyond its metrics.
ExtractionResult describe_extraction(const EvidenceView& view, const CellView& cell,
                                     double confidence);

}  // namespace assay

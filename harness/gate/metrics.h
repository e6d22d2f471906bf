// Metrics of one cell, from its rows alone (contracts §3).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/gate/view.h"

namespace assay {

/// Metrics that a cell yields.
std::vector<std::string> metrics_of(const CellHeader& cell);

/// A metric with bounds, or nullopt where the cell does not yield it. Of a median, value and bounds
/// may be infinite here, because rules are decided on them; `reportable` takes that away.
std::optional<Estimate> measure(std::string_view metric, const EvidenceView& view,
                                const CellView& cell, double confidence);

/// A share with Clopper–Pearson bounds over the facts that are known.
Estimate share(const std::vector<Fact>& facts, double confidence);

/// The estimate without infinities: an infinite value becomes absent, with a reason.
Estimate reportable(Estimate estimate);

/// Robust accuracy against eps with pointwise bounds. Minimum norm: the whole curve. Otherwise the
/// cells of the same entry, from the clean pass at 0; empty if the entry has one eps.
std::vector<CurvePoint> security_curve(const EvidenceView& view, const CellView& cell,
                                       double confidence);

/// Of a minimum-norm cell, how near its points are to the best known of the run, over all cells of
/// the same threat model (AttackBench, Cinà et al. 2024): with A the area under robust accuracy
/// against distance, up to the largest best known distance, and A* that of the best known ones,
/// 1 − (A − A*) / (A of an attack that finds nothing − A*). 1: nothing better is known.
std::optional<Estimate> local_optimality(const EvidenceView& view, const CellView& cell);

/// Of an ensemble: what entered each stage and what it broke.
std::vector<StageCount> stage_counts(const EvidenceView& view, const CellView& cell);

/// One row per label that occurs. `baseline_robust` is left absent.
std::vector<ClassRow> class_rows(const EvidenceView& view, const CellView& cell);

/// Sum over the cell's units. Cells of one minimum-norm entry share their units.
Cost total_cost(const EvidenceView& view, const CellView& cell);

}  // namespace assay

// The decision boundary as a model's gradients draw it: the nearest of the planes between labels.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "harness/model/oracle.h"

namespace assay::attacks {

/// For each of m rows, the plane on which two logits are equal, by their gradients at the row.
struct Planes {
  at::Tensor normal;  ///< [m, ...] gradient of the difference; it points across, away from y
  at::Tensor away;    ///< [m] float64 distance in the norm without a box: gap / ‖normal‖_dual
};

/// The plane of each row `at` [k] (indices into the tape's rows, taken at x [m, ...], whose block
/// rows are `rows` [m]) that is nearest in the threat's norm (linf or l2) and in the box, out of
/// those between the true label and the `labels` largest other logits; for a targeted goal, the one
/// between the target and the largest other logit. At a broken row it is the plane that was crossed
/// last: between y and the label that won (the target and the largest other). Costs
/// min(labels, K − 1) gradients per row (targeted: 1) → k rows.
Planes nearest_planes(Oracle& oracle, const Tape& tape, const at::Tensor& x, const at::Tensor& rows,
                      const at::Tensor& at, int64_t labels);

/// Of a search's `steps`, how many it keeps back to pay for straighten(): one for each of up to
/// nine other labels, but no more than a tenth of them; never under three, and none at all of fewer
/// than 20 steps, or where the search's end is not to be refined.
int64_t kept_back(const Oracle& oracle, int64_t steps, int64_t refine);

/// Seeks nearer points than the oracle's best on the boundaries linearised there, or at the clean
/// input where none is known. Of the planes between the true label and the largest other logits
/// (targeted: between the target and the largest other), it crosses the one nearest to the clean
/// input in the threat's norm and in the box, by a thousandth and, where that breaks nothing, by a
/// twentieth. Exact on linear models, on which searches that follow the runner-up label can end at
/// a boundary that is not the nearest.
/// Costs at most `kept` queries and `kept` gradients of each sample.
void straighten(Oracle& oracle, int64_t kept);

/// x [k, ...], points of the box, moved as little in the norm (linf or l2) as crosses planes by
/// `factor` times their distance, and clipped to the box: where that leaves less than half of
/// the way, to the nearest point of the box across or, where there is none, to its corner nearest
/// to that.
at::Tensor cross(const at::Tensor& x, const Planes& planes, double factor,
                 const ThreatModel& threat);

}  // namespace assay::attacks

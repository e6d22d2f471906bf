// The decision boundary as a model's gradients draw it: the nearest of the planes between labels.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "harness/model/oracle.h"

namespace assay::attacks {

/// For each of m rows, the plane on which two logits are equal, by their gradients at the row.
struct Planes {
  at::Tensor gap;     ///< [m] float64, |difference of the logits|
  at::Tensor normal;  ///< [m, ...] gradient of the difference; it points across, away from y
  at::Tensor away;    ///< [m] float64 distance in the norm: gap / ‖normal‖_dual
};

/// The nearest plane of each row `at` [k] (indices into the tape's rows, whose block rows are
/// `rows` [m]), out of those between the true label and the `labels` largest other logits; for a
/// targeted goal, the one between the target and the largest other logit. At a broken row it is the
/// plane that was crossed last: between y and the label that won (the target and the largest
/// other). Costs min(labels, K − 1) gradients per row (targeted: 1) → k rows.
Planes nearest_planes(Oracle& oracle, const Tape& tape, const at::Tensor& rows,
                      const at::Tensor& at, int64_t labels, Norm norm);

/// The displacement [k, ...] of least norm (linf or l2) that crosses planes by `factor` times their
/// distance.
at::Tensor cross(const Planes& planes, double factor, Norm norm);

}  // namespace assay::attacks

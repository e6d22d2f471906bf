// Distances and membership in the ball: one definition for judge and projections (contracts §2).
#pragma once

#include <ATen/ATen.h>

#include "harness/suite/suite.h"

namespace assay {

/// Distance of each row in the norm, in float64: [n, ...] × [n, ...] → [n] float64.
/// l0 counts the entries that differ.
at::Tensor distance(const at::Tensor& a, const at::Tensor& b, Norm norm);

/// Distance of each row in the threat's norm; 0 where only the box bounds its points.
at::Tensor distance(const at::Tensor& a, const at::Tensor& b, const ThreatModel& threat);

/// True where the row lies in the box, exactly: [n, ...] → [n] bool. NaN is outside.
at::Tensor in_box(const at::Tensor& x, double lo, double hi);

}  // namespace assay

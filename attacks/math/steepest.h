// Steepest directions, row by row.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/suite/suite.h"

namespace assay::attacks {

/// One number per row, shaped to scale or choose whole rows of `like`: [n] → [n, 1, …].
at::Tensor spread(const at::Tensor& per_row, const at::Tensor& like);

/// Lengths of rows in l2, by float64: [n, ...] → [n, 1, …] in the type of g; 1 for a row of zeros.
at::Tensor length_or_one(const at::Tensor& g);

/// v [n, ...] with 0 in the fixed features: indices into the flattened input.
at::Tensor free_part(const at::Tensor& v, const std::vector<int64_t>& fixed);

/// v [n, ...], each feature times its share [d] of eps, so that a step gets all of them equally far
/// across the ball; v itself where there are none.
at::Tensor by_share(const at::Tensor& v, const std::vector<double>& share);

/// The direction of norm 1 that raises a linear function with gradient g [n, ...] most:
///   linf  the sign of g
///   l2    g / ‖g‖₂
///   l1    the signs of the `share` [n] of entries of largest |g| (rounded down, at least one),
///         over their number (l1 only)
/// 0 where g is.
at::Tensor steepest(const at::Tensor& g, Norm norm, const at::Tensor& share = {});

}  // namespace assay::attacks

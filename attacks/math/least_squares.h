// Linear least squares with many right-hand sides, whatever the rank.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace assay::attacks {

/// A singular value decomposition of one matrix a.
class LeastSquares {
 public:
  /// a [n, p] finite float64, n ≥ 1. Singular values below max(n, p) · 2⁻⁵² of the largest count
  /// as 0.
  explicit LeastSquares(const at::Tensor& a);

  /// The x [p, k] of least norm among those that bring ‖a x − y‖ to its least: y [n, k].
  at::Tensor solve(const at::Tensor& y) const;
  int64_t rank() const { return values_.size(0); }

 private:
  at::Tensor left_;    // [n, rank]
  at::Tensor values_;  // [rank]
  at::Tensor right_;   // [rank, p]
};

/// True if a fit of `unknowns` numbers for each column of y [n, K], n > unknowns, is what made y:
/// the root mean square `residual` that it leaves is at most the share, in (0, 1), of how much y
/// varies. Nearly as many unknowns as rows leave less of what they miss by chance, which is made up
/// for.
bool explains(const at::Tensor& y, int64_t unknowns, double residual, double share);

}  // namespace assay::attacks

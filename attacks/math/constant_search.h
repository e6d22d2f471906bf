// What Carlini & Wagner's attack and its descendants share: they descend distance + c · hinge of
// the margin, and look for a c of each sample's own that is just large enough.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>

#include "attacks/math/nearest.h"

namespace assay::attacks {

/// The constant c of each sample: ten times larger until a search succeeds, then bisected.
struct ConstantSearch {
  at::Tensor c;             ///< [n] float64, of the current search
  at::Tensor lower, upper;  ///< [n] float64: too small; large enough, infinite where not known

  ConstantSearch(int64_t n, double first)
      : c(at::full({n}, first, at::kDouble)),
        lower(at::zeros({n}, at::kDouble)),
        upper(at::full({n}, std::numeric_limits<double>::infinity(), at::kDouble)) {}

  /// After a search in which the samples `found` [n] bool broke.
  void next(const at::Tensor& found) {
    upper = at::where(found, c, upper);
    lower = at::where(found, lower, c);
    c = at::where(upper.isinf(), c.mul(10), lower.add(upper).div(2));
  }
};

/// Stops each sample's descent once its loss stops falling.
struct Progress {
  at::Tensor last;  ///< [m] float64, the loss at the last check; compact it with the rows

  explicit Progress(int64_t m)
      : last(at::full({m}, std::numeric_limits<double>::infinity(), at::kDouble)) {}

  /// [k] indices of the rows whose loss fell by 0.01 % or more since the last check.
  at::Tensor check(const at::Tensor& loss) {
    const at::Tensor falling = loss.le(last.mul(0.9999)).nonzero().squeeze(1);
    last = loss;
    return falling;
  }
};

}  // namespace assay::attacks

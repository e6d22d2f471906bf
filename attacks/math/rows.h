// Typed access to the rows of host tensors. Row loops are written out by hand wherever a number is
// summed: their order then depends on the row's length alone, never on the batch.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "harness/suite/error.h"

namespace assay::attacks {

/// Calls f with a value of x's element type: with_type(x, [&](auto zero) { ... decltype(zero) ...
/// }).
template <typename F>
void with_type(const at::Tensor& x, F f) {
  if (x.scalar_type() == at::kFloat) {
    f(float{0});
  } else {
    ASSAY_CHECK(x.scalar_type() == at::kDouble, "inputs are float32 or float64");
    f(double{0});
  }
}

/// Entries of one row: [n, ...] → product of the sizes after the first.
inline int64_t row_length(const at::Tensor& x) {
  int64_t length = 1;
  for (int64_t i = 1; i < x.dim(); ++i) length *= x.size(i);
  return length;
}

/// A gradient's entry as a finite number: a model may yield NaN or infinity where its logits are
/// finite (the square root at 0), and a step must not carry that into the input.
inline double finite(double g) {
  if (std::isnan(g)) return 0;
  return std::clamp(g, -std::numeric_limits<double>::max(), std::numeric_limits<double>::max());
}

}  // namespace assay::attacks

// The space that a linear head's logits span, and how wide the layer before it is.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace assay::attacks {

struct HeadSpan {
  /// Dimension of the space; 0 where no gap shows one below what so many rows and classes can span.
  int64_t width = 0;
  double gap = 0;   ///< log σ_w − log σ_{w+1}, the largest there is
  double rms = 0;   ///< of what is left of a logit outside of the first w directions
  at::Tensor head;  ///< [K, w]: the head's weights up to an invertible [w, w] matrix
};

/// `logits` [n, K] float64 are W·h(x) + b for n inputs, with an error of `precision` times the
/// largest of them. Rows less their mean leave W·(h − mean h) and no bias, so that their rank is
/// the width of h wherever n > width + 1. `centred`: each row is known up to a constant and sums to
/// 0, which takes a dimension: the width is that of h if it is at most K − 2.
HeadSpan head_span(const at::Tensor& logits, bool centred, double precision);

}  // namespace assay::attacks

// Which records an active learner asks for next.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "harness/model/surrogate.h"

namespace assay::attacks {

/// Places of the k highest scores [n], descending; ties go to the lower place. [k] int64, k ≤ n.
at::Tensor highest(const at::Tensor& scores, int64_t k);

/// Entropy of softmax(logits) in nats, row by row: [n, K] → [n] float64.
at::Tensor entropy_of(const at::Tensor& logits);

/// Greedy k-center (Sener & Savarese, ICLR 2018, Algorithm 1): the places of k ≤ n points [n, d],
/// each the farthest in l2 from the centres [m, d] and from those taken before it; ties go to the
/// lower place. m may be 0. [k] int64. Costs n·(m + k)·d.
at::Tensor farthest_first(const at::Tensor& points, const at::Tensor& centres, int64_t k);

/// L2 distance from each row of x [n, ...] to the nearest boundary of the surrogate linearised
/// there, of those to its `labels` runner-up labels: DeepFool's first step (Moosavi-Dezfooli et
/// al., CVPR 2016). Infinite where no such boundary is met. [n] float64. Costs n·labels gradients.
at::Tensor boundary_distance(Surrogate& surrogate, const at::Tensor& x, int64_t labels);

}  // namespace assay::attacks

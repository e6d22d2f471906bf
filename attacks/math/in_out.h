// Learns to tell what shadows were trained on from what they were not, and judges a candidate's
// outputs by it.
#pragma once

#include <ATen/ATen.h>

#include "attacks/math/mlp.h"

namespace assay::attacks {

/// Log-odds of `in` for the rows of `audited` [N, F] → [N], by a network trained on rows of
/// shadows: x [M, F] and in [M] bool, of both kinds. Both kinds weigh the same.
at::Tensor learn_in_out(const at::Tensor& x, const at::Tensor& in, const at::Tensor& audited,
                        const MlpTraining& training, const Rng& rng);

}  // namespace assay::attacks

// A network of one hidden layer with derivatives by hand: attacks that learn have one.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <functional>

#include "harness/model/rng.h"

namespace assay::attacks {

/// out = tanh(x w1 + b1) w2 + b2, float64.
struct Mlp {
  at::Tensor w1, b1;  ///< [F, H], [H]
  at::Tensor w2, b2;  ///< [H, O], [O]

  at::Tensor operator()(const at::Tensor& x) const;  ///< [M, F] → [M, O]
  /// Of a loss at x by w1, b1, w2, b2. `slope` is ∂loss/∂out of the outputs [M, O].
  std::array<at::Tensor, 4> gradients(
      const at::Tensor& x, const std::function<at::Tensor(const at::Tensor& out)>& slope) const;
};

struct MlpTraining {
  int64_t hidden = 32;
  int64_t steps = 200;
  double learning_rate = 0.01;  ///< at first; falls to 0 as a cosine
  double weight_decay = 1e-4;   ///< AdamW's: of w1 and w2, times the learning rate
};

/// Descends by full-batch Adam from random weights. `slope` is ∂loss/∂out of the outputs [M, O].
Mlp fit(const at::Tensor& x, int64_t outputs, const MlpTraining& training, const Rng& rng,
        const std::function<at::Tensor(const at::Tensor& out)>& slope);

/// Makes features comparable: less their centre, by their scale.
struct Scaling {
  at::Tensor centre, scale;  ///< [F]

  at::Tensor operator()(const at::Tensor& x) const;  ///< [N, F]
};

/// Of x [M, F]: mean and standard deviation.
Scaling mean_scaling(const at::Tensor& x);

/// Median and standard deviation as the median absolute deviation has it, which a few wild values
/// do not move; of a feature that is mostly one value, mean and standard deviation.
Scaling median_scaling(const at::Tensor& x);

}  // namespace assay::attacks

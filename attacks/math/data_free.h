// Extraction without data: a generator seeks inputs on which the surrogate and the victim differ,
// and the surrogate learns the victim's answers on them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/model/extraction.h"
#include "harness/suite/params.h"

namespace assay::attacks {

/// How far logits are from what the victim answered: kL1, the mean over classes of |s − t| with s
/// and t log-probabilities less their mean over classes; kKl, the divergence KL(victim ‖
/// surrogate).
enum class Disagreement { kL1, kKl };

/// What a surrogate aims at [n, K] float64, from answers [n, K] of that surface: for kL1 the
/// log-probabilities less their mean, for kKl probabilities, both of targets to this sharpness
/// (sharpness_of). Logarithms are of at least 1e-16, of half the last decimal of a rounded answer,
/// and of the surface's noise.
at::Tensor aims_of(const at::Tensor& answers, const Surface& surface, Disagreement kind,
                   double sharpness = 1);

/// Of logits [n, K] and aims [n, K] → [n] float64, and ∂/∂logits of its sum → [n, K] float64.
at::Tensor disagreement(Disagreement kind, const at::Tensor& logits, const at::Tensor& aims);
at::Tensor disagreement_slope(Disagreement kind, const at::Tensor& logits, const at::Tensor& aims);

/// Estimates the gradient of f at x [n, ...] by forward differences: the mean over unit directions
/// u [m, n, ...] of d · (f(x + step · u) − f(x)) / step · u, d entries per row. `f` gets all
/// (m + 1) · n points at once, x first, and gives a float64 for each.
at::Tensor forward_differences(const std::function<at::Tensor(const at::Tensor& points)>& f,
                               const at::Tensor& x, const at::Tensor& directions, double step);

struct DataFree {
  Disagreement kind = Disagreement::kL1;
  int64_t noise = 256;       ///< numbers that the generator makes an input of
  int64_t directions = 1;    ///< of forward differences at each input
  double difference = 1e-3;  ///< length of a step for them, before the tanh
  /// For one of the generator. The first takes the generator's batch, which was paid for.
  int64_t surrogate_steps = 5;
  int64_t replay_steps = 10;  ///< further ones, on earlier batches
  int64_t iterations = 1000;  ///< at least; the batch shrinks for it, to 16 rows
  Recipe generator;
};

/// Declares what changes in `settings` and in the recipe, and binds the attack. Both learning rates
/// fall as a cosine over the budget, to 0.
Extraction data_free(Params& params, std::vector<int64_t> budgets, const Recipe& recipe,
                     DataFree settings);

}  // namespace assay::attacks

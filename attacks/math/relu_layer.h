// A network with one hidden ReLU layer, fitted to what it answered.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/model/surrogate.h"

namespace assay::attacks {

/// outputs = coefficients · relu(weights · u + offsets) + linear · u + constant, all float64.
struct ReluLayer {
  at::Tensor weights, offsets;      ///< [h, d], [h]
  at::Tensor coefficients, linear;  ///< [K, h], [K, d]; linear is 0 where the input has no part
  at::Tensor constant;              ///< [K]

  /// [n, d] → [n, K]
  at::Tensor operator()(const at::Tensor& points) const;
  /// Root mean square of outputs [n, K] less those at points [n, d].
  double residual(const at::Tensor& points, const at::Tensor& outputs) const;
};

/// The same for inputs in the spec's box. A linear part is that of units that are always on, which
/// follow the others; without units there is one layer, the constant.
std::vector<Dense> dense_layers(const ReluLayer& layer, const ModelSpec& spec);

/// Solves for all but the hidden layer, by least squares.
ReluLayer fit_outputs(const at::Tensor& weights, const at::Tensor& offsets,
                      const at::Tensor& points, const at::Tensor& outputs, bool with_linear);

/// Moves all weights together to lower the residual: Gauss–Newton, each step by conjugate gradients
/// on the least-squares problem (CGLS; Björck, "Numerical Methods for Least Squares Problems",
/// 1996, Algorithm 7.4.1), and only while it lowers it. Converges where most signs of hidden units
/// are right at the start. Noise of the outputs then counts by the square root of weights / outputs
/// alone, whatever it did to the start. `linear` stays 0 where it is. Costs up to 10 · 200 products
/// of [n, d] and [d, h].
ReluLayer refined(ReluLayer start, const at::Tensor& points, const at::Tensor& outputs);

}  // namespace assay::attacks

// The hidden neurons of a network with one ReLU layer, each from the gradients on both sides of
// the plane where it switches on.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "attacks/math/kinks.h"
#include "attacks/math/relu_layer.h"

namespace assay::attacks {

/// Points and what was answered to them: points [m, d] in the cube [−1, 1]^d → the points as they
/// were sent, [m, d], and outputs, [m, K].
using Probe = std::function<std::pair<at::Tensor, at::Tensor>(const at::Tensor& points)>;

/// outputs = … + output · relu(±(weight · u + offset)): the plane's side is not known.
struct Neuron {
  at::Tensor weight;  ///< [d], of length 1
  double offset = 0;
  at::Tensor output;  ///< [K]
  double error = 0;   ///< of weight · u + offset for u in the cube, about
};

/// A kink on the segment from `origin` along `direction`, [d] both.
struct Crossing {
  at::Tensor origin, direction;
  Kink kink;
  at::Tensor point() const { return origin.add(direction, kink.at); }
};

/// True if the neuron bends the outputs there and as much.
bool explains(const Neuron& neuron, const Crossing& crossing, double noise);

/// True if both have one plane.
bool same_plane(const Neuron& a, const Neuron& b);

/// The neuron that bends the outputs at a crossing; at most `tries` times 2 (d + 1) points are
/// asked for. False where the change of gradient is none of one plane: another bends nearby, or the
/// noise is too large.
bool recover_neuron(const Probe& probe, const Crossing& crossing, double noise, int64_t tries,
                    Neuron* neuron);

/// The network of these neurons, turned as leaves the least of a linear part, and without one if
/// nothing, of more than this noise, speaks for it: points [n, d] of the cube, outputs [n, K].
ReluLayer fit_neurons(const std::vector<Neuron>& neurons, const at::Tensor& points,
                      const at::Tensor& outputs, double noise);

/// Whichever of both sides of each neuron leaves the least of a linear part: outputs are
/// coefficients · relu(weights · u + offsets) + linear · u, [K, h], [h, d] and [K, d]. Returns
/// [h] bool: the neuron is turned, since relu(z) = z + relu(−z).
at::Tensor turned(const at::Tensor& weights, const at::Tensor& coefficients,
                  const at::Tensor& linear);

}  // namespace assay::attacks

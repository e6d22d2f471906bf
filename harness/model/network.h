// Networks of our own, and what every training has in common: schedule and order.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <vector>

#include "harness/model/surrogate.h"
#include "harness/suite/suite.h"

namespace assay {

/// True if the CNN can take inputs of this shape: [C, H, W] with H and W of at least 4.
bool suits_cnn(const ModelSpec& spec);
/// Two convolutions and two dense layers, all weights and biases zero, in the spec's dtype.
torch::jit::Module cnn_network(const ModelSpec& spec);
/// Two hidden dense layers for inputs of any shape, all weights and biases zero.
torch::jit::Module mlp_network(const ModelSpec& spec);
/// What dense_network() saves (surrogate.h).
torch::jit::Module computed_network(const ModelSpec& spec, const std::vector<Dense>& layers);

/// The module, which answers as the spec says, with its logits multiplied by `factor`.
torch::jit::Module softened_network(const ModelSpec& spec, const torch::jit::Module& module,
                                    double factor);

/// A copy of x [n, C, H, W] with the channels innermost, and strides that say so where C is 1 too:
/// contiguous() leaves those as they are, and whatever takes its layout from its input falls back
/// to the other one, in which pooling is slow.
at::Tensor with_channels_last(const at::Tensor& x);

/// The learning rate after `share` (in [0, 1)) of all steps, as a factor of its peak: linear
/// warm-up over the first tenth, then a cosine to zero.
double one_cycle(double share);

/// Puts 0 … n − 1 in the order of an epoch, drawn from the seed: [n].
std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch);

}  // namespace assay

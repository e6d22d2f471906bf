// A network that makes inputs out of noise: what a thief without data has in place of a pool.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "harness/model/shadow.h"
#include "harness/suite/suite.h"

namespace assay {

/// A generator in training. For images of at least 4 x 4, a dense layer and three convolutions with
/// upsampling between them, as in data-free model extraction (Truong et al., CVPR 2021); for other
/// shapes, three dense layers. Every layer is followed by batch normalisation, always with the
/// statistics of the batch. Losses are analytic: whoever trains gives ∂loss/∂output, and no graph
/// leaves this class. One thread only, which has called enter_worker().
class Generator {
 public:
  /// Fresh weights by `seed`, for rows of noise with `entries` numbers. Of the recipe, the
  /// optimizer, learning_rate and weight_decay count.
  Generator(const ModelSpec& spec, int64_t entries, const Recipe& recipe, uint64_t seed);
  Generator(Generator&&) noexcept;
  ~Generator();

  /// Noise z [n, entries], n ≥ 2 → [n, ...shape] unbounded, in the spec's dtype; about standard
  /// normal in every channel (image) or entry (other shapes). to_box() makes inputs of it.
  at::Tensor output(const at::Tensor& z) const;

  /// Through tanh into the box: any shape, same dtype.
  at::Tensor to_box(const at::Tensor& output) const;

  /// ∂loss/∂output [n, ...shape] at an output [n, ...shape], for the loss that a step descends.
  using Slope = std::function<at::Tensor(const at::Tensor& output)>;
  /// One step of the optimiser at z [n, entries], n ≥ 2. `rate` times the recipe's learning rate.
  void step(const at::Tensor& z, const Slope& slope, double rate);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay

// Surrogate models: what a thief trains on the answers of an API.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/shadow.h"
#include "harness/suite/suite.h"

namespace assay {

/// A network in training. Losses are analytic: whoever trains gives ∂loss/∂logits, and no graph
/// leaves this class. One thread only, which has called enter_worker(). All but the constructor
/// throw Error (kUsage) where the architecture's code throws.
class Surrogate {
 public:
  /// Fresh weights by `seed`, which also orders the epochs of fit(). Seeds the process's generator,
  /// from which dropout draws.
  Surrogate(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
            uint64_t seed);
  Surrogate(Surrogate&&) noexcept;
  ~Surrogate();

  /// Trains to the recipe on x [n, ...shape] in the box and targets [n, K], each row probabilities:
  /// the mean of −Σ t·log softmax(logits) falls, at the recipe's schedule. Flat targets are
  /// sharpened first (sharpness_of), and the sharpness set. May be called again, and goes on from
  /// the present weights. Throws Error (kUsage) where the loss is no number.
  void fit(const at::Tensor& x, const at::Tensor& targets);

  /// ∂loss/∂logits [n, K] at logits [n, K], for the loss that a step descends.
  using Slope = std::function<at::Tensor(const at::Tensor& logits)>;
  /// One step of the recipe's optimiser in training mode on x [n, ...shape], n ≥ 2 where the
  /// network has batch normalisation. `rate` times the recipe's learning rate.
  void step(const at::Tensor& x, const Slope& slope, double rate);

  /// Says that the network learns targets to this power: what is saved has logits divided by it, so
  /// that its probabilities are the targets'. 1 at first. The methods below give the network's own.
  void set_sharpness(double sharpness);

  /// [n, ...shape] → [n, K] in eval mode, in the spec's dtype.
  at::Tensor logits(const at::Tensor& x);
  /// Logits [n, K] in eval mode at x [n, ...shape], and the gradient [n, ...shape] of Σ logits·c
  /// with c = slope(logits).
  std::pair<at::Tensor, at::Tensor> gradient(const at::Tensor& x, const Slope& slope);

  /// TorchScript in eval mode, with logits divided by the sharpness; Model::load takes it with the
  /// same ModelSpec.
  std::string save() const;

  const ModelSpec& spec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What a surrogate that was saved gives at x [n, ...shape] in the box: logits [n, K].
at::Tensor logits_of(const std::string& surrogate, const ModelSpec& spec, const at::Tensor& x);

/// One layer of a dense network: weights [outputs, inputs] and bias [outputs].
using Dense = std::pair<at::Tensor, at::Tensor>;

/// TorchScript of dense layers with ReLU between them, for a surrogate whose weights were computed:
/// the first layer takes the flattened input as it is in the box, and the last gives K logits. Kept
/// in float64 inside. Model::load takes it with the same ModelSpec.
std::string dense_network(const ModelSpec& spec, const std::vector<Dense>& layers);

}  // namespace assay

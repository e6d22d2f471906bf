#include "harness/model/generator.h"

#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "harness/model/forward.h"
#include "harness/model/network.h"
#include "harness/model/optimizer.h"
#include "harness/model/rng.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// The paper's network has four times as many channels. What convolves 28 x 28 pixels on a CPU then
// costs a hundred times the surrogate's training, for no better copy of a small model.
constexpr int64_t kChannels = 16;
constexpr int64_t kHidden = 128;  // of dense generators

struct Layer {
  at::Tensor weight;         // [out, in] or [out, in, 3, 3]; a bias would be normalised away
  at::Tensor factor, shift;  // [channels] of the batch normalisation; undefined after the last
};

// With the batch's statistics. channels: dimension 1.
at::Tensor normalise(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& shift) {
  return at::batch_norm(x, factor, shift, {}, {}, /*training=*/true, /*momentum=*/0.1,
                        /*eps=*/1e-5, /*cudnn_enabled=*/false);
}

}  // namespace

struct Generator::Impl {
  Impl(const ModelSpec& of, int64_t entries, const Recipe& how, uint64_t seed)
      : spec(of), recipe(how), image(suits_cnn(spec)), layers(fresh(entries, seed)) {
    for (const Layer& layer : layers) {
      for (const at::Tensor& values : {layer.weight, layer.factor, layer.shift}) {
        if (values.defined()) parameters.push_back(values);
      }
    }
    optimizer.emplace(recipe, parameters);
  }

  // A side after all upsamplings but `times`.
  int64_t side(size_t axis, int64_t times) const {
    const int64_t part = int64_t{1} << times;
    return (spec.shape[axis] + part - 1) / part;
  }

  std::vector<Layer> fresh(int64_t entries, uint64_t seed) const {
    const at::TensorOptions options = at::TensorOptions(type_of(spec));
    const Rng rng(seed, "generator", 0);
    std::vector<Layer> made;
    // What PyTorch's layers start from. `channels`: of the batch normalisation, 0 after the last.
    const auto add = [&](at::IntArrayRef shape, int64_t channels) {
      int64_t fan_in = 1;
      for (const int64_t size : shape.slice(1)) fan_in *= size;
      const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
      const std::array<uint64_t, 1> key = {made.size()};
      const at::Tensor start = rng.uniform(key, shape, 0, 0).squeeze(0).mul_(2 * bound).sub_(bound);
      Layer layer{.weight = start.to(options).requires_grad_(true)};
      if (channels > 0) {
        layer.factor = at::ones({channels}, options).requires_grad_(true);
        layer.shift = at::zeros({channels}, options).requires_grad_(true);
      }
      made.push_back(layer);
    };
    if (image) {
      const int64_t wide = 2 * kChannels;
      add({wide * side(1, 2) * side(2, 2), entries}, wide);
      add({wide, wide, 3, 3}, wide);
      add({kChannels, wide, 3, 3}, kChannels);
      add({spec.shape[0], kChannels, 3, 3}, 0);
    } else {
      add({kHidden, entries}, kHidden);
      add({kHidden, kHidden}, kHidden);
      add({entries_of(spec.shape), kHidden}, 0);
    }
    return made;
  }

  at::Tensor output(const at::Tensor& z) const {
    ASSAY_CHECK(z.size(0) >= 2, "batch normalisation needs two rows");
    const at::Tensor noise = z.to(type_of(spec));
    return image ? make_images(noise) : make_rows(noise);
  }

  at::Tensor make_images(const at::Tensor& z) const {
    at::Tensor x = at::linear(z, layers[0].weight);
    x = x.reshape({z.size(0), 2 * kChannels, side(1, 2), side(2, 2)});
    x = normalise(x, layers[0].factor, layers[0].shift);
    for (size_t i = 1; i < layers.size(); ++i) {
      const int64_t times = 2 - static_cast<int64_t>(i);
      if (times >= 0) x = at::upsample_nearest2d(x, {side(1, times), side(2, times)});
      x = at::conv2d(x, layers[i].weight, {}, 1, 1);
      x = normalise(x, layers[i].factor, layers[i].shift);
      if (i + 1 < layers.size()) x = at::leaky_relu(x, 0.2);
    }
    return x;
  }

  at::Tensor make_rows(const at::Tensor& z) const {
    at::Tensor x = z;
    for (size_t i = 0; i < layers.size(); ++i) {
      x = at::linear(x, layers[i].weight);
      x = normalise(x, layers[i].factor, layers[i].shift);
      if (i + 1 < layers.size()) x = at::leaky_relu(x, 0.2);
    }
    std::vector<int64_t> shape = {z.size(0)};
    shape.insert(shape.end(), spec.shape.begin(), spec.shape.end());
    return x.reshape(shape);
  }

  const ModelSpec spec;
  const Recipe recipe;
  const bool image;
  const std::vector<Layer> layers;
  std::vector<at::Tensor> parameters;
  std::optional<Optimizer> optimizer;
};

Generator::Generator(const ModelSpec& spec, int64_t entries, const Recipe& recipe, uint64_t seed)
    : impl_(std::make_unique<Impl>(spec, entries, recipe, seed)) {}
Generator::Generator(Generator&&) noexcept = default;
Generator::~Generator() = default;

at::Tensor Generator::output(const at::Tensor& z) const {
  const at::NoGradGuard plain;
  return impl_->output(z);
}

at::Tensor Generator::to_box(const at::Tensor& output) const {
  const double lo = impl_->spec.lo, hi = impl_->spec.hi;
  return output.tanh().add_(1).mul_((hi - lo) / 2).add_(lo).clamp_(lo, hi);
}

void Generator::step(const at::Tensor& z, const Slope& slope, double rate) {
  const c10::AutoGradMode with_graph(true);
  const at::Tensor output = impl_->output(z);
  const at::Tensor here = output.detach();
  const at::Tensor gradient = [&] {
    const at::NoGradGuard plain;
    return slope(here).to(here.scalar_type());
  }();
  std::vector<at::Tensor> gradients =
      torch::autograd::grad({output}, impl_->parameters, {gradient});
  const at::NoGradGuard plain;
  impl_->optimizer->step(std::move(gradients), impl_->recipe.learning_rate * rate);
}

}  // namespace assay

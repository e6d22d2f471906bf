#include "harness/model/surrogate.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <cmath>
#include <sstream>
#include <utility>

#include "harness/model/architecture.h"
#include "harness/model/forward.h"
#include "harness/model/model.h"
#include "harness/model/network.h"
#include "harness/model/optimizer.h"
#include "harness/model/victim.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Rows of a forward without gradients.
constexpr int64_t kRows = 256;

// The learning rate after `share` of the steps, as a share of the recipe's. A thief with a small
// budget takes few steps: a warm-up, or a long decay, would leave the network far from the answers.
double rate_at(double share) { return share < 0.6 ? 1 : 0.02 + 0.98 * (1 - share) / 0.4; }

}  // namespace

struct Surrogate::Impl {
  Impl(const Architecture& architecture, const ModelSpec& of, const Recipe& how, uint64_t number)
      : recipe(how),
        spec(of),
        seed(number),
        channels_last(architecture.impl().channels_last),
        forward(spec, architecture.name()),
        module(instantiate(architecture.impl(), seed)),
        parameters(trained_parameters(architecture.impl(), module)),
        optimizer(recipe, parameters) {
    seed_generator("surrogate " + std::to_string(seed));
  }

  at::Tensor normalised(const at::Tensor& x) const {
    return forward.normalised(x.to(type_of(spec)));
  }

  at::Tensor laid_out(const at::Tensor& x) const {
    return channels_last ? with_channels_last(x) : x;
  }

  void set_training(bool training) {
    if (module.is_training() != training) module.train(training);
  }

  // Returns the logits before the step.
  at::Tensor step(const at::Tensor& input, const Slope& slope, double rate) {
    set_training(true);
    const c10::AutoGradMode with_graph(true);
    const at::Tensor logits = forward.call(module, laid_out(input));
    const at::Tensor here = logits.detach();
    std::vector<at::Tensor> gradients =
        torch::autograd::grad({logits}, parameters, {slope(here).to(here.scalar_type())},
                              /*retain_graph=*/false, /*create_graph=*/false,
                              /*allow_unused=*/true);
    const at::NoGradGuard plain;
    optimizer.step(std::move(gradients), recipe.learning_rate * rate);
    return here;
  }

  // Each row by itself: the mean over the batch is in the slope.
  void fit(const at::Tensor& x, const at::Tensor& targets) {
    const int64_t n = x.size(0);
    const at::Tensor inputs = normalised(x);
    sharpness = sharpness_of(targets);
    const at::Tensor wanted = sharpened(targets, sharpness).to(inputs.scalar_type());
    const int64_t batches = (n + recipe.batch - 1) / recipe.batch;
    const int64_t epochs = std::max(recipe.epochs, (recipe.least_steps + batches - 1) / batches);
    const double all = static_cast<double>(epochs * n);
    for (int64_t epoch = 0; epoch < epochs; ++epoch, ++epochs_done) {
      const std::vector<int64_t> order = epoch_order(n, seed, epochs_done);
      int64_t done = epoch * n;
      in_batches(order, recipe.batch, [&](std::span<const int64_t> places) {
        const at::Tensor index = at::tensor(at::ArrayRef<int64_t>(places.data(), places.size()));
        const at::Tensor goal = wanted.index_select(0, index);
        const auto size = static_cast<double>(places.size());
        const at::Tensor logits = step(
            inputs.index_select(0, index),
            [&](const at::Tensor& here) { return here.softmax(1).sub_(goal).div_(size); },
            rate_at(static_cast<double>(done) / all));
        if (!logits.sum().isfinite().item<bool>()) {
          throw Error("the loss of a surrogate is no number in epoch " + std::to_string(epoch + 1) +
                      "; lower learning_rate, which is " + c10::str(recipe.learning_rate));
        }
        done += static_cast<int64_t>(places.size());
      });
    }
  }

  const Recipe recipe;
  const ModelSpec spec;
  const uint64_t seed;
  const bool channels_last;
  const Forward forward;
  torch::jit::Module module;
  const std::vector<at::Tensor> parameters;
  Optimizer optimizer;
  int64_t epochs_done = 0;
  double sharpness = 1;
};

namespace {

// What fails here is no candidate's fault: the suite chose the network. Backward passes and the
// optimiser run out of memory too, which is the machine's.
template <typename Work>
auto guarded(Work work) {
  const auto chosen = [](const std::exception& error) {
    return Error("the surrogate's network fails: " + std::string(error.what()) +
                 "; say `architecture: auto` to train a network of ours");
  };
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const ModelFailure& error) {
    throw chosen(error);
  } catch (const std::exception& error) {
    try {
      rethrow_failure(error);
    } catch (const ModelFailure& failure) {
      throw chosen(failure);
    }
  }
}

std::string bytes_of(const torch::jit::Module& module) {
  // Through a stream, so that the archive bears no file's name.
  std::ostringstream bytes;
  module.save(bytes);
  return bytes.str();
}

}  // namespace

Surrogate::Surrogate(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
                     uint64_t seed)
    : impl_(std::make_unique<Impl>(architecture, spec, recipe, seed)) {
  ASSAY_CHECK(recipe.epochs >= 1 && recipe.batch >= 1, "a recipe without steps");
}
Surrogate::Surrogate(Surrogate&&) noexcept = default;
Surrogate::~Surrogate() = default;

void Surrogate::fit(const at::Tensor& x, const at::Tensor& targets) {
  ASSAY_CHECK(x.size(0) >= 1 && x.size(0) == targets.size(0), "a target for each input");
  guarded([&] { impl_->fit(x, targets); });
}

void Surrogate::step(const at::Tensor& x, const Slope& slope, double rate) {
  guarded([&] { impl_->step(impl_->normalised(x), slope, rate); });
}

at::Tensor Surrogate::logits(const at::Tensor& x) {
  return guarded([&] {
    const at::NoGradGuard plain;
    impl_->set_training(false);
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
      const at::Tensor part = x.narrow(0, begin, std::min(kRows, x.size(0) - begin));
      parts.push_back(impl_->forward.call(impl_->module, impl_->laid_out(impl_->normalised(part))));
    }
    return at::cat(parts);
  });
}

void Surrogate::set_sharpness(double sharpness) { impl_->sharpness = sharpness; }

std::pair<at::Tensor, at::Tensor> Surrogate::gradient(const at::Tensor& x, const Slope& slope) {
  return guarded([&] {
    impl_->set_training(false);
    const c10::AutoGradMode with_graph(true);
    const at::Tensor input = x.detach().clone().requires_grad_(true);
    const at::Tensor logits =
        impl_->forward.call(impl_->module, impl_->laid_out(impl_->normalised(input)));
    const at::Tensor here = logits.detach();
    const std::vector<at::Tensor> gradients = torch::autograd::grad(
        {logits}, {input}, {slope(here).to(here.scalar_type())}, /*retain_graph=*/false,
        /*create_graph=*/false, /*allow_unused=*/true);
    return std::pair(here, gradients[0].defined() ? gradients[0] : at::zeros_like(x));
  });
}

std::string Surrogate::save() const {
  return guarded([&] {
    torch::jit::Module copy = impl_->module.deepcopy();
    copy.eval();
    for (at::Tensor parameter : copy.parameters()) {
      parameter.set_data(parameter.detach().contiguous());
    }
    return bytes_of(
        impl_->sharpness == 1 ? copy : softened_network(impl_->spec, copy, 1 / impl_->sharpness));
  });
}

const ModelSpec& Surrogate::spec() const { return impl_->spec; }

at::Tensor logits_of(const std::string& surrogate, const ModelSpec& spec, const at::Tensor& x) {
  return guarded([&] {
    const at::NoGradGuard plain;
    std::istringstream bytes(surrogate);
    torch::jit::Module module = torch::jit::load(bytes);
    module.eval();
    const Forward forward(spec, "the surrogate");
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
      const at::Tensor part = x.narrow(0, begin, std::min(kRows, x.size(0) - begin));
      parts.push_back(forward(module, part.to(type_of(spec))));
    }
    return at::cat(parts);
  });
}

std::string dense_network(const ModelSpec& spec, const std::vector<Dense>& layers) {
  return bytes_of(computed_network(spec, layers));
}

}  // namespace assay

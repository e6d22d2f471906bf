#include "harness/model/optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_sgd.h>

#include <array>
#include <string>
#include <utility>

#include "harness/suite/error.h"

namespace assay {

Optimizer::Optimizer(const Recipe& recipe, std::vector<at::Tensor> parameters)
    : recipe_(recipe), adam_(recipe.optimizer == "adam") {
  static const std::array<std::string, 2> kNames = {"adam", "sgd"};
  if (!adam_ && recipe.optimizer != "sgd") {
    throw Error("unknown optimizer `" + recipe.optimizer + "`" + suggest(recipe.optimizer, kNames));
  }
  for (const at::Tensor& parameter : parameters) {
    parameters_.push_back(parameter.detach());  // shares the values
    first_.push_back(at::zeros_like(parameters_.back()));
    if (adam_) {
      second_.push_back(at::zeros_like(parameters_.back()));
      steps_.push_back(at::zeros({}, at::kFloat));
    }
  }
}

void Optimizer::step(std::vector<at::Tensor> gradients, double learning_rate) {
  for (size_t i = 0; i < gradients.size(); ++i) {
    const at::Tensor& parameter = parameters_[i];
    if (!gradients[i].defined()) {
      gradients[i] = at::zeros_like(parameter);
    } else if (gradients[i].strides() != parameter.strides()) {
      // The fused kernels walk through memory.
      gradients[i] = at::empty_like(parameter).copy_(gradients[i]);
    }
  }
  if (adam_) {
    for (at::Tensor& step : steps_) step.add_(1);
    at::_fused_adam_(parameters_, gradients, first_, second_, {}, steps_, learning_rate,
                     /*beta1=*/0.9, /*beta2=*/0.999, recipe_.weight_decay, /*eps=*/1e-8,
                     /*amsgrad=*/false, /*maximize=*/false);
  } else {
    at::_fused_sgd_(parameters_, gradients, first_, recipe_.weight_decay, /*momentum=*/0.9,
                    learning_rate, /*dampening=*/0, /*nesterov=*/true, /*maximize=*/false,
                    is_first_);
  }
  is_first_ = false;
}

}  // namespace assay

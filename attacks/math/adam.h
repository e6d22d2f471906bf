// Adam for rows that move in step with each other.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>

namespace assay::attacks {

/// Kingma & Ba 2015 with the usual constants. Every operation rounds by itself, so that a row's
/// bits depend on its own gradients alone.
struct Adam {
  at::Tensor mean, square;  ///< [m, ...] averages; compact them with the rows
  int64_t steps = 0;

  explicit Adam(const at::Tensor& like) : mean(at::zeros_like(like)), square(mean) {}

  /// The direction to descend by the learning rate, after one more gradient [m, ...].
  at::Tensor direction(const at::Tensor& gradient) {
    ++steps;
    mean = mean.mul(0.9).add(gradient.mul(0.1));
    square = square.mul(0.999).add(gradient.mul(gradient).mul(0.001));
    return mean.div(1 - std::pow(0.9, steps)).div(scale());
  }
  /// What each entry's average gradient was divided by.
  at::Tensor scale() const { return square.div(1 - std::pow(0.999, steps)).sqrt().add(1e-8); }
};

}  // namespace assay::attacks

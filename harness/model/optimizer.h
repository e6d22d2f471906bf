// What trainings of networks have in common: the recipe's optimiser and its batches.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/model/shadow.h"

namespace assay {

/// Adam (Kingma & Ba, ICLR 2015) or SGD with Nesterov momentum, with torch.optim's arithmetic.
class Optimizer {
 public:
  /// Moves `parameters` in place. Throws Error for an optimizer of another name.
  Optimizer(const Recipe& recipe, std::vector<at::Tensor> parameters);

  /// gradients: one for each parameter, undefined where it took no part.
  void step(std::vector<at::Tensor> gradients, double learning_rate);

 private:
  const Recipe recipe_;
  const bool adam_;
  bool is_first_ = true;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> first_, second_;  // moments; SGD has the first alone
  std::vector<at::Tensor> steps_;
};

/// Calls run(places) for the consecutive batches of an order.
template <typename Run>
void in_batches(std::span<const int64_t> order, int64_t batch, Run run) {
  const size_t n = order.size();
  for (size_t begin = 0, end = 0; begin < n; begin = end) {
    end = std::min(begin + static_cast<size_t>(batch), n);
    // Batch norm refuses a batch of one row.
    if (n - end == 1) end = n;
    run(order.subspan(begin, end - begin));
  }
}

}  // namespace assay

#include "attacks/math/filters.h"

#include <algorithm>
#include <cmath>

namespace assay::attacks {

at::Tensor filter(const at::Tensor& u, int64_t axis, const std::vector<Taps>& taps) {
  std::vector<at::Tensor> outputs;
  for (const Taps& tap : taps) {
    at::Tensor sum = u.select(axis, tap.first).mul(tap.weights[0]);
    for (size_t k = 1; k < tap.weights.size(); ++k) {
      sum.add_(u.select(axis, tap.first + static_cast<int64_t>(k)), tap.weights[k]);
    }
    outputs.push_back(sum);
  }
  return at::stack(outputs, axis);
}

std::vector<Taps> gaussian_taps(int64_t size, double deviation) {
  const auto reach = static_cast<int64_t>(4 * deviation + 0.5);
  std::vector<double> weights;
  double total = 0;
  for (int64_t k = -reach; k <= reach; ++k) {
    const double away = static_cast<double>(k) / deviation;
    weights.push_back(std::exp(-0.5 * away * away));
    total += weights.back();
  }
  std::vector<Taps> all;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t first = std::max<int64_t>(i - reach, 0);
    const int64_t last = std::min(i + reach, size - 1);
    Taps taps{first, std::vector<double>(static_cast<size_t>(last - first + 1), 0.0)};
    for (int64_t k = -reach; k <= reach; ++k) {
      const int64_t from = std::clamp<int64_t>(i + k, 0, size - 1);
      taps.weights[static_cast<size_t>(from - first)] +=
          weights[static_cast<size_t>(k + reach)] / total;
    }
    all.push_back(std::move(taps));
  }
  return all;
}

std::vector<Taps> box_taps(int64_t size, double share) {
  const auto fewer = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(size) * share));
  const double scale = static_cast<double>(size) / static_cast<double>(fewer);
  std::vector<Taps> all;
  for (int64_t i = 0; i < size; ++i) {
    const auto box = static_cast<int64_t>((static_cast<double>(i) + 0.5) / scale);
    const double centre = (static_cast<double>(box) + 0.5) * scale;
    Taps taps{-1, {}};
    for (int64_t from = 0; from < size; ++from) {
      const double away = (static_cast<double>(from) + 0.5 - centre) / scale;
      if (away <= -0.5 || away > 0.5) continue;
      if (taps.first < 0) taps.first = from;
      taps.weights.push_back(1);
    }
    for (double& weight : taps.weights) weight /= static_cast<double>(taps.weights.size());
    all.push_back(std::move(taps));
  }
  return all;
}

at::Tensor filter(const at::Tensor& u, const at::Tensor& kernel) {
  const int64_t reach = kernel.size(0) / 2;
  const at::Tensor wide = at::replication_pad2d(u, {reach, reach, reach, reach});
  at::Tensor sum = at::zeros_like(u);
  for (int64_t i = 0; i < kernel.size(0); ++i) {
    for (int64_t j = 0; j < kernel.size(1); ++j) {
      const double weight = kernel[i][j].item<double>();
      if (weight == 0) continue;
      sum.add_(wide.narrow(1, i, u.size(1)).narrow(2, j, u.size(2)), weight);
    }
  }
  return sum;
}

at::Tensor disc(double radius, double softness) {
  const auto reach = static_cast<int64_t>(radius) + 1;  // one more for the Gaussian
  const at::Tensor line = at::arange(-reach, reach + 1, at::kDouble);
  const at::Tensor away = line.mul(line).unsqueeze(1).add(line.mul(line));
  const at::Tensor sharp = away.le(radius * radius).to(at::kDouble);
  const at::Tensor bell = at::arange(-1, 2, at::kDouble).div(softness).square().mul(-0.5).exp();
  const at::Tensor weights = bell.div(bell.sum());
  const at::Tensor soft = at::conv2d(sharp.div(sharp.sum()).view({1, 1, 2 * reach + 1, -1}),
                                     at::outer(weights, weights).view({1, 1, 3, 3}), {}, 1, 1);
  return soft.view({2 * reach + 1, 2 * reach + 1}).contiguous();
}

}  // namespace assay::attacks

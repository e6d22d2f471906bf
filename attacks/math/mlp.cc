#include "attacks/math/mlp.h"

#include <cmath>
#include <numbers>

#include "attacks/math/adam.h"

namespace assay::attacks {

at::Tensor Mlp::operator()(const at::Tensor& x) const {
  return x.matmul(w1).add(b1).tanh().matmul(w2).add(b2);
}

std::array<at::Tensor, 4> Mlp::gradients(
    const at::Tensor& x, const std::function<at::Tensor(const at::Tensor& out)>& slope) const {
  const at::Tensor hidden = x.matmul(w1).add(b1).tanh();                              // [M, H]
  const at::Tensor by_out = slope(hidden.matmul(w2).add(b2));                         // [M, O]
  const at::Tensor by_sum = by_out.matmul(w2.t()).mul(hidden.square().neg().add(1));  // [M, H]
  return {x.t().matmul(by_sum), by_sum.sum(0), hidden.t().matmul(by_out), by_out.sum(0)};
}

Mlp fit(const at::Tensor& x, int64_t outputs, const MlpTraining& training, const Rng& rng,
        const std::function<at::Tensor(const at::Tensor& out)>& slope) {
  const int64_t features = x.size(1);
  const auto normal = [&rng](int64_t fan_in, int64_t fan_out, int64_t layer) {
    return rng.normal(std::array<uint64_t, 1>{0}, {fan_in, fan_out}, 0, layer)[0].div(
        std::sqrt(static_cast<double>(fan_in)));
  };
  Mlp net{.w1 = normal(features, training.hidden, 0),
          .b1 = at::zeros({training.hidden}, at::kDouble),
          .w2 = normal(training.hidden, outputs, 1),
          .b2 = at::zeros({outputs}, at::kDouble)};
  std::array<Adam, 4> adam = {Adam(net.w1), Adam(net.b1), Adam(net.w2), Adam(net.b2)};
  for (int64_t step = 0; step < training.steps; ++step) {
    const double part = static_cast<double>(step) / static_cast<double>(training.steps);
    const double rate = training.learning_rate * (1 + std::cos(std::numbers::pi * part)) / 2;
    const std::array<at::Tensor, 4> gradients = net.gradients(x, slope);
    const std::array<at::Tensor*, 4> weights = {&net.w1, &net.b1, &net.w2, &net.b2};
    for (size_t i = 0; i < weights.size(); ++i) {
      at::Tensor& w = *weights[i];
      if (i % 2 == 0) w = w.mul(1 - rate * training.weight_decay);
      w = w.sub(adam[i].direction(gradients[i]).mul(rate));
    }
  }
  return net;
}

Scaling mean_scaling(const at::Tensor& x) {
  const at::Tensor mean = x.mean(0);
  return {mean, x.sub(mean).square().mean(0).sqrt().clamp_min(1e-6)};
}

Scaling median_scaling(const at::Tensor& x) {
  constexpr double kOfNormal = 1.4826022185056018;
  const at::Tensor median = std::get<0>(x.median(0));
  const at::Tensor away = std::get<0>(x.sub(median).abs().median(0)).mul(kOfNormal);
  const Scaling plain = mean_scaling(x);
  const at::Tensor one_value = away.le(1e-6);
  return {at::where(one_value, plain.centre, median), at::where(one_value, plain.scale, away)};
}

at::Tensor Scaling::operator()(const at::Tensor& x) const { return x.sub(centre).div(scale); }

}  // namespace assay::attacks

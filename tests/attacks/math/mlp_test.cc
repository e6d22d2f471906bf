#include "attacks/math/mlp.h"

#include <gtest/gtest.h>

#include <array>

#include "attacks/math/in_out.h"
#include "tests/testing/membership.h"

namespace assay::attacks {
namespace {

using testing::numbers;

Rng rng_of(uint64_t seed) { return {seed, "mlp", 0}; }

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return rng_of(seed).normal(std::array<uint64_t, 1>{seed}, shape, 1, 1)[0];
}

TEST(Mlp, DerivativesAreThoseOfDifferences) {
  Mlp net{normal({3, 4}, 1), normal({4}, 2), normal({4, 2}, 3), normal({2}, 4)};
  const at::Tensor x = normal({5, 3}, 5);
  const at::Tensor by_out = normal({5, 2}, 6);
  const std::array<at::Tensor, 4> gradients = net.gradients(x, [&](const at::Tensor& out) {
    EXPECT_TRUE(out.equal(net(x)));
    return by_out;
  });
  const std::array<at::Tensor*, 4> weights = {&net.w1, &net.b1, &net.w2, &net.b2};
  const auto value = [&] { return net(x).mul(by_out).sum().item<double>(); };
  for (size_t i = 0; i < weights.size(); ++i) {
    ASSERT_EQ(gradients[i].sizes(), weights[i]->sizes());
    const at::Tensor flat = weights[i]->view({-1});
    for (int64_t k = 0; k < flat.size(0); ++k) {
      const double w = flat[k].item<double>();
      flat[k].fill_(w + 1e-5);
      const double above = value();
      flat[k].fill_(w - 1e-5);
      const double below = value();
      flat[k].fill_(w);
      EXPECT_NEAR(gradients[i].reshape({-1})[k].item<double>(), (above - below) / 2e-5, 1e-8);
    }
  }
}

TEST(Mlp, FitsWhatALineCannot) {
  const at::Tensor x = normal({400, 2}, 7);
  const at::Tensor target = x.select(1, 0).mul(x.select(1, 1)).sign().unsqueeze(1);  // xor
  const Mlp net = fit(x, 1, {.steps = 300, .learning_rate = 0.05}, rng_of(8),
                      [&](const at::Tensor& out) { return out.sub(target).div(400); });
  EXPECT_GT(net(x).sign().eq(target).to(at::kDouble).mean().item<double>(), 0.95);
}

TEST(LearnInOut, GivesTheLogOddsOfTwoNormals) {
  // N(1, 1) against N(-1, 1): the log-odds are 2 x, and 0 at 0 although one kind is three times as
  // many.
  const at::Tensor in = at::cat({normal({3000, 1}, 9).add(1), normal({1000, 1}, 10).sub(1)});
  const at::Tensor kind = at::arange(4000).lt(3000);
  const at::Tensor at = numbers({-1, 0, 1}).unsqueeze(1);
  const at::Tensor odds = learn_in_out(in, kind, at, {}, rng_of(11));
  EXPECT_NEAR(odds[0].item<double>(), -2, 0.5);
  EXPECT_NEAR(odds[1].item<double>(), 0, 0.3);
  EXPECT_NEAR(odds[2].item<double>(), 2, 0.5);
}

TEST(LearnInOut, StaysFiniteForAFeatureThatDoesNotVary) {
  const at::Tensor x = at::cat({normal({50, 1}, 12), at::zeros({50, 1}, at::kDouble)}, 1);
  const at::Tensor kind = at::arange(50).remainder(2).eq(0);
  const at::Tensor odds = learn_in_out(x, kind, numbers({1e4, -1e4}).unsqueeze(0), {}, rng_of(13));
  EXPECT_TRUE(odds.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace assay::attacks

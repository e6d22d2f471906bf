#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

// log(p / mean of p) for T = 1.
Outputs example(const std::vector<double>& mine, const std::vector<double>& shadows,
                int64_t audited, const at::Tensor& in) {
  const auto records = static_cast<int64_t>(mine.size());
  const auto logits = [](const at::Tensor& p) {
    return at::stack({p.log(), p.neg().add(1).log()}, -1);
  };
  Outputs outputs =
      outputs_of(logits(numbers(mine)), std::vector<int64_t>(mine.size(), 0), audited);
  give_shadows(&outputs, logits(numbers(shadows).view({-1, 1, records})), in);
  return outputs;
}

TEST(Rmia, OnlineIsTheShareOfDominatedRatios) {
  // Ratios: audited 0.9 / 0.3 = 3, 0.5 / 0.5 = 1; z: 0.4 / 0.4 = 1, 0.8 / 0.4 = 2.
  const Outputs outputs = example({0.9, 0.5, 0.4, 0.8}, {0.2, 0.4, 0.5, 0.3, 0.4, 0.6, 0.3, 0.5}, 2,
                                  numbers({1, 0, 1, 0, 0, 1, 0, 1}).view({2, 4}));
  const at::Tensor scores =
      scores_of("rmia", "{mode: online, shadows: 2, gamma: 1.2, temperature: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 1, 0.25 / 2);  // 3 / 1.2 exceeds both
  EXPECT_NEAR(scores[1].item<double>(), 0, 0.25 / 2);
}

TEST(Rmia, OfflineScalesTheMeanOfOutShadows) {
  // One shadow; p(x) = (1.3 p + 0.7) / 2. Audited: 0.9 / 0.48 = 1.875; z: the same p(z), 0.45 /
  // 0.48 and 0.96 / 0.48 = 2. At gamma 1 it dominates the first alone, at 1 / 2 both.
  const Outputs outputs = example({0.9, 0.45, 0.96}, {0.2, 0.2, 0.2}, 1, at::zeros({1, 3}));
  const auto score = [&](const std::string& gamma) {
    return scores_of("rmia", "{shadows: 1, temperature: 1, gamma: " + gamma + "}", outputs)[0]
        .item<double>();
  };
  EXPECT_NEAR(score("1"), 0.5, 0.25 / 2);
  EXPECT_NEAR(score("0.5"), 1, 0.25 / 2);
  EXPECT_NEAR(score("1.99"), 0.5, 0.25 / 2);  // 0.942 against 0.9375
  EXPECT_NEAR(score("2.01"), 0, 0.25 / 2);    // 0.933
}

TEST(Rmia, ReferencesThatSawARecordOfThePoolDoNotCountForIt) {
  // z has p = 0.5; the shadow that saw it says 1, the one that did not 0.1. Without the first,
  // p(z) = (1.3 * 0.1 + 0.7) / 2 = 0.415, and z's ratio is 1.2.
  const Outputs outputs =
      example({0.5, 0.5}, {0.5, 0.9999, 0.5, 0.1}, 1, numbers({0, 1, 0, 0}).view({2, 2}));
  // x: p(x) = 0.675, ratio 0.741; with the first shadow p(z) would be 0.707 and z's ratio 0.707.
  const at::Tensor scores = scores_of("rmia", "{shadows: 2, temperature: 1, gamma: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 0, 0.25);
}

TEST(Rmia, ARecordOfThePoolThatAllShadowsSawIsLeftOut) {
  const Outputs outputs =
      example({0.5, 0.9, 0.1}, {0.5, 0.9, 0.5}, 1, numbers({0, 1, 0}).view({1, 3}));
  const at::Tensor scores = scores_of("rmia", "{shadows: 1, temperature: 1, gamma: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 1, 0.25);  // above 0.1's; 0.9 is no z
}

TEST(Rmia, OrdersAsTheRatioDoesWhateverGammaAndZ) {
  const Scene scene = imagine({.members = 100, .population = 5, .shadows = 4});
  const at::Tensor one = scores_of("rmia", "{shadows: 4, gamma: 1}", scene.outputs);
  const at::Tensor four = scores_of("rmia", "{shadows: 4, gamma: 4}", scene.outputs);
  EXPECT_TRUE(one.argsort().equal(four.argsort()));
  const at::Tensor sorted = std::get<0>(one.sort());
  EXPECT_TRUE(sorted.narrow(0, 1, 199).gt(sorted.narrow(0, 0, 199)).all().item<bool>());
}

TEST(Rmia, TaylorIsTheSoftMarginOfOrderFour) {
  // Audited alone, two records; the shadow is flat: u = 0, so T(-0.6) / (T(-0.6) + 1) for both.
  const auto series = [](double u) {
    return 1 + u + u * u / 2 + u * u * u / 6 + u * u * u * u / 24;
  };
  const at::Tensor logits = numbers({3, 1, 2, 1}).view({2, 2});
  const double first = series(1.4) / (series(1.4) + 1);
  const double second = series(0.4) / (series(0.4) + 1);
  // Offline with a = 1, p(x) = p_out; gamma just below and above the ratio of the two ratios.
  for (const double tilt : {0.999, 1.001}) {
    Outputs outputs = outputs_of(logits, {0, 0}, 1);
    give_shadows(&outputs, at::zeros({1, 1, 2, 2}, at::kDouble), at::zeros({1, 2}));
    const double gamma = tilt * first / second;
    const at::Tensor scores = scores_of(
        "rmia", "{shadows: 1, a: 1, likelihood: taylor, gamma: " + std::to_string(gamma) + "}",
        outputs);
    EXPECT_NEAR(scores[0].item<double>(), tilt < 1 ? 1 : 0, 0.25);
  }
}

TEST(Rmia, TaylorDoesNotChangeWithAShiftOfAllLogits) {
  Scene scene = imagine({.members = 30, .population = 20, .shadows = 2});
  const std::string params = "{shadows: 2, likelihood: taylor}";
  const at::Tensor before = scores_of("rmia", params, scene.outputs);
  scene.outputs.logits = scene.outputs.logits.sub(100);
  EXPECT_TRUE(scores_of("rmia", params, scene.outputs).allclose(before, 1e-9, 1e-9));
}

TEST(Rmia, CanariesComeFirst) {
  World world{.population = 200, .shadows = 8, .shift = 0, .canaries = 20, .noise = 0.5};
  EXPECT_TRUE(on_top(scores_of("rmia", "{}", imagine(world).outputs), 20));
  world.online = true;
  EXPECT_TRUE(on_top(scores_of("rmia", "{mode: online}", imagine(world).outputs), 20));
  world.population = 0;  // the audited records are the z
  EXPECT_TRUE(on_top(scores_of("rmia", "{mode: online}", imagine(world).outputs), 20));
}

}  // namespace
}  // namespace assay::testing

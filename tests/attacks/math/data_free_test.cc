#include "attacks/math/data_free.h"

#include <gtest/gtest.h>

#include "harness/model/ball.h"
#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

using attacks::aims_of;
using attacks::Disagreement;
using attacks::disagreement;
using attacks::disagreement_slope;
using attacks::forward_differences;

constexpr Disagreement kKinds[] = {Disagreement::kL1, Disagreement::kKl};

at::Tensor cosines(const at::Tensor& a, const at::Tensor& b) {
  return at::cosine_similarity(a.flatten(1), b.flatten(1), 1, 1e-30);
}

TEST(DataFree, ProbabilitiesGiveTheLogitsBackButForTheirMean) {
  const at::Tensor logits = random_normal({20, 5}, 1, at::kDouble).mul(3);
  const at::Tensor of_logits = aims_of(logits, {.kind = Surface::Kind::kLogits}, Disagreement::kL1);
  const at::Tensor of_shares =
      aims_of(logits.softmax(1), {.kind = Surface::Kind::kProbabilities}, Disagreement::kL1);
  EXPECT_TRUE(of_shares.allclose(of_logits, 1e-9, 1e-9));
  EXPECT_TRUE(of_logits.allclose(logits.sub(logits.mean(1, true)), 1e-12, 1e-12));
}

TEST(DataFree, WhatAnAnswerLeavesOutIsNoInfinity) {
  const at::Tensor rounded = values({1, 0, 0, 0}, at::kDouble).unsqueeze(0);
  const at::Tensor aims =
      aims_of(rounded, {.kind = Surface::Kind::kRounded, .decimals = 2}, Disagreement::kL1);
  // Of log 1 and three times log 0.005.
  EXPECT_NEAR((aims[0][0] - aims[0][1]).item<double>(), std::log(200), 1e-9);
  for (const Surface::Kind kind : {Surface::Kind::kTopK, Surface::Kind::kProbabilities}) {
    EXPECT_LT(aims_of(rounded, {.kind = kind}, Disagreement::kL1).abs().max().item<double>(), 40);
  }
  const Surface noisy = {.kind = Surface::Kind::kProbabilities, .noise = 0.1};
  EXPECT_LT(aims_of(rounded, noisy, Disagreement::kL1).abs().max().item<double>(), 3);
}

TEST(DataFree, AimsAreSharpenedAsTargetsAre) {
  const at::Tensor shares = random_normal({20, 5}, 1, at::kDouble).softmax(1);
  const at::Tensor flat = shares.log().div(100).softmax(1);
  for (const Disagreement kind : kKinds) {
    EXPECT_TRUE(aims_of(flat, {}, kind, 100).allclose(aims_of(shares, {}, kind), 1e-6, 1e-6));
  }
}

TEST(DataFree, SlopesAreTheDerivativesOfTheLosses) {
  const at::Tensor logits = random_normal({6, 4}, 1, at::kDouble);
  const at::Tensor answers = random_normal({6, 4}, 2, at::kDouble).softmax(1);
  for (const Disagreement kind : kKinds) {
    const at::Tensor aims = aims_of(answers, {}, kind);
    const at::Tensor slope = disagreement_slope(kind, logits, aims);
    for (int64_t k = 0; k < 4; ++k) {
      const at::Tensor step = at::zeros({4}, at::kDouble);
      step[k] = 1e-6;
      const at::Tensor rise = disagreement(kind, logits.add(step), aims)
                                  .sub(disagreement(kind, logits.sub(step), aims))
                                  .div(2e-6);
      EXPECT_TRUE(rise.allclose(slope.select(1, k), 1e-5, 1e-6));
    }
  }
}

TEST(DataFree, NothingDisagreesWithItselfAtAnyLevel) {
  const at::Tensor logits = random_normal({6, 4}, 1, at::kDouble);
  for (const Disagreement kind : kKinds) {
    const at::Tensor aims = aims_of(logits.softmax(1), {}, kind);
    EXPECT_LT(disagreement(kind, logits.add(7), aims).abs().max().item<double>(), 1e-9);
    const at::Tensor other = random_normal({6, 4}, 2, at::kDouble);
    EXPECT_GT(disagreement(kind, other, aims).min().item<double>(), 0);
  }
}

TEST(DataFree, ForwardDifferencesEstimateTheGradientOnALinearVictim) {
  // The victim's logits are W x; a surrogate that answers 0 disagrees by mean_k |(C W x)_k| with C
  // the centring, whose gradient is known.
  const int64_t n = 5, d = 12, m = 3000;
  const at::Tensor w = random_normal({4, d}, 1, at::kDouble);
  const at::Tensor centred = w.sub(w.mean(0, true));
  const at::Tensor x = random_normal({n, 3, 4}, 2, at::kDouble);
  at::Tensor u = random_normal({m, n, 3, 4}, 3, at::kDouble);
  u = u.div(u.flatten(2).norm(2, 2).reshape({m, n, 1, 1}));
  int64_t calls = 0;
  const auto f = [&](const at::Tensor& points) {
    ++calls;
    EXPECT_EQ(points.size(0), (m + 1) * n);
    const at::Tensor logits = points.flatten(1).matmul(w.t());
    return disagreement(Disagreement::kL1, at::zeros_like(logits),
                        aims_of(logits, {.kind = Surface::Kind::kLogits}, Disagreement::kL1));
  };
  const at::Tensor estimate = forward_differences(f, x, u, 1e-6);
  EXPECT_EQ(calls, 1);
  const at::Tensor exact =
      x.flatten(1).matmul(centred.t()).sign().matmul(centred).div(4).reshape(x.sizes());
  EXPECT_GT(cosines(estimate, exact).min().item<double>(), 0.98);
  const at::Tensor ratio = estimate.flatten(1).norm(2, 1).div(exact.flatten(1).norm(2, 1));
  EXPECT_TRUE(ratio.sub(1).abs().lt(0.1).all().item<bool>());
  // One direction tells one component, and that exactly.
  const at::Tensor one =
      forward_differences([&](const at::Tensor& points) { return points.flatten(1).matmul(w[0]); },
                          x, u.narrow(0, 0, 1), 1e-3);
  const at::Tensor along = u[0].flatten(1).matmul(w[0]).mul(static_cast<double>(d));
  EXPECT_TRUE(one.allclose(u[0].mul(along.reshape({n, 1, 1})), 1e-6, 1e-9));
}

class DataFreeAttack : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { enter_worker(); }
};

TEST_P(DataFreeAttack, SpendsAnyBudgetToTheLastQueryInsideTheBox) {
  const std::vector<Shape> shapes = {{.shape = {1, 5, 7}, .lo = -0.9, .hi = 0.3},
                                     {.shape = {4}, .classes = 2, .dtype = at::kDouble}};
  for (const Shape& shape : shapes) {
    const Model model = mlp_model(shape, 8, 1);
    for (const int64_t budget : {1, 2, 17, 50, 301}) {
      const Heist heist = steal(GetParam(), "{}", model, {}, budget);
      EXPECT_EQ(heist.spent, budget);
      EXPECT_TRUE(in_box(heist.asked, shape.lo, shape.hi).all().item<bool>());
      const Model copy = surrogate_of(heist.theft, model.spec());
      EXPECT_TRUE(copy.judge(heist.asked).isfinite().all().item<bool>());
    }
  }
}

TEST_P(DataFreeAttack, SameSeedSameBytes) {
  const Model model = mlp_model({.shape = {1, 6, 6}}, 8, 1);
  const auto theft = [&](uint64_t seed) {
    return steal(GetParam(), "{}", model, {}, 700, {}, seed);
  };
  const Heist first = theft(1), again = theft(1), other = theft(2);
  EXPECT_EQ(first.theft.surrogate, again.theft.surrogate);
  EXPECT_TRUE(first.asked.equal(again.asked));
  EXPECT_FALSE(first.asked.equal(other.asked));
  EXPECT_NE(first.theft.surrogate, other.theft.surrogate);
}

TEST_P(DataFreeAttack, TheGeneratorFindsMoreDisagreement) {
  // With a surrogate that stands still, so that nothing but the generator moves.
  const Model model = mlp_model({.shape = {10}}, 16, 1);
  const std::string still = "{learning_rate: 1e-12, weight_decay: 0, generator_learning_rate: 0.3}";
  const std::string params =
      std::string(GetParam()) == "dfme" ? still.substr(0, still.size() - 4) + "0.01}" : still;
  const Heist heist = steal(GetParam(), params, model, {}, 30000);
  const Model copy = surrogate_of(heist.theft, model.spec());
  const auto apart = [&](int64_t from) {
    const at::Tensor x = heist.asked.narrow(0, from, 2000);
    const at::Tensor aims = aims_of(model.judge(x).to(at::kDouble),
                                    {.kind = Surface::Kind::kLogits}, Disagreement::kKl);
    return disagreement(Disagreement::kKl, copy.judge(x), aims).mean().item<double>();
  };
  EXPECT_GT(apart(28000), 1.3 * apart(0));
}

// Images of so many kinds: coarse patterns under noise. x [n, 1, 28, 28], labels [n].
std::pair<at::Tensor, at::Tensor> patterns(int64_t n, uint64_t seed) {
  const at::Tensor coarse = random_uniform({5, 1, 7, 7}, 1, 0, 1).gt(0.5).to(at::kFloat);
  const at::Tensor labels = at::arange(n).remainder(5);
  const at::Tensor x = at::upsample_nearest2d(coarse, {28, 28})
                           .index_select(0, labels)
                           .mul(0.6)
                           .add(random_normal({n, 1, 28, 28}, seed), 0.3)
                           .clamp(0, 1);
  return {x, labels};
}

TEST_P(DataFreeAttack, CopiesAConvolutionalVictimOfImagesWithThousandsOfQueries) {
  const ModelSpec spec = to_spec({.shape = {1, 28, 28}, .classes = 5}, "");
  const Recipe recipe = {.architecture = "cnn", .epochs = 6, .batch = 32};
  Surrogate trained(Architecture::of(spec, "", "cnn"), spec, recipe, 1);
  const auto [x, labels] = patterns(400, 2);
  trained.fit(x, at::one_hot(labels, 5).to(at::kDouble));
  const Model model = surrogate_of({.surrogate = trained.save()}, spec);
  const auto [test, truth] = patterns(500, 3);
  EXPECT_GT(model.judge(test).argmax(1).eq(truth).to(at::kDouble).mean().item<double>(), 0.95);
  const auto agreement = [&](const std::string& params) {
    const Heist heist = steal(GetParam(), params, model, {}, 3000);
    return agreement_of(model, surrogate_of(heist.theft, spec), test);
  };
  // The papers' rates and no replay copy less.
  const double before =
      agreement("{generator_learning_rate: 1e-4, replay_steps: 0, iterations: 100}");
  const double now = agreement("{}");
  EXPECT_GT(now, before + 0.05);
  EXPECT_GT(now, 0.7);
}

INSTANTIATE_TEST_SUITE_P(All, DataFreeAttack, ::testing::Values("dfme", "maze"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace assay::testing

#include "harness/model/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/model/attack_fault.h"
#include "tests/model/oracle_fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::linf;
using testing::rows;
using testing::Shape;
using testing::threshold_model;
using testing::two_samples;
using testing::values;

TEST(Oracle, KeepsTheFirstBrokenPointInsideTheBall) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(0.2), block, 0, 0);
  oracle.logits(values({0.58, 0.5, 0.6, 0.5}).view({2, 2}), rows({0, 1}));
  EXPECT_TRUE(oracle.found()[0].item<bool>());
  EXPECT_FALSE(oracle.found()[1].item<bool>()) << "0.6 breaks, but is 0.4 away";
  EXPECT_NEAR(oracle.best_distance()[0].item<double>(), 0.18, 1e-6);
  oracle.logits(values({0.55, 0.5}).view({1, 2}), rows({0}));
  EXPECT_NEAR(oracle.best_distance()[0].item<double>(), 0.18, 1e-6) << "a decided sample stays";
  EXPECT_TRUE(oracle.undecided(rows({0, 1, 1})).equal(rows({1, 2})));
}

TEST(Oracle, KeepsTheNearestPointWhereThereIsNoRadius) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(std::nullopt), block, 0, 0);
  oracle.labels(values({0.9, 0.5, 0.6, 0.5, 0.7, 0.5}).view({3, 2}), rows({0, 0, 0}));
  EXPECT_NEAR(oracle.best_distance()[0].item<double>(), 0.2, 1e-6);
  EXPECT_NEAR(oracle.best().x[0][0].item<double>(), 0.6, 1e-6);
  EXPECT_FALSE(oracle.decided()[0].item<bool>()) << "a nearer one may come";
}

TEST(Oracle, FixedFeaturesAreSentAsTheyWere) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.5);
  threat.fixed = {1};
  Oracle oracle(model, threat, block, 0, 0);
  const Tape tape = oracle.tape(values({0.45, 0.9, 0.6, 0.1}).view({2, 2}), rows({0, 1}));
  const at::Tensor g = oracle.vjp(tape, values({-1, 1, -1, 1}).view({2, 2}), rows({0, 1}));
  EXPECT_GT(g[0][0].item<double>(), 0);
  EXPECT_EQ(g[0][1].item<double>(), 0);
  EXPECT_FALSE(oracle.found()[0].item<bool>());
  EXPECT_TRUE(oracle.best().x[1].equal(values({0.6, 0.5})));
  threat.fixed = {0};  // the only one that matters
  Oracle held(model, threat, block, 0, 0);
  held.labels(values({0.9, 0.9, 0.9, 0.9}).view({2, 2}), rows({0, 1}));
  EXPECT_FALSE(held.found().any().item<bool>());
}

TEST(Oracle, AFeatureMovesByItsShareOfEps) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.4);
  threat.feature_scale = {0.5, 0.25};
  Oracle oracle(model, threat, block, 0, 0);
  oracle.labels(values({0.8, 0.9, 0.6, 0.1}).view({2, 2}), rows({0, 1}));
  EXPECT_TRUE(oracle.found()[0].item<bool>());
  EXPECT_NEAR(oracle.best().x[0][0].item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(oracle.best().x[0][1].item<double>(), 0.6, 1e-6);
  EXPECT_FALSE(oracle.found()[1].item<bool>()) << "0.2 + 0.5 * 0.4 is short of 0.5";
}

// A level at the end of a feature's reach is there but for the rounding of its type.
TEST(Oracle, WhatIsAdmissibleStaysAsItIsWhateverTheLevels) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const Model model = testing::linear_model(Shape{{256}, 2, dtype}, at::zeros({2, 256}, dtype),
                                              at::zeros({2}, dtype));
    for (const int64_t levels : {2, 256, 1024, 65536}) {
      const double level = 1.0 / static_cast<double>(levels - 1);
      Block block;
      block.x = at::arange(256, at::kDouble)
                    .mul(static_cast<double>(levels - 1) / 255)
                    .round()
                    .mul(level)
                    .to(dtype)
                    .unsqueeze(0);
      block.y = rows({0});
      block.ids = {1};
      ThreatModel threat = linf(24 * level);
      threat.levels = levels;
      threat.feature_scale.assign(256, 0.5);
      const Oracle oracle(model, threat, block, 0, 0);
      for (const double side : {-1.0, 1.0}) {
        const at::Tensor once =
            oracle.admissible(block.x.add(side * 30 * level).clamp(0, 1), rows({0}));
        EXPECT_TRUE(oracle.admissible(once, rows({0})).equal(once)) << levels;
        EXPECT_TRUE(oracle.confined(once, rows({0})).equal(once)) << levels;
        const at::Tensor moved = once.sub(block.x).to(at::kDouble).abs().div(level).round();
        EXPECT_EQ(moved.median().item<double>(), levels == 2 ? 0 : 12) << levels;
        EXPECT_TRUE(moved.le(12).all().item<bool>());
      }
    }
  }
}

TEST(Oracle, ASuccessMustHoldOnceRoundedTowardsTheCleanInput) {
  const Model model = threshold_model();
  Block block = two_samples();
  block.x = values({102, 128, 102, 128}).view({2, 2}).div(255);
  ThreatModel threat = linf(0.2);
  threat.levels = 256;
  Oracle oracle(model, threat, block, 0, 0);
  // 127.6 breaks the model and is rounded to 127, which does not; 128.4 to 128, which does.
  oracle.labels(values({127.6, 128.7, 128.4, 127.3}).view({2, 2}).div(255), rows({0, 1}));
  EXPECT_FALSE(oracle.found()[0].item<bool>());
  EXPECT_TRUE(oracle.found()[1].item<bool>());
  EXPECT_TRUE(oracle.best().x[1].mul(255).round().equal(values({128, 128})));
  // A whole number of levels survives its type's rounding.
  const at::Tensor exact = oracle.admissible(block.x.add(8.0 / 255), rows({0, 1}));
  EXPECT_TRUE(exact.mul(255).round().equal(values({110, 136, 110, 136}).view({2, 2})));
  EXPECT_LE(exact.sub(block.x).abs().max().item<double>(), 8.0 / 255 + 1.2e-7);
}

TEST(Oracle, ByGradientsTheModelIsSeenBehindTheRounding) {
  const Model model = threshold_model();
  Block block = two_samples();
  block.x = values({102, 128, 102, 128}).view({2, 2}).div(255);
  ThreatModel threat = linf(0.2);
  threat.levels = 256;
  Oracle oracle(model, threat, block, 0, 0);
  const at::Tensor x = values({127.6, 128.7, 128.4, 127.3}).view({2, 2}).div(255);
  const Tape tape = oracle.tape(x, rows({0, 1}));
  EXPECT_TRUE(tape.logits().equal(model.logits(oracle.admissible(x, rows({0, 1})))));
  EXPECT_TRUE(tape.logits().argmax(1).equal(rows({0, 1})));
  EXPECT_GT(
      oracle.vjp(tape, values({-1, 1, -1, 1}).view({2, 2}), rows({0, 1}))[0][0].item<double>(), 0);
  threat.access = Access::kScore;  // differences of scores may be smaller than a level
  Oracle scores(model, threat, block, 0, 0);
  EXPECT_TRUE(scores.logits(x, rows({0, 1})).equal(model.logits(x)));
  EXPECT_TRUE(scores.found().equal(at::tensor({0, 1}, at::kLong).to(at::kBool)));
}

TEST(Oracle, FromAfarTheEndsOfTheBallAreTheLastLevelsInIt) {
  const Model model = threshold_model();
  Block block = two_samples();
  block.x = values({0.43, 0.5, 0.13, 0.5}).view({2, 2});  // levels are 0, .1, .2, …
  ThreatModel threat = linf(0.25);
  threat.levels = 11;
  threat.access = Access::kLabel;
  Oracle oracle(model, threat, block, 0, 0);
  const at::Tensor end = values({0.68, 0.25}).view({1, 2});
  oracle.labels_once_admissible(end, rows({0}));
  EXPECT_TRUE(oracle.best().x[0].allclose(values({0.6, 0.3})));
  // Half way there the model sees half of both ways: 0.43 + 0.085.
  Oracle half(model, threat, block, 0, 0);
  EXPECT_TRUE(half.labels_from_afar(values({0.555, 0.5}).view({1, 2}), rows({0})).equal(rows({1})));
  EXPECT_TRUE(half.labels_from_afar(values({0.52, 0.5}).view({1, 2}), rows({0})).equal(rows({0})));
  EXPECT_FALSE(half.found()[0].item<bool>()) << "rounded, it is where it was: 0.5";
  threat.eps = 0.06;  // no level within
  Oracle still(model, threat, block, 0, 0);
  still.labels_from_afar(values({0.49, 0.5}).view({1, 2}), rows({0}));
  EXPECT_TRUE(still.labels_from_afar(values({1, 0.5}).view({1, 2}), rows({0})).equal(rows({0})));
}

TEST(Oracle, FromAfarEveryFeatureMovesByEps) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.4);
  threat.feature_scale = {0.5, 0};
  threat.access = Access::kLabel;
  Oracle oracle(model, threat, block, 0, 0);
  // 0.2 + 0.5 · 0.7 is across, but 0.7 is outside the ball, in which only 0.4 can be reached.
  EXPECT_TRUE(oracle.labels_from_afar(values({0.9, 0.9}).view({1, 2}), rows({1})).equal(rows({1})));
  EXPECT_FALSE(oracle.found()[1].item<bool>());
  EXPECT_FALSE(oracle.unstarted()[1].item<bool>());
  EXPECT_TRUE(oracle.labels_from_afar(values({0.6, 0.9}).view({1, 2}), rows({1})).equal(rows({0})));
  EXPECT_FALSE(oracle.unstarted()[0].item<bool>()) << "not asked yet";
  oracle.labels_from_afar(values({0.5, 0.9}).view({1, 2}), rows({0}));
  EXPECT_TRUE(oracle.unstarted()[0].item<bool>()) << "0.45 is short of 0.5";
  oracle.labels_from_afar(values({0.7, 0.9}).view({1, 2}), rows({0}));
  EXPECT_FALSE(oracle.unstarted()[0].item<bool>());
  EXPECT_TRUE(oracle.best().x[0].equal(values({0.55, 0.5}))) << oracle.best().x;
  // Near a wall the ball ends before eps, and so do the shares.
  threat.feature_scale = {0.75, 1};
  Block high = two_samples();
  high.x = values({0.7, 0.5, 0.7, 0.5}).view({2, 2});
  const Model all = testing::linear_model(Shape{{2}, 2}, values({-1, 0, 1, 0}).view({2, 2}),
                                          values({0.995, -0.995}));
  Oracle reached(all, threat, high, 0, 0);
  reached.labels_from_afar(values({1, 0.5}).view({1, 2}), rows({0}));
  EXPECT_TRUE(reached.found()[0].item<bool>()) << "0.7 + 0.75 · 0.4 is the wall";
}

// A forward of this model breaks a sample with chance `share`.
Model moody_model(double share) {
  return testing::load_module(Shape{{2}, 2},
                              "def forward(self, x):\n"
                              "    broken = torch.rand([x.size(0), 1]).lt(" +
                                  std::to_string(share) +
                                  ").to(x.dtype)\n"
                                  "    return torch.cat([1.0 - broken, broken], 1) + 0.0 * x\n",
                              {});
}

TEST(Oracle, ALuckyVoteAmongManyIsNotEnough) {
  const Block block = two_samples();
  for (const double share : {0.5, 0.55, 0.9}) {
    const Model model = moody_model(share);
    ASSERT_TRUE(model.facts().random);
    seed_generator("lucky");
    Oracle oracle(model, linf(0.2), block, 0, 0);
    for (int64_t query = 0; query < 100; ++query) oracle.logits(block.x, rows({0, 1}));
    EXPECT_EQ(oracle.found().all().item<bool>(), share > 0.8) << share;
    EXPECT_EQ(oracle.found().any().item<bool>(), share > 0.8) << share;
  }
}

TEST(Oracle, AFailureOfTheSourceIsNotTheCandidates) {
  const Model model = threshold_model();
  Block block = two_samples();
  EXPECT_FALSE(Oracle(model, linf(0.2), block, 0, 0).source().has_value());
  const std::string forward = "def forward(self, x):\n    bad = bool((x[:, 0] > 0.7).any())\n";
  const Model throws =
      testing::load_module(Shape{{2}, 2, at::kFloat, 0, 0.5},
                           forward + "    assert not bad, 'unexpected'\n    return x\n", {});
  block.source = &throws;
  Oracle candidate(model, linf(0.2), block, 0, 0);
  EXPECT_THROW(candidate.source()->tape(values({0.9, 0.5}).view({1, 2}), rows({0})), Error);
  const Model nan =
      testing::load_module(Shape{{2}, 2, at::kFloat, 0, 0.5},
                           forward + "    return x * (float('nan') if bad else 1.0)\n", {});
  block.source = &nan;
  EXPECT_THROW(Oracle(model, linf(0.2), block, 0, 0)
                   .source()
                   ->logits(values({0.9, 0.5}).view({1, 2}), rows({0})),
               Error);
}

TEST(Oracle, KeepsTheFirstPointInTheBoxWhereNothingElseBoundsIt) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(std::nullopt);
  threat.unbounded = true;
  Oracle oracle(model, threat, block, 0, 0);
  oracle.labels(values({1.1, 0.5, 0.9, 0.5, 0.6, 0.5}).view({3, 2}), rows({0, 0, 0}));
  EXPECT_NEAR(oracle.best().x[0][0].item<double>(), 0.9, 1e-6) << "0.6 is nearer, and later";
  EXPECT_TRUE(oracle.undecided(rows({0, 1})).equal(rows({1}))) << "there is nothing to gain";
  oracle.labels(values({0.6, 0.5}).view({1, 2}), rows({0}));
  EXPECT_NEAR(oracle.best().x[0][0].item<double>(), 0.9, 1e-6);
}

TEST(Oracle, APointOutsideTheBoxNeverCounts) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(2.0), block, 0, 0);
  oracle.logits(values({1.2, 0.5}).view({1, 2}), rows({0}));
  EXPECT_FALSE(oracle.found()[0].item<bool>());
}

TEST(Oracle, ATargetedGoalWantsItsLabel) {
  const Model model = threshold_model();
  Block block = two_samples();
  block.target = at::tensor({1, 0}, at::kLong);
  ThreatModel threat = linf(1.0);
  threat.goal = Goal::kTargeted;
  Oracle oracle(model, threat, block, 0, 0);
  EXPECT_TRUE(oracle.breaks(at::tensor({1, 1}, at::kLong), rows({0, 1}))
                  .equal(at::tensor({1, 0}, at::kLong).to(at::kBool)));
}

TEST(Oracle, CountsRowsAndGradientRows) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(0.01), block, 0, 0);
  const at::Tensor x = block.x.index_select(0, rows({0, 0, 1}));
  const Tape tape = oracle.tape(x, rows({0, 0, 1}));
  at::Tensor c = at::ones({3, 2});
  c[1].zero_();
  oracle.vjp(tape, c, rows({0, 0, 1}));
  EXPECT_TRUE(oracle.queries().equal(rows({2, 1})));
  EXPECT_TRUE(oracle.gradients().equal(rows({1, 1}))) << "a zero cotangent costs nothing";
  EXPECT_TRUE(oracle.zero_gradients().equal(rows({1, 1}))) << "1·w0 + 1·w1 is zero here";
}

// The gradient of sqrt is infinite at 0, and a where() that hides it makes it NaN.
TEST(Oracle, ANonfiniteGradientIsCountedAndComesBackAsZeroInThatEntryOnly) {
  const Model model = testing::load_module(Shape{{2}, 2},
                                           "def forward(self, x):\n"
                                           "    hidden = torch.where(x > 0.0, torch.sqrt(x), x)\n"
                                           "    return hidden",
                                           {});
  Block block;
  block.x = values({0.25, 0.0, 0.25, 0.25}).view({2, 2});
  block.y = at::zeros({2}, at::kLong);
  block.ids = {1, 2};
  Oracle oracle(model, linf(0.1), block, 0, 0);
  const Tape tape = oracle.tape(block.x, rows({0, 1}));
  const at::Tensor gradient = oracle.vjp(tape, at::ones({2, 2}), rows({0, 1}));
  EXPECT_TRUE(gradient.equal(values({1, 0, 1, 1}).view({2, 2}))) << gradient;
  EXPECT_TRUE(oracle.nonfinite_gradients().equal(rows({1, 0})));
  EXPECT_TRUE(oracle.zero_gradients().equal(rows({0, 0})));
}

TEST(Oracle, ANonFiniteOutputInTheBoxIsTheModelsFault) {
  const Model model = testing::load_module(
      Shape{{2}, 2}, "def forward(self, x):\n    return torch.where(x == 0.25, x / 0.0, x)", {});
  Block block;
  block.x = values({0.5, 0.5, 0.5, 0.5}).view({2, 2});
  block.y = at::zeros({2}, at::kLong);
  block.ids = {1, 2};
  Oracle oracle(model, linf(1.0), block, 0, 0);
  oracle.logits(values({0.5, 0.25, 0.5, 0.5}).view({2, 2}), rows({0, 1}));
  EXPECT_TRUE(oracle.failed()[0].item<bool>());
  EXPECT_TRUE(oracle.decided()[0].item<bool>());
  EXPECT_FALSE(oracle.found()[0].item<bool>());
  EXPECT_FALSE(oracle.failed()[1].item<bool>());
  oracle.logits(values({0.25, -1}).view({1, 2}), rows({1}));
  EXPECT_FALSE(oracle.failed()[1].item<bool>()) << "outside the box nothing is promised";
}

TEST(Oracle, ABudgetIsHard) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(0.01), block, 2, 0);
  oracle.logits(block.x, rows({0, 0}));
  EXPECT_TRUE(oracle.queries_left().equal(rows({0, 2})));
  EXPECT_THAT(
      [&] {
        oracle.logits(block.x, rows({0, 1}));
      },
      ::testing::ThrowsMessage<AttackFault>(HasSubstr("query budget")));
}

TEST(Oracle, EachRowOfAQueryHasItsSample) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(0.01), block, 0, 0);
  EXPECT_THAT(
      [&] {
        oracle.tape(block.x.narrow(0, 0, 1), rows({0, 1}));
      },
      ::testing::ThrowsMessage<AttackFault>(HasSubstr("one block row for each")));
}

TEST(Oracle, AccessIsWhatTheThreatModelGrants) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.01);
  threat.access = Access::kLabel;
  Oracle oracle(model, threat, block, 0, 0);
  oracle.labels(block.x, rows({0, 1}));
  const auto refused = ::testing::ThrowsMessage<AttackFault>(HasSubstr("more access"));
  EXPECT_THAT([&] { oracle.logits(block.x, rows({0, 1})); }, refused);
  EXPECT_THAT([&] { oracle.tape(block.x, rows({0, 1})); }, refused);
}

}  // namespace
}  // namespace assay

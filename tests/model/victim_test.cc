// What the API of a candidate answers, and that it counts.
#include "harness/model/victim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay::testing {
namespace {

using Kind = Surface::Kind;

class VictimTest : public ::testing::Test {
 protected:
  VictimTest() { enter_worker(); }

  // Logits are the inputs.
  const Model model_ =
      load_module(Shape{{4}, 4, at::kFloat, 0, 10}, "def forward(self, x):\n    return x\n", {});
  const at::Tensor x_ = values({1, 2, 4, 3, 9, 0, 0, 0}).view({2, 4});

  at::Tensor answers(const Surface& surface, uint64_t seed = 1) const {
    Victim victim(model_, surface, 2, seed);
    return victim.query(x_);
  }
};

TEST_F(VictimTest, AnswersWhatTheSurfaceGrants) {
  const at::Tensor logits = x_.to(at::kDouble);
  const at::Tensor shares = logits.softmax(1);
  EXPECT_TRUE(answers({.kind = Kind::kLogits}).equal(logits));
  EXPECT_TRUE(answers({.kind = Kind::kProbabilities}).allclose(shares, 0, 1e-15));
  const at::Tensor top = answers({.kind = Kind::kTopK, .top_k = 2});
  EXPECT_TRUE(top.ne(0).sum(1).eq(2).all().item<bool>());
  EXPECT_EQ(top[0][2].item<double>(), shares[0][2].item<double>());
  EXPECT_EQ(top[0][3].item<double>(), shares[0][3].item<double>());
  const at::Tensor rounded = answers({.kind = Kind::kRounded, .decimals = 1});
  EXPECT_TRUE(rounded.mul(10).allclose(rounded.mul(10).round(), 0, 1e-12));
  EXPECT_TRUE(rounded.allclose(shares, 0, 0.05 + 1e-12));
  EXPECT_TRUE(answers({.kind = Kind::kLabel})
                  .equal(values({0, 0, 1, 0, 1, 0, 0, 0}, at::kDouble).view({2, 4})));
}

TEST_F(VictimTest, TemperatureFlattensAndChangesNoLabel) {
  const at::Tensor flat = answers({.kind = Kind::kProbabilities, .temperature = 10});
  EXPECT_TRUE(flat.allclose(x_.to(at::kDouble).div(10).softmax(1), 0, 1e-15));
  EXPECT_TRUE(flat.argmax(1).equal(x_.argmax(1)));
}

TEST_F(VictimTest, NoiseIsFixedByTheQueryAndTheSeed) {
  const Surface noisy{.kind = Kind::kProbabilities, .noise = 0.2};
  const at::Tensor first = answers(noisy);
  EXPECT_FALSE(first.allclose(x_.to(at::kDouble).softmax(1), 0, 1e-3));
  EXPECT_TRUE(first.ge(0).all().item<bool>());
  EXPECT_TRUE(first.sum(1).allclose(at::ones({2}, at::kDouble)));
  Victim again(model_, noisy, 3, 1);
  // Whatever else is asked, and in whatever order.
  const at::Tensor swapped = again.query(at::cat({x_.narrow(0, 1, 1), x_}));
  EXPECT_TRUE(swapped.narrow(0, 1, 2).equal(first));
  EXPECT_TRUE(swapped[0].equal(first[1]));
  EXPECT_FALSE(answers(noisy, 2).equal(first));
}

TEST_F(VictimTest, EveryRowIsCountedAndKept) {
  Victim victim(model_, {.kind = Kind::kLabel}, 5, 1);
  victim.query(x_);
  victim.query(x_.narrow(0, 0, 1));
  victim.query(x_.narrow(0, 0, 0));
  EXPECT_EQ(victim.spent(), 3);
  EXPECT_EQ(victim.left(), 2);
  EXPECT_EQ(victim.batches(), (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(victim.asked().equal(at::cat({x_, x_.narrow(0, 0, 1)})));
  EXPECT_TRUE(victim.labels().equal(at::tensor({2, 0, 2}, at::kLong)));
}

TEST_F(VictimTest, NoClassGainsByItsPlaceWhereAnswersAreEqual) {
  const auto labels = [&](const at::Tensor& x, uint64_t seed) {
    Victim victim(model_, {.kind = Kind::kRounded, .decimals = 0}, x.size(0), seed);
    victim.query(x);
    return victim.labels();
  };
  // Shares of about a quarter are rounded to 0.
  const at::Tensor all = random_uniform({400, 4}, 1, 0, 0.01);
  const at::Tensor counts = at::bincount(labels(all, 1), {}, 4);
  EXPECT_GT(counts.min().item<int64_t>(), 60);
  EXPECT_TRUE(labels(all.flip(0), 1).flip(0).equal(labels(all, 1)));
  EXPECT_FALSE(labels(all, 2).equal(labels(all, 1)));
  // Between those that lead.
  const at::Tensor two = all.add(values({0, 9, 0, 9}));
  Victim victim(model_, {.kind = Kind::kRounded, .decimals = 1}, 400, 1);
  victim.query(two);
  const at::Tensor led = at::bincount(victim.labels(), {}, 4);
  EXPECT_EQ(led[0].item<int64_t>() + led[2].item<int64_t>(), 0);
  EXPECT_GT(led.sum().sub(led.max()).item<int64_t>(), 120);
}

// Noise may leave no share above 0.
TEST_F(VictimTest, NoClassGainsByItsPlaceWhereLabelsAreNoisy) {
  const at::Tensor x = random_uniform({8000, 4}, 1, 0, 0.01);
  Victim victim(model_, {.kind = Kind::kLabel, .noise = 1000}, 8000, 1);
  victim.query(x);
  const at::Tensor counts = at::bincount(victim.labels(), {}, 4);
  EXPECT_GT(counts.min().item<int64_t>(), 1850);
  EXPECT_LT(counts.max().item<int64_t>(), 2150);
}

TEST_F(VictimTest, AskingForMoreThanIsLeftIsOurBug) {
  Victim victim(model_, {}, 1, 1);
  EXPECT_DEATH(victim.query(x_), "asked for 2 of 1 queries");
}

TEST_F(VictimTest, ALogitThatIsNoNumberIsTheCandidatesFailure) {
  const Model bad = load_module(Shape{{4}, 4, at::kFloat, 0, 10},
                                "def forward(self, x):\n"
                                "    return torch.where(x == 9, float('nan'), x)\n",
                                {});
  Victim victim(bad, {.kind = Kind::kLabel}, 2, 1);
  EXPECT_NO_THROW(victim.query(x_.narrow(0, 0, 1)));
  EXPECT_THROW(victim.query(x_.narrow(0, 1, 1)), ModelFailure);
}

TEST(Targets, AreProbabilitiesWhateverWasAnswered) {
  const at::Tensor logits = random_normal({20, 5}, 1, at::kDouble).mul(3);
  const at::Tensor shares = logits.softmax(1);
  EXPECT_TRUE(targets_of(logits, {.kind = Kind::kLogits}).allclose(shares));
  const at::Tensor top = shares.mul(shares.ge(std::get<0>(shares.topk(2, 1)).narrow(1, 1, 1)));
  const at::Tensor filled = targets_of(top, {.kind = Kind::kTopK, .top_k = 2});
  EXPECT_TRUE(filled.sum(1).allclose(at::ones({20}, at::kDouble)));
  EXPECT_TRUE(at::where(top > 0, filled, 0).allclose(top));
  const at::Tensor none = at::zeros({1, 5}, at::kDouble);
  EXPECT_TRUE(targets_of(none, {.kind = Kind::kRounded}).allclose(none.add(0.2)));
  const at::Tensor rounded = shares.mul(10).round().div(10);
  EXPECT_TRUE(targets_of(rounded, {.kind = Kind::kRounded, .decimals = 1})
                  .sum(1)
                  .allclose(at::ones({20}, at::kDouble)));
}

// Whatever the temperature that made them flat.
TEST(Targets, FlatOnesAreSharpenedAlikeAndKeepTheirLabels) {
  for (const int64_t classes : {2, 5, 100}) {
    const at::Tensor logits = random_normal({200, classes}, 1, at::kDouble).mul(6);
    at::Tensor first;
    for (const double temperature : {1e2, 1e3, 1e6, 1e9}) {
      const at::Tensor flat = logits.div(temperature).softmax(1);
      const at::Tensor sharp = sharpened(flat, sharpness_of(flat));
      if (!first.defined()) first = sharp;
      EXPECT_TRUE(sharp.allclose(first, 0, 1e-3)) << classes << ' ' << temperature;
      EXPECT_TRUE(sharp.argmax(1).equal(logits.argmax(1)));
      const double even = 1 / static_cast<double>(classes);
      EXPECT_NEAR((sharp.amax(1).mean().item<double>() - even) / (1 - even), 0.25, 1e-3);
      EXPECT_TRUE(sharp.sum(1).allclose(at::ones({200}, at::kDouble)));
    }
    EXPECT_EQ(sharpness_of(logits.softmax(1)), 1);
  }
}

TEST(Targets, WhereNothingIsToldNothingIsSharpened) {
  const at::Tensor even = at::full({6, 4}, 0.25, at::kDouble);
  EXPECT_EQ(sharpness_of(even), 1);
  EXPECT_EQ(sharpness_of(even.narrow(0, 0, 0)), 1);
  // One row that tells something among many that do not, or that exclude a class.
  const at::Tensor one = at::cat({even, values({0.3, 0.25, 0.25, 0.2}, at::kDouble).unsqueeze(0),
                                  values({0.5, 0.5, 0, 0}, at::kDouble).unsqueeze(0)});
  const at::Tensor sharp = sharpened(one, sharpness_of(one));
  EXPECT_TRUE(sharp.isfinite().all().item<bool>());
  EXPECT_TRUE(sharp.narrow(0, 0, 6).allclose(even));
  EXPECT_EQ(sharp[6].argmax().item<int64_t>(), 0);
}

}  // namespace
}  // namespace assay::testing

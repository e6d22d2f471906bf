#include <gtest/gtest.h>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Quantile, LearnsWhichInputsAreHard) {
  // The input shows the difficulty, whose variance drowns the loss: 1 / sqrt(2 (1 + 9)).
  const World world{.members = 1000, .population = 2000, .shift = 1, .difficulty = 3};
  const Scene scene = imagine(world);
  const double plain = auc_of(scores_of("loss", "{}", scene.outputs), scene.member);
  const double regressed = auc_of(scores_of("quantile", "{}", scene.outputs), scene.member);
  EXPECT_LT(plain, 0.65);
  EXPECT_GT(regressed, 0.72);  // at most Phi(1 / sqrt 2) = 0.76
}

TEST(Quantile, ScoresOfNonMembersAreStandardNormal) {
  const World world{.members = 1000, .population = 2000, .shift = 0, .difficulty = 2};
  const at::Tensor scores = scores_of("quantile", "{}", imagine(world).outputs);
  EXPECT_NEAR(scores.mean().item<double>(), 0, 0.1);
  EXPECT_NEAR(scores.std().item<double>(), 1, 0.15);
}

TEST(Quantile, LearnsFromThePoolAlone) {
  Scene scene = imagine({.members = 50, .population = 300});
  const at::Tensor before = scores_of("quantile", "{}", scene.outputs);
  // The others' outputs change nothing for the first record.
  scene.outputs.logits = scene.outputs.logits.clone();
  scene.outputs.logits.narrow(1, 1, 99).mul_(-3);
  EXPECT_EQ(scores_of("quantile", "{}", scene.outputs)[0].item<double>(), before[0].item<double>());
}

TEST(Quantile, IsNotBlindedByWildAnswersOrInputsOfThePool) {
  const World world{.members = 1000, .population = 2000, .shift = 1, .difficulty = 3};
  const Scene scene = imagine(world);
  const double plain = auc_of(scores_of("quantile", "{}", scene.outputs), scene.member);
  for (const double wild : {30.0, -1e6}) {
    for (const int64_t records : {1, 20}) {
      Scene hidden = imagine(world);
      const at::Tensor rows = at::arange(records, at::kLong).mul(70).add(2500);
      hidden.outputs.logits = scene.outputs.logits.index_add(
          1, rows, at::tensor({wild, 0.0, 0.0, 0.0}, at::kDouble).expand({1, records, 4}));
      EXPECT_GT(auc_of(scores_of("quantile", "{}", hidden.outputs), scene.member), plain - 0.02)
          << wild << ' ' << records;
      hidden.outputs.logits = scene.outputs.logits;
      hidden.outputs.features =
          scene.outputs.features.index_add(0, rows, at::full({records, 2}, wild, at::kDouble));
      EXPECT_GT(auc_of(scores_of("quantile", "{}", hidden.outputs), scene.member), plain - 0.02)
          << wild << ' ' << records;
    }
  }
}

TEST(Quantile, NeedsAPopulation) {
  EXPECT_THROW(scores_of("quantile", "{}", imagine({.members = 5}).outputs), Error);
}

}  // namespace
}  // namespace assay::testing

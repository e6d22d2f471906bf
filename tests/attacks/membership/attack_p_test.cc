#include <gtest/gtest.h>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

// Audited records with odds 0, 3 of class 0 and 3 of class 1; class 0's population has 1, 2; class
// 1's has 4, 5, 6.
Outputs attack_p_example() {
  const std::vector<int64_t> labels = {0, 0, 1, 0, 0, 1, 1, 1};
  const at::Tensor odds = numbers({0, 3, 3, 1, 2, 4, 5, 6});
  return outputs_of(logits_with(odds, at::tensor(labels, at::kLong), 3), labels, 3);
}

TEST(AttackP, IsTheShareOfTheClassWithALargerLoss) {
  const at::Tensor scores = scores_of("attack_p", "{}", attack_p_example());
  EXPECT_NEAR(scores[0].item<double>(), 0, 0.25 / 2);
  EXPECT_NEAR(scores[1].item<double>(), 1, 0.25 / 2);
  EXPECT_NEAR(scores[2].item<double>(), 0, 0.25 / 3);
}

TEST(AttackP, ComparesWithTheWholePoolOnRequest) {
  const at::Tensor scores = scores_of("attack_p", "{per_class: false}", attack_p_example());
  EXPECT_NEAR(scores[0].item<double>(), 0, 0.25 / 5);
  EXPECT_NEAR(scores[1].item<double>(), 0.4, 0.25 / 5);
  EXPECT_EQ(scores[1].item<double>(), scores[2].item<double>());
}

TEST(AttackP, TheMostExposedDoNotTie) {
  const std::vector<int64_t> labels = {0, 0, 0, 0};
  const at::Tensor odds = numbers({8, 9, 1, 2});
  const Outputs outputs =
      outputs_of(logits_with(odds, at::tensor(labels, at::kLong), 3), labels, 2);
  const at::Tensor scores = scores_of("attack_p", "{}", outputs);
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
}

TEST(AttackP, AClassThatThePoolLacksIsComparedWithAllOfIt) {
  const std::vector<int64_t> labels = {2, 0, 0, 1, 1};
  const at::Tensor odds = numbers({2.5, 1, 2, 3, 4});
  const Outputs outputs =
      outputs_of(logits_with(odds, at::tensor(labels, at::kLong), 3), labels, 1);
  EXPECT_NEAR(scores_of("attack_p", "{}", outputs)[0].item<double>(), 0.5, 0.25 / 4);
}

TEST(AttackP, TiesOfASmallClassAreBrokenByLessThanASharesStepOfALargeOne) {
  // Of class 0's population of 2 the first record has half below it; of class 1's 20 the second has
  // 11, and so 0.55.
  std::vector<int64_t> labels = {0, 1, 0, 0};
  std::vector<double> odds = {1.9, 11.5, 1, 2};
  for (int i = 1; i <= 20; ++i) {
    labels.push_back(1);
    odds.push_back(i);
  }
  const at::Tensor values = at::tensor(odds, at::kDouble);
  const Outputs outputs =
      outputs_of(logits_with(values, at::tensor(labels, at::kLong), 3), labels, 2);
  const at::Tensor scores = scores_of("attack_p", "{}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 0.5, 0.25 / 20);
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
}

TEST(AttackP, NeedsAPopulation) {
  EXPECT_THROW(scores_of("attack_p", "{}", outputs_of(numbers({1, 0}).view({1, 2}), {0}, 1)),
               Error);
}

}  // namespace
}  // namespace assay::testing

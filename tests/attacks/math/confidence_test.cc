#include "attacks/math/confidence.h"

#include <gtest/gtest.h>

#include "tests/testing/membership.h"

namespace assay::attacks {
namespace {

using testing::numbers;

TEST(ClassThresholds, MaximiseBalancedAccuracyInEachClass) {
  // Class 0: members above 2; class 1: members above 11, one of three among the others.
  const at::Tensor v = numbers({3, 4, 0, 1, 12, 13, 5, 10, 9});
  const at::Tensor labels = numbers({0, 0, 0, 0, 1, 1, 1, 1, 1}).to(at::kLong);
  const at::Tensor in = numbers({1, 1, 0, 0, 1, 1, 1, 0, 0}).to(at::kBool);
  EXPECT_TRUE(class_thresholds(v, labels, in, 2).equal(numbers({2, 11})));
}

TEST(ClassThresholds, WeighBothSidesAlikeHoweverManyTheyAre) {
  // One member among 5 others: claiming none would be right for 5 of 6.
  const at::Tensor v = numbers({4, 1, 2, 3, 5, 0});
  const at::Tensor in = numbers({1, 0, 0, 0, 0, 0}).to(at::kBool);
  const at::Tensor labels = at::zeros({6}, at::kLong);
  EXPECT_TRUE(class_thresholds(v, labels, in, 1).equal(numbers({3.5})));
}

TEST(ClassThresholds, AClassWithoutBothSidesHasTheCommonOne) {
  const at::Tensor v = numbers({1, 3, 7});
  const at::Tensor labels = numbers({0, 0, 1}).to(at::kLong);
  const at::Tensor in = numbers({0, 1, 1}).to(at::kBool);
  EXPECT_TRUE(class_thresholds(v, labels, in, 3).equal(numbers({2, 2, 2})));
}

TEST(ClassThresholds, NeverFallBetweenEqualValues) {
  const at::Tensor v = numbers({2, 2, 2, 5});
  const at::Tensor in = numbers({1, 0, 0, 1}).to(at::kBool);
  EXPECT_TRUE(class_thresholds(v, at::zeros({4}, at::kLong), in, 1).equal(numbers({3.5})));
}

}  // namespace
}  // namespace assay::attacks

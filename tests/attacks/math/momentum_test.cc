#include "attacks/math/momentum.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

TEST(Coast, AddsGradientsOfLengthOneInL1) {
  const at::Tensor g = testing::values({3.0, -1.0, 0.0, 0.0}).reshape({2, 2});
  const at::Tensor first = coast({}, g, 0.5);
  EXPECT_TRUE(first.equal(testing::values({0.75, -0.25, 0.0, 0.0}).reshape({2, 2})));
  EXPECT_TRUE(
      coast(first, g, 0.5).equal(testing::values({1.125, -0.375, 0.0, 0.0}).reshape({2, 2})));
}

TEST(Coast, OverlooksAGradientThatIsNoNumber) {
  const at::Tensor before = testing::values({0.5, 0.25}).reshape({1, 2});
  const at::Tensor bad =
      testing::values({std::numeric_limits<double>::quiet_NaN(), 1.0}).reshape({1, 2});
  EXPECT_TRUE(coast(before, bad, 1).equal(before));
}

TEST(TopEntries, FallToOneHalfway) {
  EXPECT_EQ(top_entries(0.01, 10000, 0, 40), 100);
  EXPECT_EQ(top_entries(0.01, 10000, 20, 40), 1);
  EXPECT_EQ(top_entries(0.01, 10000, 39, 40), 1);
  EXPECT_EQ(top_entries(0.01, 10, 0, 40), 1);
  for (int64_t step = 1; step < 40; ++step) {
    EXPECT_LE(top_entries(0.1, 784, step, 40), top_entries(0.1, 784, step - 1, 40));
  }
}

}  // namespace
}  // namespace assay::attacks

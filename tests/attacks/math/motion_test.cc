#include "attacks/math/motion.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

at::Tensor one(const at::Tensor& image, const Motion& motion, double outside = 0) {
  const std::vector<Motion> motions{motion};
  return moved(image, motions, outside)[0];
}

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

TEST(Moved, NoMotionKeepsEveryBit) {
  const at::Tensor image = testing::random_uniform({3, 5, 8}, 1, -2, 3);
  EXPECT_TRUE(one(image, {}).equal(image));
}

TEST(Moved, WholeShiftsCopyPixelsAndBringInTheOutside) {
  const at::Tensor image = testing::random_uniform({2, 5, 7}, 2, 0, 1);
  const at::Tensor shifted = one(image, {0, 2, -3}, 0.25);
  at::Tensor expected = at::full_like(image, 0.25);
  expected.slice(1, 2, 5).slice(2, 0, 4).copy_(image.slice(1, 0, 3).slice(2, 3, 7));
  EXPECT_TRUE(shifted.equal(expected));
  EXPECT_TRUE(one(image, {0, 9, 0}, 0.25).eq(0.25).all().item<bool>()) << "all of it is gone";
}

TEST(Moved, HalfAPixelIsTheMeanOfTwo) {
  const at::Tensor image = testing::random_uniform({1, 4, 6}, 3, 0, 1, at::kDouble);
  const at::Tensor shifted = one(image, {0, 0, 0.5});
  const at::Tensor mean = image.slice(2, 1, 6).add(image.slice(2, 0, 5)).div(2);
  EXPECT_LT(largest(shifted.slice(2, 1, 6).sub(mean)), 1e-12);
}

TEST(Moved, AQuarterTurnIsATransposedCopy) {
  for (const int64_t side : {7, 8}) {
    const at::Tensor image = testing::random_uniform({3, side, side}, 4, 0, 1);
    EXPECT_LT(largest(one(image, {90, 0, 0}).sub(at::rot90(image, 1, {1, 2}))), 1e-6);
    EXPECT_LT(largest(one(image, {-90, 0, 0}).sub(at::rot90(image, -1, {1, 2}))), 1e-6);
  }
  const at::Tensor wide = testing::random_uniform({1, 4, 9}, 5, 0, 1);
  EXPECT_LT(largest(one(wide, {180, 0, 0}).sub(wide.flip({1, 2}))), 1e-6);
}

TEST(Moved, TurnsFirstAndShiftsThen) {
  at::Tensor image = at::zeros({1, 9, 9});
  image[0][4][6] = 1;  // to the right of the centre
  const at::Tensor copy = one(image, {90, 0, 1});
  EXPECT_NEAR(copy[0][2][5].item<double>(), 1, 1e-6) << "above the centre, and one to the right";
}

TEST(Moved, EachMotionGivesItsOwnCopy) {
  const at::Tensor image = testing::random_uniform({2, 6, 5}, 6, 0, 1, at::kDouble);
  const std::vector<Motion> motions = {{10, 0, 0}, {0, 1, 1}, {-25, 0.5, 2}};
  const at::Tensor copies = moved(image, motions, 0);
  for (size_t i = 0; i < motions.size(); ++i) {
    EXPECT_TRUE(copies[static_cast<int64_t>(i)].equal(one(image, motions[i])));
  }
}

}  // namespace
}  // namespace assay::attacks

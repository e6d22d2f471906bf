#include "attacks/math/least_squares.h"

#include <gtest/gtest.h>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_normal;

TEST(LeastSquares, ResidualsAreOrthogonalToWhatFits) {
  const at::Tensor a = random_normal({9, 4}, 1, at::kDouble);
  const at::Tensor y = random_normal({9, 2}, 2, at::kDouble);
  const LeastSquares system(a);
  EXPECT_EQ(system.rank(), 4);
  const at::Tensor rest = y.sub(a.matmul(system.solve(y)));
  EXPECT_LT(a.t().matmul(rest).abs().max().item<double>(), 1e-12);
}

TEST(LeastSquares, OfManySolutionsItIsTheSmallest) {
  at::Tensor a = random_normal({3, 5}, 3, at::kDouble);
  a = at::cat({a, a.narrow(0, 0, 1)});  // an equation twice
  const at::Tensor y = a.matmul(random_normal({5, 2}, 4, at::kDouble));
  const LeastSquares system(a);
  EXPECT_EQ(system.rank(), 3);
  const at::Tensor x = system.solve(y);
  EXPECT_TRUE(a.matmul(x).allclose(y));
  // No part of it is outside of the equations' span.
  EXPECT_TRUE(a.t().matmul(LeastSquares(a.t()).solve(x)).allclose(x));
}

TEST(LeastSquares, NothingIsTheSolutionOfEmptyEquations) {
  const LeastSquares system(at::zeros({3, 2}, at::kDouble));
  EXPECT_EQ(system.rank(), 0);
  EXPECT_TRUE(system.solve(at::ones({3, 1}, at::kDouble)).equal(at::zeros({2, 1}, at::kDouble)));
}

// Here 1 % of the spread, less where chance alone leaves little.
TEST(LeastSquares, AFitExplainsWhatItMissesByLittleForItsUnknowns) {
  const at::Tensor y = random_normal({1000, 3}, 5, at::kDouble).add(100);
  EXPECT_TRUE(explains(y, 10, 0.0095, 0.01));
  EXPECT_FALSE(explains(y, 10, 0.0105, 0.01));
  EXPECT_FALSE(explains(y, 990, 0.0095, 0.01));
  EXPECT_TRUE(explains(y, 990, 0.00095, 0.01));
  EXPECT_TRUE(explains(at::ones({5, 2}, at::kDouble), 1, 1e-12, 0.01)) << "constant";
}

}  // namespace
}  // namespace assay::attacks

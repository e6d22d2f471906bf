#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

// The learning rate must fit distances that differ by orders of magnitude.
TEST(Alma, ReachesTheClosedFormOnLinearModels) {
  expect_closed_form("alma", {Norm::kL2, Norm::kL1}, 1.25);
}

TEST(Alma, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("alma", {Norm::kL2, Norm::kL1}, 100, 4);
}

TEST(Alma, DoesNotDependOnTheScaleOfLogitsOrBox) {
  const at::Tensor weight = random_normal({4, 30}, 51, at::kDouble);
  const at::Tensor bias = at::zeros({4}, at::kDouble);
  Shape shape{{30}, 4, at::kDouble};
  const Model model = linear_model(shape, weight, bias);
  const Block block = random_block(model, 20, 52);
  Shape wide = shape;
  wide.hi = 16;
  const Model other = linear_model(wide, weight.mul(4), bias);
  Block scaled = block;
  scaled.x = block.x.mul(16);
  for (const Norm norm : {Norm::kL2, Norm::kL1}) {
    const Outcome one = run(model, find_attack("alma"), "{}", nearest(norm), block);
    const Outcome two = run(other, find_attack("alma"), "{}", nearest(norm, 0, 16), scaled);
    EXPECT_EQ(one.count(), 20);
    EXPECT_EQ(two.count(), 20);
    const at::Tensor gap =
        distances(two, scaled, norm).div(16).div(distances(one, block, norm)).sub(1).abs();
    EXPECT_LE(gap.max().item<double>(), 1e-3) << to_string(norm);
  }
}

TEST(Alma, PaysOneGradientAStep) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 10, 46);
  const Outcome outcome =
      run(model, find_attack("alma"), "{steps: 20, refine: 7}", nearest(Norm::kL2), block);
  EXPECT_TRUE(outcome.gradients.le(20).all().item<bool>());
  EXPECT_TRUE(outcome.queries.le(28).all().item<bool>());
  EXPECT_TRUE(outcome.queries.ge(26).all().item<bool>());
}

TEST(Alma, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("alma", {Norm::kL2, Norm::kL1});
}

}  // namespace
}  // namespace assay::testing

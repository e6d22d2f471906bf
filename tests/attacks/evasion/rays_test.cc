#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack rays() { return find_attack("rays"); }

// The signs of a linear model are found exactly, up to bisection.
TEST(Rays, ReachesTheClosedFormOnLinearModels) {
  for (const Shape& shape : {Shape{{2}, 2}, Shape{{1, 5, 5}, 2, at::kDouble}, Shape{{100}, 2}}) {
    expect_close_to_the_plane(rays(), Norm::kLinf, shape, "{queries: 3000}", 1.05);
  }
}

TEST(Rays, MoreQueriesComeNearer) {
  const Model model = mlp_model({{20}, 4}, 32, 61);
  const Block block = random_block(model, 30, 62);
  const double few = median_of_best(rays(), "{queries: 60}", Norm::kLinf, model, block);
  const double many = median_of_best(rays(), "{queries: 2000}", Norm::kLinf, model, block);
  EXPECT_LT(many, few);
  EXPECT_TRUE(std::isfinite(few));
}

TEST(Rays, ComesCloseToWhatGradientsFind) {
  const Model model = mlp_model({{20}, 4}, 32, 63);
  const Block block = random_block(model, 60, 64);
  ThreatModel threat = label_only(Norm::kLinf, model);
  threat.eps = 0.06;
  const int64_t found = run(model, rays(), "{queries: 2000}", threat, block).count();
  threat.access = Access::kGradient;
  const int64_t pgd = run(model, find_attack("pgd"), "{restarts: 3}", threat, block).count();
  EXPECT_GT(pgd, 10);
  EXPECT_GE(found, pgd * 8 / 10);
}

TEST(Rays, KeepsFlippingBlocksUntilARayIsBroken) {
  // Only the corner of −1 and +1 breaks the model: rays of equal signs, which come first, do not.
  const Shape shape{{2}, 2};
  const Model model =
      linear_model(shape, values({0.0, 0.0, -1.0, 1.0}).reshape({2, 2}), values({0.0, -0.4}));
  Block block = random_block(model, 1, 1);
  block.x = at::full({1, 2}, 0.5);
  block.y = at::zeros({1}, at::kLong);
  const at::Tensor found = best_of(rays(), "{queries: 200}", Norm::kLinf, model, block);
  EXPECT_NEAR(found[0].item<double>(), 0.2, 0.001);
}

// Label 1 only where few entries are high: no ray of equal signs comes there, nor one with a block
// flipped.
TEST(Rays, StartsFromARandomPointWhereNoRayOfItsOwnBreaks) {
  const Model model = rare_model();
  Block block = random_block(model, 6, 3);
  block.y = at::zeros({6}, at::kLong);
  const at::Tensor found = best_of(rays(), "{queries: 3000}", Norm::kLinf, model, block);
  EXPECT_TRUE(found.isfinite().all().item<bool>()) << found;
  // Down to .2 from 1/2 takes .3 of all entries; what is drawn is farther away.
  EXPECT_LT(found.max().item<double>(), 0.5) << found;
}

TEST(Rays, ClaimsNothingWhereNothingBreaks) { expect_nothing_without_start(rays()); }

TEST(Rays, MinimumNormDoesNotDependOnTheRestOfTheBatch) {
  expect_rows_alone_alike(rays(), "{queries: 400}");
}

TEST(Rays, RefusesBadParameters) {
  EXPECT_THROW(bind_params(rays(), "{queries: 0}", {}), Error);
  EXPECT_THROW(bind_params(rays(), "{tolerance: 0}", {}), Error);
}

}  // namespace
}  // namespace assay::testing

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

// In many dimensions the first steps of Adam go a hundred times too far unless the model is asked.
TEST(Cw, ReachesTheClosedFormOnLinearModels) { expect_closed_form("cw", {Norm::kL2}, 1.25); }

TEST(Cw, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("cw", {Norm::kL2}, 100, 4);
}

TEST(Cw, EverySampleStopsByItsOwnLoss) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 30, 46);
  const Outcome outcome = run(model, find_attack("cw"), "{searches: 5, steps: 50, refine: 5}",
                              nearest(Norm::kL2), block);
  EXPECT_TRUE(outcome.gradients.le(251).all().item<bool>());
  EXPECT_LT(outcome.gradients.min().item<int64_t>(), outcome.gradients.max().item<int64_t>());
  EXPECT_TRUE(outcome.queries.sub(outcome.gradients).le(5).all().item<bool>());
}

TEST(Cw, SearchesBringDownAConstantThatIsTooLarge) {
  const Model model = mlp_model({{40}, 6}, 64, 47);
  const Block block = random_block(model, 40, 48);
  const auto mean = [&](const char* params) {
    const Outcome outcome = run(model, find_attack("cw"), params, nearest(Norm::kL2), block);
    EXPECT_EQ(outcome.count(), 40) << params;
    return distances(outcome, block, Norm::kL2).mean().item<double>();
  };
  const double once = mean("{searches: 1, initial_const: 1000, refine: 0}");
  EXPECT_LT(mean("{searches: 12, initial_const: 1000, refine: 0}"), 0.9 * once);
  EXPECT_LT(mean("{searches: 12, initial_const: 1.0e-6, refine: 0}"), 0.9 * once);
}

TEST(Cw, LeavesTheWallsOfTheBox) {
  // Both entries lie on a wall, where tanh space has no finite point for them.
  const Model model =
      linear_model({{2}, 2}, at::stack({at::zeros({2}), values({1.0, -1.0})}), values({0.0, 0.5}));
  Block block = random_block(model, 1, 1);
  block.x = values({0.0, 1.0}).unsqueeze(0);
  block.y = at::zeros({1}, at::kLong);
  const Outcome outcome = run(model, find_attack("cw"), "{}", nearest(Norm::kL2), block);
  ASSERT_EQ(outcome.count(), 1);
  const double closest = 0.25 * std::sqrt(2.0);  // −0.5 + δ₁ + δ₂ = 0
  EXPECT_LE(distances(outcome, block, Norm::kL2).item<double>(), 1.1 * closest);
}

TEST(Cw, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("cw", {Norm::kL2});
}

}  // namespace
}  // namespace assay::testing

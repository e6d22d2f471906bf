#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

// All of the distance belongs to one entry, whatever the number of others.
TEST(Ead, ReachesTheClosedFormOnLinearModels) { expect_closed_form("ead", {Norm::kL1}, 1.25); }

TEST(Ead, ChangesFewerEntriesThanCwAndLessInSum) {
  const Model model = mlp_model({{60}, 6}, 64, 31);
  const Block block = random_block(model, 60, 32);
  const Outcome sparse = run(model, find_attack("ead"), "{}", nearest(Norm::kL1), block);
  const Outcome dense = run(model, find_attack("cw"), "{}", nearest(Norm::kL2), block);
  EXPECT_EQ(sparse.count(), 60);
  const auto sum = [&](const Outcome& outcome, Norm norm) {
    return distances(outcome, block, norm).sum().item<double>();
  };
  EXPECT_LT(sum(sparse, Norm::kL0), 0.5 * sum(dense, Norm::kL0));
  EXPECT_LT(sum(sparse, Norm::kL1), sum(dense, Norm::kL1));
}

TEST(Ead, ShrinkageKeepsChangesSparse) {
  const Model model = mlp_model({{60}, 6}, 64, 33);
  const Block block = random_block(model, 40, 34);
  const auto changed = [&](const char* params) {
    const Outcome outcome = run(model, find_attack("ead"), params, nearest(Norm::kL1), block);
    return distances(outcome, block, Norm::kL0).sum().item<double>();
  };
  EXPECT_LT(changed("{refine: 0}"), 0.5 * changed("{refine: 0, shrinkage: 0}"));
}

TEST(Ead, EverySampleStopsByItsOwnLoss) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 30, 46);
  const Outcome outcome =
      run(model, find_attack("ead"), "{searches: 6, steps: 50}", nearest(Norm::kL1), block);
  EXPECT_TRUE(outcome.gradients.le(300).all().item<bool>());
  EXPECT_LT(outcome.gradients.min().item<int64_t>(), outcome.gradients.max().item<int64_t>());
}

TEST(Ead, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("ead", {Norm::kL1});
}

}  // namespace
}  // namespace assay::testing

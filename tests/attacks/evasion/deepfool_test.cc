#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

TEST(Deepfool, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  expect_closed_form("deepfool", {Norm::kL2, Norm::kLinf}, 1.01);
}

TEST(Deepfool, NeedsFewStepsAndStopsAtItsFirstSuccess) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 100, 46);
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    const Outcome outcome =
        run(model, find_attack("deepfool"), "{refine: 0}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), 100) << to_string(norm);
    EXPECT_LE(outcome.queries.to(at::kDouble).mean().item<double>(), 8) << to_string(norm);
    // Five other labels: five gradients for each query but the last.
    EXPECT_TRUE(outcome.gradients.eq(outcome.queries.sub(1).mul(5)).all().item<bool>());
  }
}

TEST(Deepfool, ItsDistancesAreWithinAQuarterOfFmns) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 200, 42);
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    const auto median = [&](const char* name) {
      return distances(run(model, find_attack(name), "{}", nearest(norm), block), block, norm)
          .median()
          .item<double>();
    };
    EXPECT_LE(median("deepfool"), 1.25 * median("fmn")) << to_string(norm);
  }
}

TEST(Deepfool, LeavesCornersOfTheBox) { expect_breaks_corners("deepfool"); }

TEST(Deepfool, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("deepfool", {Norm::kL2, Norm::kLinf});
}

}  // namespace
}  // namespace assay::testing

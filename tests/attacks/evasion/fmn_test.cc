#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

Attack fmn() { return find_attack("fmn"); }

TEST(Fmn, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  expect_closed_form("fmn", {Norm::kLinf, Norm::kL2, Norm::kL1}, 1.01);
}

TEST(Fmn, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("fmn", {Norm::kLinf, Norm::kL2, Norm::kL1}, 200, 2);
}

TEST(Fmn, RefiningOnlyShortensDistances) {
  const Model model = mlp_model({{40}, 6}, 64, 43);
  const Block block = random_block(model, 60, 44);
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0}) {
    const Outcome coarse = run(model, fmn(), "{steps: 8, refine: 0}", nearest(norm), block);
    const Outcome fine = run(model, fmn(), "{steps: 8, refine: 12}", nearest(norm), block);
    const at::Tensor gain = distances(coarse, block, norm).sub(distances(fine, block, norm));
    EXPECT_TRUE(gain.ge(0).logical_or(coarse.claims.success.logical_not()).all().item<bool>());
    if (norm != Norm::kL0) {
      EXPECT_GT(gain.sum().item<double>(), 0) << to_string(norm);
    }
  }
}

TEST(Fmn, PaysOneGradientAStep) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 10, 46);
  const Outcome outcome = run(model, fmn(), "{steps: 20, refine: 7}", nearest(Norm::kL2), block);
  EXPECT_TRUE(outcome.gradients.eq(20).all().item<bool>());
  EXPECT_TRUE(outcome.queries.le(28).all().item<bool>());
  EXPECT_TRUE(outcome.queries.ge(26).all().item<bool>());
}

TEST(Fmn, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("fmn", {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0});
}

}  // namespace
}  // namespace assay::testing

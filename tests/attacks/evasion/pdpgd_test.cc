#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

// Steps of a tenth of the box would pass such planes a hundred times over.
TEST(Pdpgd, ReachesTheClosedFormOnLinearModels) {
  expect_closed_form("pdpgd", {Norm::kLinf, Norm::kL2, Norm::kL1}, 1.25);
}

TEST(Pdpgd, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("pdpgd", {Norm::kLinf, Norm::kL2, Norm::kL1}, 100, 4);
}

TEST(Pdpgd, ChangesAsFewEntriesAsALinearModelNeedsOrOneMore) {
  for (const int64_t d : {2, 20, 100}) {
    Shape shape{{d}, 2, at::kDouble};
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, Norm::kL0);
    const Outcome outcome =
        run(flat.model, find_attack("pdpgd"), "{}", nearest(Norm::kL0, -4, 4), flat.block);
    EXPECT_EQ(outcome.count(), flat.block.size());
    const at::Tensor more = distances(outcome, flat.block, Norm::kL0).sub(flat.closest);
    EXPECT_GE(more.min().item<double>(), 0) << "d " << d;
    EXPECT_LE(more.max().item<double>(), 1) << "d " << d;
  }
}

TEST(Pdpgd, DescendsTheNormItselfOnlyInL2) {
  EXPECT_THROW(bind_params(find_attack("pdpgd"), "{proximal: false}", nearest(Norm::kL1)), Error);
  const Model model = mlp_model({{40}, 6}, 64, 43);
  const Block block = random_block(model, 60, 44);
  const auto mean = [&](const char* params) {
    const Outcome outcome = run(model, find_attack("pdpgd"), params, nearest(Norm::kL2), block);
    EXPECT_EQ(outcome.count(), 60) << params;
    return distances(outcome, block, Norm::kL2).mean().item<double>();
  };
  EXPECT_LT(mean("{refine: 0}"), mean("{refine: 0, proximal: true}"));
}

// What looks at other labels in the end is paid by steps that are not taken.
TEST(Pdpgd, PaysOneGradientAStep) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 10, 46);
  const Outcome outcome =
      run(model, find_attack("pdpgd"), "{steps: 20, refine: 7}", nearest(Norm::kL1), block);
  EXPECT_TRUE(outcome.gradients.eq(20).all().item<bool>());
  EXPECT_TRUE(outcome.queries.le(28).all().item<bool>());
  EXPECT_TRUE(outcome.queries.ge(26).all().item<bool>());
}

TEST(Pdpgd, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("pdpgd", {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0});
}

}  // namespace
}  // namespace assay::testing

#include <gtest/gtest.h>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack fmn() { return find_attack("fmn"); }

ThreatModel nearest(Norm norm, double lo = 0, double hi = 1) {
  ThreatModel threat;
  threat.norm = norm;
  threat.lo = lo;
  threat.hi = hi;
  return threat;
}

at::Tensor distances(const Outcome& outcome, const Block& block, Norm norm) {
  return distance(outcome.claims.x, block.x, norm);
}

TEST(Fmn, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome = run(flat.model, fmn(), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.01) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

// What a fixed-radius attack breaks at a radius, the distances must have found too.
TEST(Fmn, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 200, 42);
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const Outcome outcome = run(model, fmn(), "{}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), 200) << to_string(norm);
    const at::Tensor found = distances(outcome, block, norm);
    ThreatModel ball = nearest(norm);
    ball.eps = found.median().item<double>();
    const int64_t broken = run(model, find_attack("pgd"), "{steps: 100}", ball, block).count();
    EXPECT_GT(broken, 50) << to_string(norm);
    EXPECT_GE(found.le(*ball.eps).sum().item<int64_t>(), broken - 2) << to_string(norm);
  }
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
  EXPECT_TRUE(outcome.queries.eq(28).all().item<bool>());
}

}  // namespace
}  // namespace assay::testing

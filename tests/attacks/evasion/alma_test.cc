#include <gtest/gtest.h>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

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

// The learning rate must fit distances that differ by orders of magnitude.
TEST(Alma, ReachesTheClosedFormOnLinearModels) {
  for (const Norm norm : {Norm::kL2, Norm::kL1}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack("alma"), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.25) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

// What a fixed-radius attack breaks at a radius, the distances must have found too.
TEST(Alma, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 100, 42);
  for (const Norm norm : {Norm::kL2, Norm::kL1}) {
    const Outcome outcome = run(model, find_attack("alma"), "{}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), 100) << to_string(norm);
    const at::Tensor found = distances(outcome, block, norm);
    ThreatModel ball = nearest(norm);
    ball.eps = found.median().item<double>();
    const int64_t broken = run(model, find_attack("pgd"), "{steps: 100}", ball, block).count();
    EXPECT_GT(broken, 25) << to_string(norm);
    EXPECT_GE(found.le(*ball.eps).sum().item<int64_t>(), broken - 4) << to_string(norm);
  }
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
  EXPECT_TRUE(outcome.queries.eq(28).all().item<bool>());
}

}  // namespace
}  // namespace assay::testing

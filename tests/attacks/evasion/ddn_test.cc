#include <gtest/gtest.h>

#include <cmath>

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

TEST(Ddn, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  for (const Norm norm : {Norm::kL2}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack("ddn"), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.01) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

// What a fixed-radius attack breaks at a radius, the distances must have found too.
TEST(Ddn, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 200, 42);
  for (const Norm norm : {Norm::kL2}) {
    const Outcome outcome = run(model, find_attack("ddn"), "{}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), 200) << to_string(norm);
    const at::Tensor found = distances(outcome, block, norm);
    ThreatModel ball = nearest(norm);
    ball.eps = found.median().item<double>();
    const int64_t broken = run(model, find_attack("pgd"), "{steps: 100}", ball, block).count();
    EXPECT_GT(broken, 50) << to_string(norm);
    EXPECT_GE(found.le(*ball.eps).sum().item<int64_t>(), broken - 2) << to_string(norm);
  }
}

// A sphere that the box cuts must keep its radius: else points near a corner stay behind.
TEST(Ddn, FindsPointsThatTheBoxLeavesLittleRoomFor) {
  Shape shape{{6}, 2, at::kDouble};
  const at::Tensor normal = values({4, 1, 1, 1, 1, 1}, at::kDouble);
  const Model model = linear_model(shape, at::stack({normal.mul(-0.5), normal.mul(0.5)}),
                                   values({0.5 * 6.5, -0.5 * 6.5}, at::kDouble));
  Block block = random_block(model, 1, 1);
  block.x = values({0.9, 0.1, 0.1, 0.1, 0.1, 0.1}, at::kDouble).unsqueeze(0);
  block.y = model.judge(block.x).argmax(1);
  const Outcome outcome = run(model, find_attack("ddn"), "{}", nearest(Norm::kL2), block);
  ASSERT_EQ(outcome.count(), 1);
  // w·x is 4.1 and must reach 6.5: 0.4 through the first entry, which then is at the wall, and 0.4
  // through each of the others.
  const double closest = std::sqrt(0.1 * 0.1 + 5 * 0.4 * 0.4);
  EXPECT_NEAR(distances(outcome, block, Norm::kL2).item<double>(), closest, 0.01 * closest);
}

TEST(Ddn, ModelsWithoutGradientsAreSearchedInRandomDirections) {
  const Shape shape{{4}, 2};
  const Model model = load_module(shape, R"(
def forward(self, x):
    over = (x.sum(1, keepdim=True) > 1.0).to(x.dtype)
    return torch.cat([self.one - over, over], 1) + 0.0 * x.sum(1, keepdim=True)
)",
                                  {{"one", at::ones({1})}});
  const Block block = random_block(model, 20, 3);
  const Outcome outcome = run(model, find_attack("ddn"), "{}", nearest(Norm::kL2), block);
  EXPECT_GT(outcome.count(), 10);
}

}  // namespace
}  // namespace assay::testing

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

TEST(Ddn, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  expect_closed_form("ddn", {Norm::kL2}, 1.01);
}

TEST(Ddn, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("ddn", {Norm::kL2}, 200, 2);
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

TEST(Ddn, RandomDirectionsWasteNothingOnFeaturesThatAreHeldStill) {
  const Shape shape{{100}, 2};
  const Model model = load_module(shape, R"(
def forward(self, x):
    over = (x[:, 0:1] > 0.5).to(x.dtype)
    return torch.cat([self.one - over, over], 1) + 0.0 * x.sum(1, keepdim=True)
)",
                                  {{"one", at::ones({1})}});
  const Block block = random_block(model, 20, 3);
  ThreatModel threat = nearest(Norm::kL2);
  for (int64_t i = 1; i < 100; ++i) threat.fixed.push_back(i);
  const Outcome outcome = run(model, find_attack("ddn"), "{steps: 8}", threat, block);
  EXPECT_GT(outcome.count(), 17);
}

TEST(Ddn, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("ddn", {Norm::kL2});
}

}  // namespace
}  // namespace assay::testing

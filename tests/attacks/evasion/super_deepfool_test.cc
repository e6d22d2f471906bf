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

TEST(SuperDeepfool, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  for (const Norm norm : {Norm::kL2}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack("super_deepfool"), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.01) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

// What a fixed-radius attack breaks at a radius, the distances must have found too.
TEST(SuperDeepfool, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 200, 42);
  for (const Norm norm : {Norm::kL2}) {
    const Outcome outcome = run(model, find_attack("super_deepfool"), "{}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), 200) << to_string(norm);
    const at::Tensor found = distances(outcome, block, norm);
    ThreatModel ball = nearest(norm);
    ball.eps = found.median().item<double>();
    const int64_t broken = run(model, find_attack("pgd"), "{steps: 100}", ball, block).count();
    EXPECT_GT(broken, 50) << to_string(norm);
    EXPECT_GE(found.le(*ball.eps).sum().item<int64_t>(), broken - 4) << to_string(norm);
  }
}

// Curved boundaries: on nearly flat ones DeepFool is as near already.
Model curved_model(int64_t d, int64_t classes) {
  const int64_t hidden = 48;
  return load_module({{d}, classes}, R"(
def forward(self, x):
    return torch.sin((x - 0.5).matmul(self.first)).matmul(self.second)
)",
                     {{"first", random_normal({d, hidden}, 51).mul(1.5)},
                      {"second", random_normal({hidden, classes}, 52)}});
}

TEST(SuperDeepfool, ComesNearerThanDeepfoolWhereBoundariesAreCurved) {
  const Model model = curved_model(20, 5);
  const Block block = random_block(model, 200, 46);
  const auto found = [&](const char* name) {
    const Outcome outcome = run(model, find_attack(name), "{}", nearest(Norm::kL2), block);
    EXPECT_EQ(outcome.count(), 200) << name;
    return distances(outcome, block, Norm::kL2);
  };
  const at::Tensor near = found("super_deepfool");
  const at::Tensor once = found("deepfool");
  EXPECT_LE(near.sub(once.mul(1.002)).max().item<double>(), 0);  // both bisect to a thousandth
  EXPECT_LT(near.mean().item<double>(), 0.98 * once.mean().item<double>());
}

}  // namespace
}  // namespace assay::testing

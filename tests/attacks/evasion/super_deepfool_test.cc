#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

TEST(SuperDeepfool, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  expect_closed_form("super_deepfool", {Norm::kL2}, 1.01);
}

TEST(SuperDeepfool, ItsDistancesBreakAsManySamplesAsPgdAtTheirMedian) {
  expect_as_many_as_pgd("super_deepfool", {Norm::kL2}, 200, 4);
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

TEST(SuperDeepfool, LeavesCornersOfTheBox) { expect_breaks_corners("super_deepfool"); }

TEST(SuperDeepfool, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("super_deepfool", {Norm::kL2});
}

}  // namespace
}  // namespace assay::testing

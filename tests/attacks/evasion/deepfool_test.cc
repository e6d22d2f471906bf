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

TEST(Deepfool, ReachesTheClosedFormOnLinearModelsWithinOnePercent) {
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack("deepfool"), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.01) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
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

}  // namespace
}  // namespace assay::testing

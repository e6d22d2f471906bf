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

// All of the distance belongs to one entry, whatever the number of others.
TEST(Ead, ReachesTheClosedFormOnLinearModels) {
  for (const Norm norm : {Norm::kL1}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack("ead"), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), 1.25) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

TEST(Ead, ChangesFewerEntriesThanCwAndLessInSum) {
  const Model model = mlp_model({{60}, 6}, 64, 31);
  const Block block = random_block(model, 60, 32);
  const Outcome sparse = run(model, find_attack("ead"), "{}", nearest(Norm::kL1), block);
  const Outcome dense = run(model, find_attack("cw"), "{}", nearest(Norm::kL2), block);
  EXPECT_EQ(sparse.count(), 60);
  const auto sum = [&](const Outcome& outcome, Norm norm) {
    return distances(outcome, block, norm).sum().item<double>();
  };
  EXPECT_LT(sum(sparse, Norm::kL0), 0.5 * sum(dense, Norm::kL0));
  EXPECT_LT(sum(sparse, Norm::kL1), sum(dense, Norm::kL1));
}

TEST(Ead, ShrinkageKeepsChangesSparse) {
  const Model model = mlp_model({{60}, 6}, 64, 33);
  const Block block = random_block(model, 40, 34);
  const auto changed = [&](const char* params) {
    const Outcome outcome = run(model, find_attack("ead"), params, nearest(Norm::kL1), block);
    return distances(outcome, block, Norm::kL0).sum().item<double>();
  };
  EXPECT_LT(changed("{refine: 0}"), 0.5 * changed("{refine: 0, shrinkage: 0}"));
}

TEST(Ead, EverySampleStopsByItsOwnLoss) {
  const Model model = mlp_model({{40}, 6}, 64, 45);
  const Block block = random_block(model, 30, 46);
  const Outcome outcome =
      run(model, find_attack("ead"), "{searches: 6, steps: 50}", nearest(Norm::kL1), block);
  EXPECT_TRUE(outcome.gradients.le(300).all().item<bool>());
  EXPECT_LT(outcome.gradients.min().item<int64_t>(), outcome.gradients.max().item<int64_t>());
}

}  // namespace
}  // namespace assay::testing

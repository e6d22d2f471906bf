#include "attacks/math/segment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_block;
using testing::random_normal;

ThreatModel minimum_norm() {
  ThreatModel threat;
  threat.norm = Norm::kL2;
  threat.lo = -100;
  threat.hi = 100;
  return threat;
}

TEST(CloseIn, EndsJustBeyondTheBoundaryBetweenCleanAndFarPoint) {
  testing::Shape shape{{8}, 2, at::kDouble};
  shape.lo = -100;
  shape.hi = 100;
  const at::Tensor w = random_normal({8}, 3, at::kDouble);
  const Model model = testing::linear_model(shape, at::stack({w.mul(-0.5), w.mul(0.5)}),
                                            at::zeros({2}, at::kDouble));
  Block block = random_block(model, 6, 4);
  block.x = block.x.mul(0.01);
  block.y = model.judge(block.x).argmax(1);
  const ThreatModel threat = minimum_norm();
  Oracle oracle(model, threat, block, 5, 0);
  // As far beyond the plane as the clean point lies before it; the last sample gets no such point.
  const at::Tensor rows = at::arange(5, at::kLong);
  const at::Tensor x = block.x.narrow(0, 0, 5);
  const at::Tensor way = x.matmul(w).mul(-2).div(w.dot(w)).unsqueeze(1).mul(w);
  oracle.labels(x.add(way), rows);
  const at::Tensor whole = oracle.best_distance().clone();
  ASSERT_TRUE(oracle.found().narrow(0, 0, 5).all().item<bool>());
  close_in(oracle, 2);
  for (int64_t i = 0; i < 5; ++i) {
    const double part = (oracle.best_distance()[i] / whole[i]).item<double>();
    EXPECT_GE(part, 0.5);
    EXPECT_LE(part, 0.5 + 0.5 / 16 + 1e-9);  // every secant step leaves a quarter of the rest
    EXPECT_EQ(oracle.queries()[i].item<int64_t>(), 5);
  }
  EXPECT_EQ(oracle.queries()[5].item<int64_t>(), 0);
  EXPECT_FALSE(oracle.found()[5].item<bool>());
}

TEST(CloseIn, NeverLosesABetterPoint) {
  const Model model = testing::mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 40, 2);
  ThreatModel threat;
  threat.norm = Norm::kLinf;
  Oracle oracle(model, threat, block, 0, 0);
  const at::Tensor rows = at::arange(40, at::kLong);
  oracle.labels(at::ones_like(block.x).sub(block.x), rows);
  const at::Tensor before = oracle.best_distance().clone();
  ASSERT_TRUE(oracle.found().any().item<bool>());
  close_in(oracle, 5);
  EXPECT_TRUE(oracle.best_distance().le(before).all().item<bool>());
  EXPECT_TRUE(oracle.best_distance().lt(before).logical_and(oracle.found()).any().item<bool>());
}

TEST(Boxed, IsExactInTheInputsType) {
  ThreatModel threat;
  threat.lo = -0.1;
  threat.hi = 0.1;
  const at::Tensor like = at::zeros({2, 3});
  const at::Tensor x = testing::values({-5, 0.05, 5, 0.1, -0.1, 0.0}, at::kDouble).view({2, 3});
  const at::Tensor inside = boxed(x, like, threat);
  EXPECT_EQ(inside.scalar_type(), at::kFloat);
  EXPECT_TRUE(in_box(inside, -0.1, 0.1).all().item<bool>());
  EXPECT_TRUE(at::allclose(inside, x.clamp(-0.1, 0.1).to(at::kFloat)));
}

}  // namespace
}  // namespace assay::attacks

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

Attack fab() { return find_attack("fab"); }

TEST(Fab, FindsTheNearestBoundaryOfLinearModelsWithoutEps) {
  for (const Norm norm : kNorms) {
    for (const auto& [d, classes] : {std::pair{2, 2}, {20, 5}, {784, 10}}) {
      const LinearCase linear = crowded_case({{d}, classes, at::kDouble, -100, 100}, 1, norm, 12);
      for (const char* params : {"{steps: 20}", "{steps: 20, targets: 9}"}) {
        const Outcome outcome =
            run(linear.model, fab(), params, nearest(norm, -100, 100), linear.block);
        const at::Tensor ratio = distances(outcome, linear.block, norm).div(linear.closest);
        EXPECT_LT(ratio.max().item<double>(), 1.002) << to_string(norm) << d << params;
        EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << d << params;
      }
    }
  }
}

// z1 − z0 = 4·x0 + x1 + x2 + x3 − bias, and the steep entry has no room: the shortest way without
// a box leads out of it.
TEST(Fab, KnowsWhereTheBoxIs) {
  const Shape shape{{4}, 2, at::kDouble};
  const at::Tensor w = values({4.0, 1.0, 1.0, 1.0}, at::kDouble);
  const Model model =
      linear_model(shape, at::stack({w.mul(-0.5), w.mul(0.5)}), values({2.4, -2.4}, at::kDouble));
  Block block = random_block(model, 1, 1);
  block.x = values({0.95, 0.1, 0.1, 0.1}, at::kDouble).unsqueeze(0);  // z1 − z0 = −0.7
  block.y = at::zeros({1}, at::kLong);
  // 4 · 0.05 of the 0.7 come from the first entry; the others share 0.5.
  const std::vector<std::pair<Norm, double>> expected{
      {Norm::kLinf, 0.5 / 3},
      {Norm::kL2, std::hypot(0.05, 0.5 / std::sqrt(3.0))},
      {Norm::kL1, 0.55}};
  for (const auto& [norm, closest] : expected) {
    const Outcome outcome = run(model, fab(), "{steps: 30}", nearest(norm), block);
    ASSERT_TRUE(outcome.claimed(0)) << to_string(norm);
    const double found = distance(outcome.claims.x, block.x, norm).item<double>();
    EXPECT_LT(found, 1.005 * closest) << to_string(norm);
    EXPECT_GE(found, closest * (1 - 1e-9)) << to_string(norm);
  }
}

// What a strong attack at a fixed radius breaks, FAB finds at a distance within it.
TEST(Fab, OneRunWithoutEpsIsNoWeakerThanApgdAtEveryRadius) {
  for (const Norm norm : kNorms) {
    const Model model = mlp_model({{40}, 6}, 64, 41);
    const Block block = random_block(model, 150, 42);
    const Outcome outcome = run(model, fab(), "{}", nearest(norm), block);
    const at::Tensor found = distances(outcome, block, norm);
    EXPECT_EQ(outcome.count(), 150);
    const double middle = found.median().item<double>();
    for (const double eps : {0.6 * middle, middle, 1.5 * middle}) {
      const int64_t apgd =
          run(model, find_attack("apgd"), "{steps: 50}", ball(norm, eps), block).count();
      EXPECT_GT(apgd, 10);
      EXPECT_GE(found.le(eps).sum().item<int64_t>(), apgd - 2) << to_string(norm) << " " << eps;
    }
  }
}

TEST(Fab, WithEpsBreaksWhatItFindsWithinEpsWithoutIt) {
  for (const Norm norm : kNorms) {
    const Model model = mlp_model({{40}, 6}, 64, 41);
    const Block block = random_block(model, 100, 42);
    const at::Tensor found =
        distances(run(model, fab(), "{targets: 5}", nearest(norm), block), block, norm);
    const double eps = found.median().item<double>();
    const Outcome stage = run(model, fab(), "{targets: 5}", ball(norm, 1.001 * eps), block);
    // The final search gains up to a few percent, and only the run without an eps has one.
    const at::Tensor sure = found.le(0.97 * eps);
    EXPECT_TRUE(stage.claims.success.logical_or(sure.logical_not()).all().item<bool>())
        << to_string(norm);
    EXPECT_LT(stage.count(), 100);
    // Broken samples stop paying.
    const at::Tensor spent = at::where(stage.claims.success, stage.queries, 0);
    EXPECT_LT(spent.sum().item<int64_t>(), stage.count() * 501);
  }
}

TEST(Fab, PaysOneGradientForEachBoundaryInSight) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 8, 42);
  const ThreatModel threat = nearest(Norm::kL2);
  const auto gradients = [&](const std::string& params) {
    return run(model, fab(), params, threat, block).gradients;
  };
  EXPECT_TRUE(gradients("{steps: 7}").eq(7 * 5).all().item<bool>());
  EXPECT_TRUE(gradients("{steps: 7, boundaries: 2}").eq(7 * 2).all().item<bool>());
  EXPECT_TRUE(gradients("{steps: 7, targets: 3, restarts: 2}").eq(7 * 3 * 2).all().item<bool>());
}

TEST(Fab, SeesTheNearestBoundaryThoughItsLogitIsLow) {
  // Class 1 is second at x by far, but its boundary is flat; class 2 is last and steep.
  Shape shape{{2}, 3, at::kDouble};
  shape.lo = -100;
  shape.hi = 100;
  const at::Tensor weight = values({0, 0, 0.1, 0, 0, 10}, at::kDouble).view({3, 2});
  const Model model = linear_model(shape, weight, values({0.0, -1.0, -2.0}, at::kDouble));
  Block block = random_block(model, 1, 1);
  block.x = at::zeros({1, 2}, at::kDouble);
  block.y = at::zeros({1}, at::kLong);
  const ThreatModel threat = nearest(Norm::kL2, -100, 100);
  const auto found = [&](const std::string& params) {
    return distance(run(model, fab(), params, threat, block).claims.x, block.x, Norm::kL2)
        .item<double>();
  };
  EXPECT_NEAR(found("{steps: 10}"), 0.2, 0.001);
  EXPECT_NEAR(found("{steps: 10, targets: 2}"), 0.2, 0.001);
  EXPECT_GT(found("{steps: 10, boundaries: 1}"), 5);
}

TEST(Fab, TargetsAndRestartsOnlyAdd) {
  const Model model = mlp_model({{40}, 6}, 64, 43);
  const Block block = random_block(model, 100, 44);
  for (const Norm norm : kNorms) {
    const auto found = [&](const std::string& params) {
      return distances(run(model, fab(), params, nearest(norm), block), block, norm);
    };
    const at::Tensor one = found("{steps: 20, targets: 1}");
    const at::Tensor all = found("{steps: 20, targets: 5}");
    const at::Tensor more = found("{steps: 20, targets: 1, restarts: 4}");
    // The final search starts from another point, so a hair may be lost.
    EXPECT_TRUE(all.le(one.mul(1.01)).all().item<bool>()) << to_string(norm);
    EXPECT_TRUE(more.le(one.mul(1.01)).all().item<bool>()) << to_string(norm);
    EXPECT_LT(all.mean().item<double>(), one.mean().item<double>()) << to_string(norm);
    EXPECT_LT(more.mean().item<double>(), one.mean().item<double>()) << to_string(norm);
  }
}

TEST(Fab, RefusesTargetsBesideATargetedGoal) {
  ThreatModel threat = nearest(Norm::kLinf);
  threat.goal = Goal::kTargeted;
  EXPECT_THROW(bind_params(fab(), "{targets: 3}", threat), Error);
  EXPECT_NO_THROW(bind_params(fab(), "{steps: 3}", threat));
}

// Two boundaries are to be crossed at once, and many entries have no room.
TEST(Fab, ReachesATargetWhereverFmnDoes) {
  for (const auto& [d, classes] : {std::pair(6, 3), std::pair(20, 10)}) {
    const Model model = linear_model({{d}, classes}, random_normal({classes, d}, 71),
                                     random_normal({classes}, 72).mul(0.1));
    Block block = random_block(model, 100, 73);
    block.x =
        at::where(random_uniform(block.x.sizes(), 74, 0, 1).lt(0.3), block.x.round(), block.x);
    block.y = model.logits(block.x).argmax(1);
    block.target = block.y.add(1).remainder(classes);
    for (const Norm norm : kNorms) {
      ThreatModel threat = nearest(norm);
      threat.goal = Goal::kTargeted;
      const at::Tensor fmn =
          distances(run(model, find_attack("fmn"), "{}", threat, block), block, norm);
      const at::Tensor found = distances(run(model, fab(), "{}", threat, block), block, norm);
      const at::Tensor reached = fmn.isfinite();
      EXPECT_GT(reached.sum().item<int64_t>(), 60);
      EXPECT_EQ(reached.logical_and(found.isinf()).sum().item<int64_t>(), 0)
          << to_string(norm) << " " << d;
    }
  }
}

TEST(Fab, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("fab", {Norm::kLinf, Norm::kL2, Norm::kL1});
}

}  // namespace
}  // namespace assay::testing

#include "tests/testing/nearest.h"

#include <gtest/gtest.h>

#include <limits>

#include "harness/model/ball.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"

namespace assay::testing {

ThreatModel nearest(Norm norm, double lo, double hi) {
  ThreatModel threat;
  threat.norm = norm;
  threat.lo = lo;
  threat.hi = hi;
  return threat;
}

at::Tensor distances(const Outcome& outcome, const Block& block, Norm norm) {
  return at::where(outcome.claims.success, distance(outcome.claims.x, block.x, norm),
                   std::numeric_limits<double>::infinity());
}

void expect_closed_form(std::string_view attack, const std::vector<Norm>& norms, double factor) {
  for (const Norm norm : norms) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const Outcome outcome =
          run(flat.model, find_attack(attack), "{}", nearest(norm, -4, 4), flat.block);
      const at::Tensor ratio = distances(outcome, flat.block, norm).div(flat.closest);
      EXPECT_EQ(outcome.count(), flat.block.size());
      EXPECT_LE(ratio.max().item<double>(), factor) << to_string(norm) << " d " << d;
      EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm) << " d " << d;
    }
  }
}

void expect_looks_past_walls(std::string_view attack, const std::vector<Norm>& norms,
                             double factor) {
  const Shape shape{{2}, 3, at::kDouble};
  const Model model =
      linear_model(shape, values({5.0, 0.0, 0.0, 0.0, 0.0, 1.5}, at::kDouble).view({3, 2}),
                   values({-5.4, 0.0, -1.35}, at::kDouble));
  Block block = random_block(model, 12, 1);
  const at::Tensor up = at::linspace(0.42, 0.46, 12, at::kDouble);
  block.x = at::stack({at::arange(12, at::kDouble).remainder(2).mul(0.05).add(0.95), up}, 1);
  block.y = at::ones({12}, at::kLong);
  for (const Norm norm : norms) {
    const at::Tensor closest = norm == Norm::kL0 ? at::ones_like(up) : up.neg().add(0.9);
    const Outcome outcome = run(model, find_attack(attack), "{}", nearest(norm), block);
    const at::Tensor ratio = distances(outcome, block, norm).div(closest);
    EXPECT_LE(ratio.max().item<double>(), factor) << to_string(norm);
    EXPECT_GE(ratio.min().item<double>(), 1 - 1e-9) << to_string(norm);
  }
}

void expect_as_many_as_pgd(std::string_view attack, const std::vector<Norm>& norms, int64_t n,
                           int64_t missed) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, n, 42);
  for (const Norm norm : norms) {
    const Outcome outcome = run(model, find_attack(attack), "{}", nearest(norm), block);
    EXPECT_EQ(outcome.count(), n) << to_string(norm);
    const at::Tensor found = distances(outcome, block, norm);
    ThreatModel ball = nearest(norm);
    ball.eps = found.median().item<double>();
    const int64_t broken = run(model, find_attack("pgd"), "{steps: 100}", ball, block).count();
    EXPECT_GT(broken, n / 4) << to_string(norm);
    EXPECT_GE(found.le(*ball.eps).sum().item<int64_t>(), broken - missed) << to_string(norm);
  }
}

void expect_breaks_corners(std::string_view attack) {
  for (const auto& [d, classes] : {std::pair(20, 3), std::pair(100, 10), std::pair(50, 2),
                                   std::pair(12, 4), std::pair(20, 6)}) {
    const Model model = linear_model({{d}, classes}, random_normal({classes, d}, 61),
                                     random_normal({classes}, 62).mul(0.1));
    Block block = random_block(model, 200, 63);
    block.x = block.x.round();
    block.y = model.logits(block.x).argmax(1);
    block.target = block.y.add(1).remainder(classes);
    for (const Goal goal : {Goal::kUntargeted, Goal::kTargeted}) {
      ThreatModel threat = nearest(Norm::kL2);
      threat.goal = goal;
      EXPECT_EQ(run(model, find_attack(attack), "{}", threat, block).count(), 200)
          << d << " entries, " << to_string(goal);
    }
  }
}

}  // namespace assay::testing

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack apgd() { return find_attack("apgd"); }

// Two classes: the flip at distance |w·x + b| / ‖w‖_dual is known in closed form.
TEST(Apgd, ReachesTheClosedFormOnLinearModels) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    for (const int64_t d : {2, 20, 784}) {
      Shape shape{{d}, 2, at::kDouble};
      shape.lo = -100;
      shape.hi = 100;
      const at::Tensor w = random_normal({d}, 3, at::kDouble);
      const Model model =
          linear_model(shape, at::stack({w.mul(-0.5), w.mul(0.5)}), at::zeros({2}, at::kDouble));
      Block block = random_block(model, 5, 4);
      block.x = block.x.mul(0.01);
      block.y = model.judge(block.x).argmax(1);
      const double dual = norm == Norm::kLinf ? w.abs().sum().item<double>()
                          : norm == Norm::kL2 ? w.norm().item<double>()
                                              : w.abs().max().item<double>();
      for (int64_t i = 0; i < block.size(); ++i) {
        const double closest = std::abs(block.x[i].dot(w).item<double>()) / dual;
        const Block one = select(block, {i});
        EXPECT_EQ(run(model, apgd(), "{}", ball(norm, 1.05 * closest, -100, 100), one).count(), 1)
            << to_string(norm) << " d " << d << " sample " << i;
        EXPECT_EQ(run(model, apgd(), "{}", ball(norm, 0.99 * closest, -100, 100), one).count(), 0);
      }
    }
  }
}

TEST(Apgd, IsNoWeakerThanPgdOnTheSameBudget) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const Model model = mlp_model({{40}, 6}, 64, 41);
    const Block block = random_block(model, 200, 42);
    const double eps = norm == Norm::kLinf ? 0.03 : norm == Norm::kL2 ? 0.15 : 0.6;
    const int64_t pgd =
        run(model, find_attack("pgd"), "{steps: 100}", ball(norm, eps), block).count();
    const int64_t found = run(model, apgd(), "{steps: 100}", ball(norm, eps), block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd - 2) << to_string(norm);
  }
}

TEST(Apgd, TargetsAndRestartsOnlyAdd) {
  const Model model = mlp_model({{40}, 6}, 64, 41);
  const Block block = random_block(model, 200, 42);
  const ThreatModel threat = ball(Norm::kLinf, 0.03);
  const int64_t once = run(model, apgd(), "{steps: 20, loss: dlr}", threat, block).count();
  const int64_t targets =
      run(model, apgd(), "{steps: 20, loss: dlr, targets: 5}", threat, block).count();
  const int64_t more =
      run(model, apgd(), "{steps: 20, loss: dlr, restarts: 4}", threat, block).count();
  EXPECT_GE(more, once);
  EXPECT_GE(targets, once - 1);
}

// Once the target has passed the true label, a third label may still be in front of it.
TEST(Apgd, ByDlrATargetedGoalIsReachedAsOftenAsByTheMargin) {
  const Model model = mlp_model({{40}, 10}, 64, 41);
  Block block = random_block(model, 200, 42);
  block.target = model.judge(block.x).argsort(/*stable=*/true, 1, true).select(1, 4);
  int64_t dlr = 0, margin = 0;
  for (const double eps : {0.1, 0.15, 0.2}) {
    ThreatModel threat = ball(Norm::kLinf, eps);
    threat.goal = Goal::kTargeted;
    dlr += run(model, apgd(), "{steps: 20, loss: dlr}", threat, block).count();
    margin += run(model, apgd(), "{steps: 20, loss: margin}", threat, block).count();
  }
  EXPECT_GT(margin, 200);
  EXPECT_LT(margin, 400);
  EXPECT_GE(dlr, margin - 10);
}

TEST(Apgd, MoreTargetsThanLabelsMeansAllLabels) {
  const Model model = mlp_model({{12}, 3}, 16, 5);
  const Block block = random_block(model, 30, 6);
  const ThreatModel threat = ball(Norm::kLinf, 0.05);
  EXPECT_EQ(run(model, apgd(), "{steps: 10, targets: 2}", threat, block).count(),
            run(model, apgd(), "{steps: 10, targets: 9}", threat, block).count());
}

TEST(Apgd, AveragesGradientsOfARandomisedModel) {
  const Model model = load_module({{12}, 3},
                                  "def forward(self, x):\n"
                                  "    return (x + 0.3 * torch.randn_like(x))[:, :3] * 4.0",
                                  {});
  const Block block = random_block(model, 8, 6);
  const ThreatModel threat = ball(Norm::kLinf, 1e-6);
  const Outcome one = run(model, apgd(), "{steps: 3, eot: 4}", threat, block);
  EXPECT_LE(one.queries.max().item<int64_t>(), 16);
}

TEST(Apgd, RefusesTargetsBesideATargetedGoal) {
  ThreatModel threat = ball(Norm::kLinf, 0.1);
  threat.goal = Goal::kTargeted;
  EXPECT_THROW(bind_params(apgd(), "{targets: 3}", threat), Error);
}

// A noisy forward may rank the true label behind another.
TEST(Apgd, TargetsOfARandomisedModelAreNeverTheTrueLabel) {
  const Model model = load_module({{20}, 2}, R"(
def forward(self, x):
    z = (x - 0.5).matmul(self.weight)
    return z + 0.5 * torch.randn_like(z)
)",
                                  {{"weight", random_normal({20, 2}, 51)}});
  Block block = random_block(model, 200, 46);
  block.y = block.x.sub(0.5).matmul(random_normal({20, 2}, 51)).argmax(1);
  for (const char* attack : {"apgd", "fab"}) {
    const auto found = [&](const char* params) {
      at::manual_seed(7);
      return run(model, find_attack(attack), params, ball(Norm::kLinf, 0.1), block).count();
    };
    EXPECT_GE(found("{steps: 20, targets: 1}"), found("{steps: 20}") - 15) << attack;
  }
}

}  // namespace
}  // namespace assay::testing

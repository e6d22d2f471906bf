#include <gtest/gtest.h>

#include "harness/suite/error.h"
#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack transfer() { return find_attack("transfer"); }

// What the attack claims on `model` with points of `source`.
int64_t broken_from(const Model& model, const Model& source, const std::string& params,
                    const Block& block, double eps) {
  enter_worker();
  const ThreatModel threat = label_only(Norm::kLinf, model, eps);
  Block given = block;
  given.target = at::Tensor();
  given.source = &source;
  const Bound bound = bind_params(transfer(), params, threat);
  Oracle oracle(model, threat, given, bound.budget.queries, bound.budget.gradients);
  bound.evade(oracle, given, Rng(1, "transfer", 0));
  EXPECT_LE(oracle.queries().max().item<int64_t>(), bound.budget.queries);
  EXPECT_EQ(oracle.gradients().sum().item<int64_t>(), 0);
  return oracle.found().sum().item<int64_t>();
}

TEST(Transfer, FromTheModelItselfIsAboutAsStrongAsPgd) {
  const Model model = mlp_model({{20}, 4}, 32, 81);
  const Block block = random_block(model, 100, 82);
  ThreatModel threat = label_only(Norm::kLinf, model, 0.06);
  const int64_t found = broken_from(model, model, "{}", block, 0.06);
  threat.access = Access::kGradient;
  const int64_t pgd = run(model, find_attack("pgd"), "{}", threat, block).count();
  EXPECT_GT(pgd, 20);
  EXPECT_GE(found, pgd * 9 / 10);
}

TEST(Transfer, FromAModelThatSharesNothingIsWeaker) {
  const Model model = mlp_model({{20}, 4}, 32, 81);
  const Model other = mlp_model({{20}, 4}, 32, 84);
  const Block block = random_block(model, 100, 82);
  const int64_t own = broken_from(model, model, "{}", block, 0.06);
  EXPECT_GT(own, 20);
  EXPECT_LT(broken_from(model, other, "{}", block, 0.06), own / 2);
}

TEST(Transfer, MoreQueriesTryPointsOnTheWay) {
  // The candidate breaks only where x0 is near 0.5, and the ascent runs on to the end of the ball.
  const Model source =
      linear_model({{2}, 2}, values({-1.0, 0.0, 1.0, 0.0}).reshape({2, 2}), values({0.5, -0.5}));
  const Model model = load_module({{2}, 2},
                                  "def forward(self, x):\n"
                                  "    near = 0.06 - torch.abs(x[:, 0] - 0.5)\n"
                                  "    return torch.stack([-near, near], 1)\n",
                                  {});
  Block block;
  block.x = values({0.3, 0.3}).reshape({1, 2});
  block.y = at::zeros({1}, at::kLong);
  block.ids = {1};
  EXPECT_EQ(broken_from(model, source, "{steps: 10, step_size: 0.05}", block, 0.4), 0);
  EXPECT_EQ(broken_from(model, source, "{steps: 10, step_size: 0.05, queries: 10}", block, 0.4), 1);
}

TEST(Transfer, TriesNoMorePointsOfAFileThanItsQueries) {
  const Model model = mlp_model({{20}, 4}, 32, 81);
  Block block = random_block(model, 1, 82);
  block.target = at::Tensor();
  block.points = block.x.repeat({3, 1});  // they break nothing
  block.point_rows = at::zeros({3}, at::kLong);
  const auto sent = [&](const std::string& params) {
    const ThreatModel threat = label_only(Norm::kLinf, model, 0.06);
    const Bound bound = bind_params(transfer(), params, threat);
    Oracle oracle(model, threat, block, bound.budget.queries, 0);
    bound.evade(oracle, block, Rng(1, "transfer", 0));
    return oracle.queries().item<int64_t>();
  };
  EXPECT_EQ(sent("{queries: 1}"), 1);
  EXPECT_EQ(sent("{queries: 2}"), 2);
  EXPECT_EQ(sent("{queries: 7}"), 3);
  EXPECT_EQ(sent("{}"), 3);
}

TEST(Transfer, RefusesMoreQueriesThanSteps) {
  const Model model = mlp_model({{20}, 4}, 32, 81);
  EXPECT_THROW(
      bind_params(transfer(), "{steps: 3, queries: 4}", label_only(Norm::kLinf, model, 0.1)),
      Error);
}

}  // namespace
}  // namespace assay::testing

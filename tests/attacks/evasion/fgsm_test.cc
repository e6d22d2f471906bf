#include <gtest/gtest.h>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

TEST(Fgsm, MovesEveryEntryByEpsAlongTheSignOfTheGradient) {
  // z1 − z0 = w·x: leaving class 1 means walking against w.
  const at::Tensor w = values({2.0, -1.0, 0.5, -3.0});
  const Model model = linear_model({{4}, 2}, at::stack({at::zeros({4}), w}), values({0.0, 0.9}));
  Block block = random_block(model, 1, 1);
  block.x = at::full({1, 4}, 0.5);
  block.y = at::ones({1}, at::kLong);
  const Outcome outcome = run(model, find_attack("fgsm"), "{}", ball(Norm::kLinf, 0.125), block);
  ASSERT_TRUE(outcome.claimed(0));
  EXPECT_TRUE(outcome.claims.x.equal(block.x.sub(w.sign().mul(0.125))));
}

TEST(Fgsm, CostsTwoQueriesAndOneGradient) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 10, 2);
  const Outcome outcome = run(model, find_attack("fgsm"), "{}", ball(Norm::kLinf, 0.01), block);
  EXPECT_TRUE(outcome.queries.eq(2).all().item<bool>());
  EXPECT_TRUE(outcome.gradients.eq(1).all().item<bool>());
}

TEST(Fgsm, TargetedStepsTowardsTheTarget) {
  // Three classes along three axes: the step to class 2 raises x2 and lowers the others.
  const Model model = linear_model({{3}, 3}, at::eye(3).mul(4), values({0.3, 0.1, 0.0}));
  Block block = random_block(model, 1, 1);
  block.x = at::full({1, 3}, 0.5);
  block.y = at::zeros({1}, at::kLong);
  block.target = at::full({1}, 2, at::kLong);
  ThreatModel threat = ball(Norm::kLinf, 0.125);
  threat.goal = Goal::kTargeted;
  const Outcome outcome = run(model, find_attack("fgsm"), "{}", threat, block);
  ASSERT_TRUE(outcome.claimed(0));
  EXPECT_TRUE(outcome.claims.x.equal(values({0.375, 0.375, 0.625}).unsqueeze(0)));
}

TEST(Fgsm, SeesThroughASaturatedSoftmax) {
  // Logits so far apart that softmax is exactly one-hot even in float64.
  const at::Tensor w = values({2.0, -1.0, 0.5, -3.0}).mul(1e5);
  const Model model = linear_model({{4}, 2}, at::stack({at::zeros({4}), w}), values({0.0, 1.0e5}));
  Block block = random_block(model, 1, 1);
  block.x = at::full({1, 4}, 0.5);
  block.y = model.judge(block.x).argmax(1);
  EXPECT_EQ(run(model, find_attack("fgsm"), "{}", ball(Norm::kLinf, 0.2), block).count(), 1);
}

TEST(Fgsm, RefusesUnknownLossesAndKeys) {
  const Attack attack = find_attack("fgsm");
  EXPECT_THROW(bind_params(attack, "{loss: cw}", ball(Norm::kLinf, 0.1)), Error);
  EXPECT_THROW(bind_params(attack, "{steps: 3}", ball(Norm::kLinf, 0.1)), Error);
}

}  // namespace
}  // namespace assay::testing

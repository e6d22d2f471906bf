#include <gtest/gtest.h>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

// One audited record with odds 2 and shadows at 1, 2, 3, 0, of which the last saw it.
TEST(AttackR, IsTheShareOfOutShadowsThatAreLessSure) {
  const at::Tensor y = at::zeros({1}, at::kLong);
  Outputs outputs = outputs_of(logits_with(numbers({2}), y, 3), {0}, 1);
  give_shadows(&outputs, logits_with(numbers({1, 2, 3, 0}).view({4, 1, 1}), y, 3),
               numbers({0, 0, 0, 1}).view({4, 1}));
  // (1 + 1/2) / 3; ties are broken by (2 - 2) / spread = 0.
  EXPECT_NEAR(scores_of("attack_r", "{}", outputs)[0].item<double>(), 0.5, 1e-12);
}

TEST(AttackR, TiesAreBrokenByTheDistanceAndSharesStayInOrder) {
  const at::Tensor y = at::zeros({3}, at::kLong);
  // Two above all shadows, one far; the third is above one of two only, but far above it.
  Outputs outputs = outputs_of(logits_with(numbers({5, 50, 400}), y, 3), {0, 0, 0}, 3);
  give_shadows(&outputs, logits_with(numbers({0, 0, 0, 1, 1, 401}).view({2, 1, 3}), y, 3),
               at::zeros({2, 3}));
  const at::Tensor scores = scores_of("attack_r", "{}", outputs);
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
  EXPECT_LT(scores[2].item<double>(), scores[0].item<double>());
  EXPECT_NEAR(scores[0].item<double>(), 1, 0.25 / 2);
}

TEST(AttackR, CanariesComeFirst) {
  World world{.shadows = 8, .shift = 0, .canaries = 20, .noise = 0.5};
  EXPECT_TRUE(on_top(scores_of("attack_r", "{}", imagine(world).outputs), 20));
  world.online = true;
  EXPECT_TRUE(on_top(scores_of("attack_r", "{mode: online}", imagine(world).outputs), 20));
}

}  // namespace
}  // namespace assay::testing

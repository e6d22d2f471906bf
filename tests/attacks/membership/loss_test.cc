#include <gtest/gtest.h>

#include <cmath>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Loss, IsTheCrossEntropy) {
  const at::Tensor p = numbers({0.2, 0.3, 0.5, 0.7, 0.2, 0.1}).view({2, 3});
  const at::Tensor scores = scores_of("loss", "{}", outputs_of(p.log(), {0, 1}, 2));
  EXPECT_TRUE(scores.allclose(numbers({0.2, 0.2}).log(), 1e-14, 1e-14));
}

TEST(Loss, TellsSureFromSurer) {
  const at::Tensor scores =
      scores_of("loss", "{}", outputs_of(numbers({40, 0, 50, 0}).view({2, 2}), {0, 0}, 2));
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
}

TEST(Loss, AveragesViews) {
  const at::Tensor logits = numbers({0.2, 0.8, 0.5, 0.5}).log().view({2, 1, 2});  // two views
  const at::Tensor scores = scores_of("loss", "{views: 2}", outputs_of(logits, {0}, 1));
  EXPECT_NEAR(scores[0].item<double>(), (std::log(0.2) + std::log(0.5)) / 2, 1e-14);
}

TEST(Loss, ShadowsGiveEachClassAThresholdOfItsOwn) {
  // Class 1 is harder: one threshold for both classes cannot separate, one for each does.
  const at::Tensor odds = numbers({5, 3, 1, -1, 5, 3, 1, -1});  // member, non-member, of 0 and 1
  const std::vector<int64_t> labels = {0, 0, 1, 1, 0, 0, 1, 1};
  const at::Tensor y = at::tensor(labels, at::kLong);
  Outputs outputs = outputs_of(logits_with(odds, y, 2), labels, 4);
  const at::Tensor member = numbers({1, 0, 1, 0}).to(at::kBool);
  EXPECT_LT(auc_of(scores_of("loss", "{}", outputs), member), 0.8);
  const at::Tensor seen = numbers({0, 0, 0, 0, 1, 0, 1, 0}).view({1, 8});
  give_shadows(&outputs, logits_with(odds, y, 2).view({1, 1, 8, 2}), seen);
  // The audited ones are unseen by the shadow: thresholds lie below 5 and 1, above 3 and -1.
  give_shadows(&outputs,
               logits_with(odds.sub(numbers({4, 0, 4, 0, 0, 0, 0, 0})), y, 2).view({1, 1, 8, 2}),
               seen);
  EXPECT_EQ(auc_of(scores_of("loss", "{shadows: 1}", outputs), member), 1);
}

TEST(Loss, TrainsShadowsOnRequestAlone) {
  // The recipe may come from the suite's defaults.
  EXPECT_EQ(inference_of("loss", "{epochs: 3, mode: online}").shadows.count, 0);
  EXPECT_FALSE(inference_of("loss", "{epochs: 3}").population);
  EXPECT_EQ(inference_of("loss", "{shadows: 2, epochs: 3}").shadows.recipe.epochs, 3);
  EXPECT_TRUE(inference_of("loss", "{shadows: 2}").population);
}

TEST(Loss, RefusesViewsThatThereAreNot) { EXPECT_THROW(inference_of("loss", "{views: 3}"), Error); }

}  // namespace
}  // namespace assay::testing

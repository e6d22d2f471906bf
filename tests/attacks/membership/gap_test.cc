#include <gtest/gtest.h>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Gap, IsTheGapInAccuracy) {
  // 3 of 4 members and 1 of 2 non-members are right: advantage 1/4, AUC 1/2 + 1/8.
  const at::Tensor logits = numbers({2, 1, 0, 1, 0, 1, 3, 1, 5, 4, 5, 4}).view({6, 2});
  const Outputs outputs = outputs_of(logits, {0, 1, 1, 1, 0, 1}, 6);
  const at::Tensor scores = scores_of("gap", "{}", outputs);
  EXPECT_TRUE(scores.equal(numbers({1, 1, 1, 0, 1, 0})));
  EXPECT_NEAR(auc_of(scores, at::arange(6).lt(4)), 0.625, 1e-12);
}

TEST(Gap, SeesTheLabelAlone) {
  const Outputs sure = outputs_of(numbers({9, 0, 0, 9}).view({2, 2}), {0, 0}, 2);
  const Outputs unsure = outputs_of(numbers({0.1, 0, 0, 0.1}).view({2, 2}), {0, 0}, 2);
  EXPECT_TRUE(scores_of("gap", "{}", sure).equal(scores_of("gap", "{}", unsure)));
}

}  // namespace
}  // namespace assay::testing

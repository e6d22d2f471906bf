#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(ModifiedEntropy, IsEquationSeven) {
  const at::Tensor p = numbers({0.2, 0.3, 0.5}).view({1, 3});
  const double expected = 0.8 * std::log(0.2) + 0.3 * std::log(1 - 0.3) + 0.5 * std::log(1 - 0.5);
  const at::Tensor scores = scores_of("modified_entropy", "{}", outputs_of(p.log(), {0}, 1));
  EXPECT_NEAR(scores[0].item<double>(), expected, 1e-14);
}

TEST(ModifiedEntropy, TellsSureAndRightFromSureAndWrong) {
  const at::Tensor logits = numbers({9, 0, 9, 0}).view({2, 2});
  const at::Tensor mentr = scores_of("modified_entropy", "{}", outputs_of(logits, {0, 1}, 2));
  EXPECT_GT(mentr[0].item<double>(), mentr[1].item<double>());
  const at::Tensor plain = scores_of("entropy", "{}", outputs_of(logits, {0, 1}, 2));
  EXPECT_EQ(plain[0].item<double>(), plain[1].item<double>());
}

TEST(ModifiedEntropy, NeedsNoClampWhereAProbabilityRoundsToOne) {
  // Right with q = e^-80 left: q log(1 - q) + q log(1 - q), both -q q. Wrong: 2 log q.
  const at::Tensor logits = numbers({80, 0, 80, 0, 100, 0}).view({3, 2});
  const at::Tensor scores = scores_of("modified_entropy", "{}", outputs_of(logits, {0, 1, 0}, 3));
  EXPECT_NEAR(scores[0].item<double>() / (-2 * std::exp(-160.0)), 1, 1e-12);
  EXPECT_NEAR(scores[1].item<double>(), -160, 1e-10);
  EXPECT_LT(scores[0].item<double>(), scores[2].item<double>());
}

}  // namespace
}  // namespace assay::testing

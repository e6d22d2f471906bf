#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Entropy, IsThatOfTheOutputWhateverTheLabel) {
  const at::Tensor p = numbers({0.2, 0.3, 0.5, 0.2, 0.3, 0.5}).view({2, 3});
  const double expected = 0.2 * std::log(0.2) + 0.3 * std::log(0.3) + 0.5 * std::log(0.5);
  const at::Tensor scores = scores_of("entropy", "{}", outputs_of(p.log().add(4), {0, 2}, 2));
  EXPECT_NEAR(scores[0].item<double>(), expected, 1e-14);
  EXPECT_NEAR(scores[1].item<double>(), expected, 1e-14);
}

TEST(Entropy, NeedsNoClampNearCertainty) {
  // Σ p log p of (1 - q, q), q = e^-80: -q - 80 q.
  const at::Tensor scores =
      scores_of("entropy", "{}", outputs_of(numbers({80, 0, 90, 0}).view({2, 2}), {0, 0}, 2));
  EXPECT_NEAR(scores[0].item<double>() / (-81 * std::exp(-80.0)), 1, 1e-12);
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
}

}  // namespace
}  // namespace assay::testing

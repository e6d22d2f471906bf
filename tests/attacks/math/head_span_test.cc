#include "attacks/math/head_span.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attacks/math/least_squares.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_normal;

// ‖W − head·G‖ / ‖W‖ at the best G.
double misfit(const at::Tensor& weight, const HeadSpan& span) {
  const at::Tensor fit = span.head.matmul(LeastSquares(span.head).solve(weight));
  return weight.sub(fit).norm().div(weight.norm()).item<double>();
}

TEST(HeadSpan, GivesTheHeadUpToAMapOfItsWidth) {
  const at::Tensor weight = random_normal({30, 7}, 1, at::kDouble);  // [K, h]
  const at::Tensor hidden = random_normal({100, 7}, 2, at::kDouble).relu();
  const at::Tensor bias = random_normal({30}, 3, at::kDouble).mul(100);
  const at::Tensor logits = hidden.matmul(weight.t()).add(bias);
  const HeadSpan plain = head_span(logits, false, 1e-15);
  ASSERT_EQ(plain.width, 7);
  EXPECT_LT(misfit(weight, plain), 1e-10);

  const HeadSpan rounded = head_span(logits.to(at::kFloat).to(at::kDouble), false, 1.2e-7);
  ASSERT_EQ(rounded.width, 7);
  EXPECT_LT(misfit(weight, rounded), 1e-4);

  const at::Tensor log = logits.log_softmax(1);
  const HeadSpan centred = head_span(log.sub(log.mean(1, true)), true, 1e-15);
  ASSERT_EQ(centred.width, 7);
  EXPECT_LT(misfit(weight.sub(weight.mean(0)), centred), 1e-10);
  EXPECT_GT(misfit(random_normal({30, 7}, 4, at::kDouble), plain), 0.5);
}

TEST(HeadSpan, AgreesWithLapack) {
  const at::Tensor logits = random_normal({60, 5}, 1, at::kDouble)
                                .matmul(random_normal({5, 20}, 2, at::kDouble))
                                .add(random_normal({60, 20}, 3, at::kDouble), 1e-6);
  const HeadSpan span = head_span(logits, false, 1e-9);
  ASSERT_EQ(span.width, 5);
  const auto [left, values, right] =
      at::linalg_svd(logits.sub(logits.mean(0, true)), /*full_matrices=*/false);
  EXPECT_NEAR(span.gap, std::log(values[4].item<double>() / values[5].item<double>()), 1e-6);
  // Columns are fixed but for their sign.
  const at::Tensor head = right.narrow(0, 0, 5).mul(values.narrow(0, 0, 5).unsqueeze(1)).t();
  EXPECT_TRUE(span.head.abs().allclose(head.abs(), 1e-9, 1e-9));
  EXPECT_NEAR(span.rms, values.narrow(0, 5, 15).norm().item<double>() / std::sqrt(60.0 * 20),
              1e-12);
}

TEST(HeadSpan, ASteepSpectrumIsNoGap) {
  // Each direction a tenth of the one before: the rank is full all the same.
  const at::Tensor scale = at::pow(at::full({6}, 0.1, at::kDouble), at::arange(6));
  const HeadSpan span = head_span(random_normal({50, 6}, 1, at::kDouble).mul(scale), false, 1e-15);
  EXPECT_EQ(span.width, 0);
  EXPECT_GT(span.gap, 1);
}

TEST(HeadSpan, NoiseIsNoDirection) {
  const at::Tensor logits =
      at::ones({40, 8}, at::kDouble).add(random_normal({40, 8}, 1, at::kDouble), 1e-8);
  EXPECT_EQ(head_span(logits, false, 1e-7).width, 0);
}

}  // namespace
}  // namespace assay::attacks

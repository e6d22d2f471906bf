#include "attacks/math/relu_layer.h"

#include <gtest/gtest.h>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_normal;
using testing::random_uniform;

ReluLayer some_layer(int64_t h, int64_t d, int64_t classes, bool with_linear) {
  return {random_normal({h, d}, 1, at::kDouble), random_normal({h}, 2, at::kDouble).mul(0.3),
          random_normal({classes, h}, 3, at::kDouble),
          random_normal({classes, d}, 4, at::kDouble).mul(with_linear ? 1 : 0),
          random_normal({classes}, 5, at::kDouble)};
}

ReluLayer blurred(const ReluLayer& layer, double size) {
  return {layer.weights.add(random_normal(layer.weights.sizes().vec(), 6, at::kDouble), size),
          layer.offsets.add(random_normal(layer.offsets.sizes().vec(), 7, at::kDouble), size),
          layer.coefficients, layer.linear, layer.constant};
}

TEST(ReluLayer, FitsOutputsExactlyWhereTheHiddenLayerIsRight) {
  for (const bool with_linear : {false, true}) {
    const ReluLayer truth = some_layer(6, 5, 3, with_linear);
    const at::Tensor points = random_uniform({200, 5}, 8, -1, 1, at::kDouble);
    const at::Tensor outputs = truth(points);
    const ReluLayer fit = fit_outputs(truth.weights, truth.offsets, points, outputs, with_linear);
    EXPECT_LT(fit.residual(points, outputs), 1e-12);
    EXPECT_TRUE(fit.coefficients.allclose(truth.coefficients, 1e-9, 1e-9));
    EXPECT_GT(some_layer(6, 5, 3, !with_linear).residual(points, outputs), 0.1);
  }
}

TEST(ReluLayer, RefiningUndoesABlurDownToTheNoise) {
  for (const bool with_linear : {false, true}) {
    const ReluLayer truth = some_layer(6, 5, 3, with_linear);
    const at::Tensor points = random_uniform({600, 5}, 8, -1, 1, at::kDouble);
    const ReluLayer start = blurred(truth, 3e-3);
    const at::Tensor exact = truth(points);
    EXPECT_GT(start.residual(points, exact), 1e-3);
    EXPECT_LT(refined(start, points, exact).residual(points, exact), 1e-9);
    const at::Tensor noisy = exact.add(random_normal({600, 3}, 9, at::kDouble), 1e-5);
    const ReluLayer fit = refined(start, points, noisy);
    // 1,800 equations for some 60 weights: a fifth of the noise.
    EXPECT_LT(fit.residual(points, exact), 4e-6);
  }
}

TEST(ReluLayer, RefiningNeverMakesItWorse) {
  const ReluLayer truth = some_layer(6, 5, 3, false);
  const at::Tensor points = random_uniform({30, 5}, 8, -1, 1, at::kDouble);
  const at::Tensor outputs = truth(points);
  for (const double blur : {0.3, 3.0}) {
    const ReluLayer start = blurred(truth, blur);
    EXPECT_LE(refined(start, points, outputs).residual(points, outputs),
              start.residual(points, outputs));
  }
}

}  // namespace
}  // namespace assay::attacks

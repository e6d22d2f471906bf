#include "attacks/math/diversity.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_block;
using testing::random_normal;

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST(Resize, HasTheAdjointItClaims) {
  const std::vector<double> a = testing::doubles(random_normal({2, 7, 12}, 1, at::kDouble));
  const std::vector<double> b = testing::doubles(random_normal({2, 7, 12}, 2, at::kDouble));
  for (const double growth : {0.0, 0.4, 0.999}) {
    for (const double place : {0.0, 0.5, 0.999}) {
      const std::array<double, 3> draw{growth, place, 1 - place - 1e-9};
      const Resize resize(7, 12, draw);
      EXPECT_NEAR(inner(resize.apply(a), b), inner(a, resize.adjoint(b)), 1e-12);
    }
  }
}

TEST(Resize, FullyGrownKeepsFlatImagesAndElsePadsWithZeros) {
  const std::vector<double> flat(3 * 20 * 30, 0.75);
  const std::array<double, 3> full{0.999, 0.3, 0.3};
  for (const double value : Resize(20, 30, full).apply(flat)) EXPECT_NEAR(value, 0.75, 1e-12);
  // Not grown and put at the top left: the last row and column shrink onto padding.
  const std::array<double, 3> small{0.0, 0.0, 0.0};
  const std::vector<double> padded = Resize(20, 30, small).apply(flat);
  EXPECT_NEAR(padded[0], 0.75, 1e-12);
  EXPECT_NEAR(padded[10 * 30 + 15], 0.75, 1e-12);
  EXPECT_EQ(padded[19 * 30 + 29], 0.0);
}

TEST(Resize, MovesThePictureByUpToATenth) {
  std::vector<double> image(20 * 20, 0.0);
  for (size_t i = 0; i < image.size(); ++i) image[i] = i % 20 >= 7 && i % 20 < 13 ? 1 : 0;
  const std::array<double, 3> first{0.0, 0.0, 0.0};
  const std::array<double, 3> last{0.0, 0.999, 0.999};
  const std::vector<double> low = Resize(20, 20, first).apply(image);
  const std::vector<double> high = Resize(20, 20, last).apply(image);
  const auto centre = [](const std::vector<double>& x) {  // of columns
    double sum = 0;
    double mass = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      sum += x[i] * static_cast<double>(i % 20);
      mass += x[i];
    }
    return sum / mass;
  };
  EXPECT_NEAR(centre(high) - centre(low), 2.0 / 1.1, 0.1);
}

TEST(Smooth, IsASymmetricAverage) {
  at::Tensor x = at::zeros({1, 2, 21, 31}, at::kDouble);
  x[0][0][10][15] = 1;
  const at::Tensor y = smooth(x, 7);
  EXPECT_NEAR(y.sum().item<double>(), 1, 1e-12);
  EXPECT_EQ(y[0][1].abs().sum().item<double>(), 0);
  EXPECT_TRUE(at::allclose(y, y.flip({2})));
  EXPECT_TRUE(at::allclose(y, y.flip({3})));
  EXPECT_NEAR((y[0][0][10][18] / y[0][0][10][15]).item<double>(), std::exp(-4.5), 1e-12);
  EXPECT_EQ(y[0][0][10][19].item<double>(), 0);
  EXPECT_TRUE(smooth(x, 1).equal(x));
  const at::Tensor flat = smooth(at::ones({1, 1, 9, 9}), 15);  // the kernel is wider than the image
  EXPECT_LT(flat.max().item<double>(), 1);
}

TEST(LookAround, IsTheGradientOfTheMeanOverCopies) {
  testing::Shape shape{{2, 5, 7}, 4, at::kDouble};
  const Model model = testing::mlp_model(shape, 24, 5);
  const Block block = random_block(model, 3, 6);
  const Diversity diversity{.diverse_prob = 0.7, .scale_copies = 3, .translation_kernel = 0};
  const Rng rng(4, "test", 0);
  const at::Tensor rows = at::arange(3, at::kLong);
  const ThreatModel threat = testing::ball(Norm::kLinf, 1e-9);
  Oracle oracle(model, threat, block, 0, 0);
  const std::optional<Look> seen =
      look_around(oracle, block.x, rows, block.y, {}, LossKind::kCe, diversity, rng, 2, 5);
  ASSERT_TRUE(seen.has_value());
  ASSERT_EQ(seen->keep.size(0), 3);
  EXPECT_TRUE(oracle.queries().eq(3).all().item<bool>());
  EXPECT_TRUE(oracle.gradients().eq(3).all().item<bool>());
  // The same copies by their definition.
  const auto mean_loss = [&](const at::Tensor& x) {  // [3] float64
    at::Tensor sum = at::zeros({3}, at::kDouble);
    for (int64_t copy = 0; copy < 3; ++copy) {
      at::Tensor point = x.div(std::ldexp(1.0, static_cast<int>(copy))).clone();
      const at::Tensor draws = rng.uniform(block.ids, {4}, 2, 5 * 3 + copy + 1);
      for (int64_t i = 0; i < 3; ++i) {
        const std::vector<double> draw = testing::doubles(draws[i]);
        if (draw[0] >= 0.7) continue;
        const std::array<double, 3> rest{draw[1], draw[2], draw[3]};
        const std::vector<double> changed = Resize(5, 7, rest).apply(testing::doubles(point[i]));
        point[i].copy_(at::tensor(changed, at::kDouble).view({2, 5, 7}));
      }
      sum = sum.add(leave_loss(LossKind::kCe, model.logits(point), block.y).value);
    }
    return sum;
  };
  at::Tensor numeric = at::zeros_like(block.x).flatten(1);
  for (int64_t k = 0; k < 70; ++k) {
    at::Tensor step = at::zeros({70}, at::kDouble);
    step[k] = 1e-5;
    const at::Tensor move = step.view({2, 5, 7});
    const at::Tensor slope =
        mean_loss(block.x.add(move)).sub(mean_loss(block.x.sub(move))).div(2e-5);
    numeric.select(1, k).copy_(slope);
  }
  const at::Tensor g = seen->gradient.flatten(1);
  for (int64_t i = 0; i < 3; ++i) {
    const double cosine = (g[i].dot(numeric[i]) / (g[i].norm() * numeric[i].norm())).item<double>();
    EXPECT_GT(cosine, 1 - 1e-6) << "sample " << i;
  }
}

TEST(LookAround, SeesThroughASaturatedSoftmaxAndSmooths) {
  testing::Shape shape{{1, 4, 4}, 2};
  const at::Tensor w = random_normal({16}, 3).mul(1e5);
  const Model model =
      testing::linear_model(shape, at::stack({w.mul(-0.5), w.mul(0.5)}), at::zeros({2}));
  const Block block = random_block(model, 4, 6);
  const at::Tensor rows = at::arange(4, at::kLong);
  const ThreatModel threat = testing::ball(Norm::kLinf, 1e-9);
  Oracle oracle(model, threat, block, 0, 0);
  const Diversity diversity{.scale_copies = 2, .translation_kernel = 3};
  const auto seen = look_around(oracle, block.x, rows, block.y, {}, LossKind::kCe, diversity,
                                Rng(4, "test", 0), 0, 0);
  ASSERT_TRUE(seen.has_value());
  const at::Tensor smoothed = smooth(w.view({1, 1, 4, 4}), 3).flatten();
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor g = seen->gradient[i].flatten();
    const double side = block.y[i].item<int64_t>() == 0 ? 1 : -1;
    EXPECT_GT((g.dot(smoothed) * side / (g.norm() * smoothed.norm())).item<double>(), 0.9999);
  }
}

TEST(LookAround, RowsKeepTheirBitsInEveryBatch) {
  testing::Shape shape{{2, 5, 7}, 4};
  const Model model = testing::cnn_model(shape, 5);
  const Block block = random_block(model, 16, 6);
  const ThreatModel threat = testing::ball(Norm::kLinf, 1e-9);
  const Diversity diversity{.diverse_prob = 0.7, .scale_copies = 3, .translation_kernel = 5};
  const auto gradient = [&](const at::Tensor& rows) {
    Oracle oracle(model, threat, block, 0, 0);
    return look_around(oracle, block.x.index_select(0, rows), rows, block.y.index_select(0, rows),
                       {}, LossKind::kCe, diversity, Rng(4, "test", 0), 1, 2)
        ->gradient;
  };
  const at::Tensor whole = gradient(at::arange(16, at::kLong));
  for (const int64_t n : {1, 2, 5, 11}) {
    EXPECT_TRUE(gradient(at::arange(16 - n, 16, at::kLong)).equal(whole.narrow(0, 16 - n, n))) << n;
  }
}

}  // namespace
}  // namespace assay::attacks

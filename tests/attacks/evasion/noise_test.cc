#include <gtest/gtest.h>

#include <cmath>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack noise() { return find_attack("noise"); }

// Class 1 wins where the first entry exceeds `threshold`.
Model threshold_model(const Shape& shape, double threshold) {
  const at::Tensor w = at::zeros({2, shape.size()}, at::kDouble);
  w[1][0] = 1;
  return linear_model(shape, w, values({threshold, 0.0}, at::kDouble));
}

Block centre_block(const Model& model, int64_t n) {
  Block block = random_block(model, n, 1);
  block.x = at::full_like(block.x, 0.5);
  block.y = at::zeros({n}, at::kLong);
  return block;
}

// The flip takes the outer 1 % of what the first entry can do: on average 100 draws.
TEST(Noise, FindsWhatAHundredthOfTheBallBreaks) {
  const Model model = threshold_model({{3}, 2, at::kDouble}, 0.5 + 0.98 * 0.1);
  const Block block = centre_block(model, 50);
  const int64_t few =
      run(model, noise(), "{draws: 10}", label_only(Norm::kLinf, model, 0.1), block).count();
  const int64_t many =
      run(model, noise(), "{draws: 1000}", label_only(Norm::kLinf, model, 0.1), block).count();
  EXPECT_LT(few, 20);
  EXPECT_EQ(many, 50);
}

TEST(Noise, DrawsTheDistributionItIsToldTo) {
  // Share of samples that one draw moves by more than `part` of eps along the first entry.
  const auto share = [](Norm norm, const std::string& params, double part) {
    const Model model = threshold_model({{3}, 2, at::kDouble}, 0.5 + part * 0.1);
    const Block block = centre_block(model, 2000);
    return static_cast<double>(
               run(model, noise(), params, label_only(norm, model, 0.1), block).count()) /
           2000;
  };
  const std::string uniform = "{draws: 1}";
  const std::string gaussian = "{draws: 1, distribution: gaussian}";
  const double error = 0.04;  // over three standard deviations of a share of 2000
  EXPECT_NEAR(share(Norm::kLinf, uniform, 0.5), 0.25, error);
  EXPECT_NEAR(share(Norm::kLinf, uniform, 0.9), 0.05, error);
  EXPECT_NEAR(share(Norm::kLinf, gaussian, 0.5), 0.1587, error);   // beyond one σ
  EXPECT_NEAR(share(Norm::kLinf, gaussian, 0.999), 0.0228, 0.02);  // clipped mass, beyond two
  // In three dimensions the height on the sphere is uniform; inside the ball caps are smaller.
  EXPECT_NEAR(share(Norm::kL2, gaussian, 0.5), 0.25, error);
  EXPECT_NEAR(share(Norm::kL2, uniform, 0.5), 0.15625, error);
}

TEST(Noise, PaysForWholeBatchesUpToItsDraws) {
  const Model model = threshold_model({{3}, 2, at::kDouble}, 0.5 + 0.98 * 0.1);
  const Block block = centre_block(model, 40);
  const Outcome outcome =
      run(model, noise(), "{draws: 150}", label_only(Norm::kLinf, model, 0.1), block);
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t queries = outcome.queries[i].item<int64_t>();
    EXPECT_TRUE(queries == 64 || queries == 128 || queries == 150) << queries;
    if (!outcome.claimed(i)) {
      EXPECT_EQ(queries, 150);
    }
  }
  EXPECT_GT(outcome.count(), 0);
  EXPECT_LT(outcome.count(), 40);
}

TEST(Noise, DrawsTenThousandTimesByDefault) {
  EXPECT_EQ(bind_params(noise(), "{}", ball(Norm::kL2, 0.1)).budget.queries, 10000);
  EXPECT_THROW(bind_params(noise(), "{distribution: laplace}", ball(Norm::kL2, 0.1)), Error);
}

}  // namespace
}  // namespace assay::testing

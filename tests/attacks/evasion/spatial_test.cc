#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

ThreatModel no_norm(const Model& model) {
  ThreatModel threat;
  threat.unbounded = true;
  threat.lo = model.spec().lo;
  threat.hi = model.spec().hi;
  threat.access = Access::kLabel;
  return threat;
}

Outcome turn(const Model& model, const std::string& params, const Block& block) {
  return run(model, find_attack("spatial"), params, no_norm(model), block);
}

// Class 1 wins where the weighted sum of the pixels exceeds `threshold`.
Model sum_model(const Shape& shape, const at::Tensor& weights, double threshold) {
  const at::Tensor w = at::stack({at::zeros({shape.size()}), weights.flatten()});
  return linear_model(shape, w, values({threshold, 0.0}));
}

// Class 1 wins where this pixel is above one half.
Model pixel_model(const Shape& shape, int64_t row, int64_t column) {
  at::Tensor weights = at::zeros(shape.shape);
  weights.select(1, row).select(1, column).fill_(1);
  return sum_model(shape, weights, 0.5);
}

Block block_of(const at::Tensor& image, int64_t label) {
  return {image.unsqueeze(0), at::full({1}, label, at::kLong), {}, {7}};
}

at::Tensor dot(int64_t side, int64_t row, int64_t column) {
  at::Tensor image = at::zeros({1, side, side});
  image[0][row][column] = 1;
  return image;
}

TEST(Spatial, SendsThePapersGridToWhatWithstandsIt) {
  const Shape shape{{1, 28, 28}, 2};
  const Model model = sum_model(shape, at::zeros({784}), 1);
  const Block block = random_block(model, 2, 1);
  const Outcome outcome = turn(model, "{}", block);
  EXPECT_EQ(outcome.count(), 0);
  EXPECT_TRUE(outcome.queries.eq(31 * 5 * 5).all().item<bool>());
  EXPECT_TRUE(turn(model, "{angles: 3, shifts: 2}", block).queries.eq(12).all().item<bool>());
}

TEST(Spatial, FindsTheOnePointOfTheGridThatBreaks) {
  const Shape shape{{1, 28, 28}, 2};
  const Model model = pixel_model(shape, 13, 7);
  const Outcome found = turn(model, "{angles: 1}", block_of(dot(28, 10, 10), 0));
  ASSERT_TRUE(found.claimed(0)) << "3 down and 3 to the left";
  EXPECT_TRUE(found.claims.x[0].equal(dot(28, 13, 7)));
  EXPECT_FALSE(turn(model, "{angles: 1}", block_of(dot(28, 9, 10), 0)).claimed(0)) << "4 down";
  EXPECT_TRUE(turn(model, "{angles: 1, shift: 4}", block_of(dot(28, 9, 11), 0)).claimed(0));
}

TEST(Spatial, ShiftsGrowWithTheImage) {
  const Shape shape{{1, 56, 56}, 2};
  const Model model = pixel_model(shape, 26, 26);
  EXPECT_TRUE(turn(model, "{angles: 1}", block_of(dot(56, 20, 20), 0)).claimed(0));
  EXPECT_FALSE(turn(model, "{angles: 1}", block_of(dot(56, 19, 20), 0)).claimed(0));
}

TEST(Spatial, AQuarterTurnIsATransposedCopy) {
  const Shape shape{{3, 9, 9}, 2};
  const Model model = sum_model(shape, at::zeros({243}), 1);  // class 0, whatever comes
  Block block = random_block(model, 1, 3);
  block.y.fill_(1);  // so that the first point breaks
  const Outcome outcome = turn(model, "{angle: 90, angles: 2, shifts: 1}", block);
  ASSERT_TRUE(outcome.claimed(0));
  EXPECT_TRUE(outcome.claims.x[0].allclose(at::rot90(block.x[0], -1, {1, 2}), 0, 1e-6));
}

TEST(Spatial, ADotInTheCentreStandsFromEveryAngleUntilItIsShifted) {
  const Shape shape{{1, 9, 9}, 2};
  const Model model = pixel_model(shape, 4, 4);
  EXPECT_FALSE(turn(model, "{shifts: 1}", block_of(dot(9, 4, 4), 1)).claimed(0));
  EXPECT_TRUE(turn(model, "{shifts: 3}", block_of(dot(9, 4, 4), 1)).claimed(0));
}

TEST(Spatial, AModelThatOnlyAddsUpNeverBreaks) {
  const Shape shape{{1, 28, 28}, 2};
  at::Tensor image = at::zeros({1, 28, 28});
  image.slice(1, 10, 18).slice(2, 9, 19).copy_(random_uniform({8, 10}, 5, 0.25, 1));
  const double sum = image.sum().item<double>();
  const Model model = sum_model(shape, at::ones({784}), 0.999 * sum);
  EXPECT_FALSE(turn(model, "{angles: 1, shifts: 7}", block_of(image, 1)).claimed(0));
}

TEST(Spatial, BringsInTheLowerEndOfTheBox) {
  Shape shape{{1, 6, 8}, 2};
  shape.lo = -1;
  shape.hi = 3;
  const Model model = sum_model(shape, at::zeros({48}), 1);
  const Block block = block_of(at::full({1, 6, 8}, 3.0F), 1);
  const Outcome outcome = turn(model, "{angles: 1, shift: 2, shifts: 2}", block);
  ASSERT_TRUE(outcome.claimed(0));
  const at::Tensor x = outcome.claims.x[0][0];
  EXPECT_TRUE(x.slice(0, 0, 4).slice(1, 0, 6).eq(3).all().item<bool>());
  EXPECT_TRUE(x.slice(0, 4, 6).eq(-1).all().item<bool>());
}

TEST(Spatial, StopsWithTheBatchThatBreaksAndKeepsItsFirstPoint) {
  const Shape shape{{1, 28, 28}, 2};
  const Model model = sum_model(shape, at::zeros({784}), 1);
  const Block block = block_of(dot(28, 14, 14), 1);
  const Outcome outcome = turn(model, "{angles: 1}", block);
  EXPECT_EQ(outcome.queries[0].item<int64_t>(), 25);
  EXPECT_TRUE(outcome.claims.x[0].equal(dot(28, 11, 11))) << "the largest shifts come first";
  EXPECT_EQ(turn(model, "{}", block).queries[0].item<int64_t>(), 32);
}

TEST(Spatial, RefusesAnEmptyGrid) {
  for (const char* params : {"{angles: 0}", "{shifts: 0}", "{angle: 200}", "{shift: -1}"}) {
    EXPECT_THROW(bind_params(find_attack("spatial"), params, ThreatModel{}), Error) << params;
  }
}

}  // namespace
}  // namespace assay::testing

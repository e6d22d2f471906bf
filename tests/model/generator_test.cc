#include "harness/model/generator.h"

#include <gtest/gtest.h>

#include "harness/model/ball.h"
#include "harness/model/model.h"
#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::random_normal;
using testing::Shape;
using testing::to_spec;

Recipe adam(double learning_rate) { return {.optimizer = "adam", .learning_rate = learning_rate}; }

TEST(Generator, FillsTheBoxOfAnyShapeAndNeverLeavesIt) {
  enter_worker();
  const std::vector<Shape> shapes = {{.shape = {1, 28, 28}},
                                     {.shape = {3, 5, 7}, .lo = -1.7, .hi = 0.3},
                                     {.shape = {2, 4, 4}, .dtype = at::kDouble},
                                     {.shape = {6}, .lo = 0.1, .hi = 0.7},
                                     {.shape = {2, 3}},
                                     {.shape = {1}}};
  for (const Shape& shape : shapes) {
    const ModelSpec spec = to_spec(shape, "");
    const Generator generator(spec, 12, adam(0.01), 1);
    const at::Tensor x = generator.to_box(generator.output(random_normal({40, 12}, 2)));
    std::vector<int64_t> sizes = {40};
    sizes.insert(sizes.end(), shape.shape.begin(), shape.shape.end());
    ASSERT_EQ(x.sizes(), at::IntArrayRef(sizes));
    EXPECT_EQ(x.scalar_type(), shape.dtype);
    EXPECT_TRUE(in_box(x, shape.lo, shape.hi).all().item<bool>());
    const double middle = (shape.lo + shape.hi) / 2, width = shape.hi - shape.lo;
    EXPECT_NEAR(x.mean().item<double>(), middle, 0.1 * width);
    EXPECT_GT(x.flatten(1).std(0).mean().item<double>(), 0.1 * width) << c10::str(x.sizes());
    // However far the output is from 0.
    const at::Tensor far = at::full({1, 1}, 1e6, shape.dtype);
    EXPECT_TRUE(in_box(generator.to_box(far), shape.lo, shape.hi).item<bool>());
    EXPECT_TRUE(in_box(generator.to_box(far.neg()), shape.lo, shape.hi).item<bool>());
  }
}

// Mean square distance of outputs from what `wanted` makes of the noise, after some steps.
double distance_after(int64_t steps, const ModelSpec& spec,
                      const std::function<at::Tensor(const at::Tensor& z)>& wanted) {
  Generator generator(spec, 8, adam(0.01), 3);
  for (int64_t i = 0; i < steps; ++i) {
    const at::Tensor z = random_normal({64, 8}, static_cast<uint64_t>(10 + i));
    generator.step(
        z,
        [&](const at::Tensor& output) {
          return output.sub(wanted(z)).div(static_cast<double>(output.numel()) / 2);
        },
        1);
  }
  const at::Tensor z = random_normal({64, 8}, 4);
  return generator.output(z).sub(wanted(z)).square().mean().item<double>();
}

TEST(Generator, DrawsAPictureWhereTheLossAsksForIt) {
  enter_worker();
  // Dark on the left, bright on the right.
  const at::Tensor picture = at::ones({1, 8, 8});
  picture.narrow(2, 0, 4).fill_(-1);
  const auto wanted = [&](const at::Tensor&) { return picture; };
  const ModelSpec spec = to_spec({.shape = {1, 8, 8}}, "");
  EXPECT_GT(distance_after(0, spec, wanted), 1.5);
  EXPECT_LT(distance_after(150, spec, wanted), 0.2);
}

TEST(Generator, FollowsTheNoiseWhereTheLossAsksForIt) {
  enter_worker();
  const auto wanted = [](const at::Tensor& z) { return z.narrow(1, 0, 5).flip(1); };
  const ModelSpec spec = to_spec({.shape = {5}}, "");
  EXPECT_GT(distance_after(0, spec, wanted), 1.5);
  EXPECT_LT(distance_after(150, spec, wanted), 0.3);
}

TEST(Generator, TheSeedAloneDecidesItsWeights) {
  enter_worker();
  const ModelSpec spec = to_spec({.shape = {1, 6, 6}}, "");
  const at::Tensor z = random_normal({4, 8}, 1);
  const auto trained = [&](uint64_t seed, double rate) {
    Generator generator(spec, 8, adam(0.01), seed);
    generator.step(
        z, [](const at::Tensor& output) { return output.cos(); }, rate);
    return generator.output(z);
  };
  EXPECT_TRUE(trained(1, 1).equal(trained(1, 1)));
  EXPECT_FALSE(trained(1, 1).equal(trained(2, 1)));
  EXPECT_FALSE(trained(1, 1).equal(trained(1, 0.1)));
}

}  // namespace
}  // namespace assay

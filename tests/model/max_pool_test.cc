#include "harness/model/max_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <limits>

#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::random_normal;

struct Pooled {
  at::Tensor y, gradient;
};

// Pools x [n, C, H, W] and takes the gradient of a sum of weighted outputs.
template <typename Pool>
Pooled pool(const at::Tensor& x, Pool pool) {
  const c10::AutoGradMode with_graph(true);
  const at::Tensor leaf = x.detach().requires_grad_(true);
  const at::Tensor y = pool(leaf);
  y.backward(random_normal(y.sizes(), 2).to(y.scalar_type()));
  return {y.detach(), leaf.grad()};
}

void expect_same(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_TRUE(a.nan_to_num(7).equal(b.nan_to_num(7)));
  EXPECT_TRUE(a.isnan().equal(b.isnan()));
}

void expect_as_libtorch(const at::Tensor& x, std::vector<int64_t> kernel,
                        std::vector<int64_t> stride = {}, std::vector<int64_t> padding = {0},
                        bool ceil_mode = false) {
  SCOPED_TRACE(c10::str("of ", x.sizes()));
  const auto ours = [&](const at::Tensor& t) {
    return max_pool(t, kernel, stride, padding, {1}, ceil_mode);
  };
  const auto theirs = [&](const at::Tensor& t) {
    return at::max_pool2d(t, kernel, stride, padding, {1}, ceil_mode);
  };
  expect_same(ours(x), theirs(x));
  const Pooled own = pool(x, ours), other = pool(x, theirs);
  expect_same(own.y, other.y);
  expect_same(own.gradient, other.gradient);
}

TEST(MaxPool, HasTheValuesAndGradientsOfLibTorchWhateverTheSides) {
  for (const int64_t height : {2, 3, 8}) {
    for (int64_t width = 2; width < 20; ++width) {
      expect_as_libtorch(random_normal({2, 3, height, width}, 1), {2, 2}, {2, 2});
    }
  }
}

TEST(MaxPool, TakesTheFirstOfEqualEntries) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    expect_as_libtorch(random_normal({2, 4, 6, 14}, seed).relu().round(), {2});
  }
}

TEST(MaxPool, PassesOnInfinitiesAndNaN) {
  for (int64_t place = 0; place < 28; ++place) {
    at::Tensor x = random_normal({1, 1, 2, 14}, 5);
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      x.view({28})[place] = value;
      expect_as_libtorch(x, {2, 2});
    }
  }
}

TEST(MaxPool, LeavesWhatItDoesNotKnowToLibTorch) {
  const at::Tensor x = random_normal({2, 3, 9, 11}, 3);
  expect_as_libtorch(x, {3, 3});
  expect_as_libtorch(x, {2, 2}, {1, 1});
  expect_as_libtorch(x, {2, 3});
  expect_as_libtorch(x, {2, 2}, {2, 2}, {1, 1});
  expect_as_libtorch(x, {2, 2}, {}, {0}, true);
  expect_as_libtorch(x.to(at::kDouble), {2, 2});
  expect_as_libtorch(x[0], {2, 2});
  expect_as_libtorch(x.transpose(2, 3), {2, 2});
  expect_as_libtorch(x.contiguous(at::MemoryFormat::ChannelsLast), {2, 2});
}

TEST(MaxPool, TakesThePlaceOfLibTorchsInAGraph) {
  torch::jit::Module module("module");
  module.define("def forward(self, x):\n  return torch.relu(torch.max_pool2d(x, [2, 2])) + 1.0\n");
  const at::Tensor x = random_normal({2, 3, 8, 8}, 4);
  const at::Tensor expected = at::max_pool2d(x, {2, 2}).relu().add(1);
  replace_max_pool(module);
  EXPECT_THAT(module.get_method("forward").graph()->toString(),
              ::testing::AllOf(::testing::HasSubstr("assay::max_pool"),
                               ::testing::Not(::testing::HasSubstr("aten::max_pool2d"))));
  EXPECT_TRUE(module.forward({x}).toTensor().equal(expected));
}

}  // namespace
}  // namespace assay

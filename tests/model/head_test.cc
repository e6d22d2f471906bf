#include "harness/model/head.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Model head_model(const at::Tensor& weight) {  // [width, K]
  return load_module(Shape{{6}, weight.size(1)},
                     "def forward(self, x):\n"
                     "    return torch.tanh(x.matmul(self.first)).matmul(self.last)\n",
                     {{"first", random_normal({6, weight.size(0)}, 1)}, {"last", weight}});
}

TEST(HeadMisfit, IsNothingForTheLastLayerThroughAnyMap) {
  enter_worker();
  const at::Tensor weight = random_normal({4, 12}, 2);
  const Model model = head_model(weight);
  const at::Tensor head = weight.t().to(at::kDouble);
  const at::Tensor map = random_normal({4, 4}, 3, at::kDouble);
  EXPECT_LT(head_misfit(model, head.matmul(map)).value(), 1e-9);
  // Without what a softmax hides.
  EXPECT_LT(head_misfit(model, head.sub(head.mean(0, true)).matmul(map)).value(), 1e-9);
  EXPECT_NEAR(head_misfit(model, random_normal({12, 4}, 4, at::kDouble)).value(),
              std::sqrt(1 - 4.0 / 12), 0.2);
  EXPECT_FALSE(head_misfit(model, random_normal({12, 5}, 5, at::kDouble)).has_value());
}

TEST(HeadMisfit, GrowsWithWhatIsMissing) {
  enter_worker();
  const at::Tensor weight = random_normal({4, 12}, 2);
  const Model model = head_model(weight);
  const at::Tensor head = weight.t().to(at::kDouble);
  const at::Tensor noise = random_normal({12, 4}, 6, at::kDouble);
  const double little = head_misfit(model, head.add(noise, 1e-3)).value();
  const double more = head_misfit(model, head.add(noise, 1e-2)).value();
  EXPECT_GT(little, 1e-4);
  EXPECT_NEAR(more / little, 10, 1);
}

}  // namespace
}  // namespace assay::testing

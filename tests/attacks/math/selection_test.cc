#include "attacks/math/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <vector>

#include "harness/model/ball.h"
#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

std::vector<int64_t> list(const at::Tensor& places) {
  const int64_t* first = places.contiguous().const_data_ptr<int64_t>();
  return {first, first + places.size(0)};
}

TEST(Selection, TakesTheHighestAndOfEqualsTheFirst) {
  const at::Tensor scores = values({1, 3, 2, 3, -1, 3}, at::kDouble);
  EXPECT_EQ(list(attacks::highest(scores, 4)), (std::vector<int64_t>{1, 3, 5, 2}));
  EXPECT_EQ(list(attacks::highest(scores, 0)), std::vector<int64_t>{});
}

TEST(Selection, KnowsEntropy) {
  const at::Tensor logits = at::stack({values({5, 5, 5, 5}), values({0, 0, -1e30, -1e30}),
                                       values({1e30, 0, 0, 0}), values({3, 1, 0, -2})});
  const at::Tensor entropy = attacks::entropy_of(logits);
  EXPECT_NEAR(entropy[0].item<double>(), std::log(4), 1e-12);
  EXPECT_NEAR(entropy[1].item<double>(), std::log(2), 1e-12);
  EXPECT_EQ(entropy[2].item<double>(), 0);
  double expected = 0;
  const at::Tensor p = logits[3].to(at::kDouble).softmax(0);
  for (int64_t i = 0; i < 4; ++i) {
    expected -= p[i].item<double>() * std::log(p[i].item<double>());
  }
  EXPECT_NEAR(entropy[3].item<double>(), expected, 1e-12);
}

double apart(const at::Tensor& a, const at::Tensor& b) { return a.sub(b).norm().item<double>(); }

// The definition, point by point.
std::vector<int64_t> greedy(const at::Tensor& points, std::vector<at::Tensor> centres, int64_t k) {
  std::vector<int64_t> taken;
  while (static_cast<int64_t>(taken.size()) < k) {
    int64_t best = -1;
    double farthest = -1;
    for (int64_t i = 0; i < points.size(0); ++i) {
      if (std::count(taken.begin(), taken.end(), i) > 0) continue;
      double nearest = std::numeric_limits<double>::infinity();
      for (const at::Tensor& centre : centres) {
        nearest = std::min(nearest, apart(points[i], centre));
      }
      if (nearest > farthest) {
        farthest = nearest;
        best = i;
      }
    }
    taken.push_back(best);
    centres.push_back(points[best]);
  }
  return taken;
}

TEST(Selection, TakesTheFarthestPointsOneAfterTheOther) {
  const at::Tensor points = random_normal({40, 3}, 1, at::kDouble);
  const at::Tensor centres = random_normal({300, 3}, 2, at::kDouble).mul(0.3);
  EXPECT_EQ(list(attacks::farthest_first(points, centres, 12)),
            greedy(points, centres.unbind(), 12));
  EXPECT_EQ(list(attacks::farthest_first(points, centres.narrow(0, 0, 0), 12)),
            greedy(points, {}, 12));
}

TEST(Selection, TakesEachOfEqualPointsOnce) {
  const at::Tensor points = at::ones({4, 2}, at::kDouble);
  std::vector<int64_t> taken = list(attacks::farthest_first(points, points.narrow(0, 0, 1), 4));
  std::sort(taken.begin(), taken.end());
  EXPECT_EQ(taken, (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST(Selection, KnowsTheDistanceToTheBoundariesOfALinearSurrogate) {
  enter_worker();
  const Shape shape{.shape = {5}, .classes = 4};
  const at::Tensor weight = random_normal({4, 5}, 1), bias = random_normal({4}, 2).mul(0.1);
  const auto path = std::filesystem::temp_directory_path() / "assay-linear-surrogate.pt";
  const auto victim = std::filesystem::temp_directory_path() / "assay-linear-victim.pt";
  const char* linear = "def forward(self, x):\n    return torch.addmm(self.b, x, self.w.t())\n";
  save_module(path, linear, {{"w", weight}, {"b", bias}});
  save_module(victim, linear, {{"w", weight.mul(2)}, {"b", bias}});
  const ModelSpec spec = to_spec(shape, victim);
  Surrogate surrogate(Architecture::of(spec, victim, path.string()), spec, Recipe{}, 1);
  std::filesystem::remove(path);
  std::filesystem::remove(victim);
  const at::Tensor x = random_uniform({300, 5}, 3, 0, 1);
  const at::Tensor logits = x.matmul(weight.t()).add(bias);
  const at::Tensor distances = attacks::boundary_distance(surrogate, x, 3);
  const at::Tensor of_one = attacks::boundary_distance(surrogate, x, 1);
  for (int64_t i = 0; i < x.size(0); ++i) {
    const int64_t y = logits[i].argmax().item<int64_t>();
    double nearest = std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < 4; ++k) {
      if (k == y) continue;
      const double lead = logits[i][y].sub(logits[i][k]).item<double>();
      nearest = std::min(nearest, lead / weight[y].sub(weight[k]).norm().item<double>());
    }
    EXPECT_NEAR(distances[i].item<double>(), nearest, 1e-5);
    EXPECT_GE(of_one[i].item<double>(), distances[i].item<double>());
  }
  EXPECT_TRUE(of_one.gt(distances).any().item<bool>());
}

}  // namespace
}  // namespace assay::testing

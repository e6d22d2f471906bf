#include "attacks/math/kinks.h"

#include <gtest/gtest.h>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::values;

// [K] slopes that begin at each place, and noise that alternates from value to value.
struct Broken {
  std::vector<double> places;
  at::Tensor jumps;  // [places, K]
  double noise = 0;
  int64_t asked = 0;

  Curve curve() {
    return [this](const at::Tensor& t) {
      asked += t.size(0);
      const at::Tensor at = values(places, at::kDouble);
      const at::Tensor z = t.unsqueeze(1).sub(at).relu().matmul(jumps);
      return z.add(t.unsqueeze(1), 3).add(t.mul(1e9).sin().unsqueeze(1), noise);
    };
  }
};

Broken broken(double noise = 0) {
  return {{0.013, 0.2, 0.2004, 0.61, 0.97},
          values({1, -2, 0.5, 1, -1, 1, 0, 3, 0.01, 0}, at::kDouble).reshape({5, 2}),
          noise};
}

TEST(Kinks, AreFoundWithTheirJumpsAndRoom) {
  Broken function = broken();
  const std::vector<Kink> kinks = find_kinks(function.curve(), {1e-14, 1000});
  ASSERT_EQ(kinks.size(), 5U);
  for (size_t i = 0; i < kinks.size(); ++i) {
    EXPECT_NEAR(kinks[i].at, function.places[i], 1e-9);
    EXPECT_TRUE(kinks[i].jump.allclose(function.jumps[static_cast<int64_t>(i)], 1e-6, 1e-8));
  }
  EXPECT_NEAR(kinks[0].room, 0.013, 1e-9);
  EXPECT_NEAR(kinks[1].room, 0.0004, 1e-9);
  EXPECT_NEAR(kinks[4].room, 0.03, 1e-9);
  EXPECT_LT(function.asked, 200);
}

TEST(Kinks, NoiseIsNone) {
  Broken function = broken(1e-6);
  const std::vector<Kink> kinks = find_kinks(function.curve(), {1e-6, 1000});
  ASSERT_GE(kinks.size(), 3U);
  for (const Kink& kink : kinks) {
    double nearest = 1;
    for (const double place : function.places) {
      nearest = std::min(nearest, std::abs(place - kink.at));
    }
    EXPECT_LT(nearest, 1e-3);
  }
  Broken straight{{0.5}, at::zeros({1, 2}, at::kDouble), 1e-6};
  EXPECT_TRUE(find_kinks(straight.curve(), {1e-6, 1000}).empty());
  EXPECT_EQ(straight.asked, 3);
}

TEST(Kinks, NoMoreIsAskedThanTheBudget) {
  for (int64_t budget = 0; budget < 60; ++budget) {
    Broken function = broken();
    find_kinks(function.curve(), {1e-14, budget});
    EXPECT_LE(function.asked, budget);
  }
}

TEST(Kinks, ACurveThatBendsEverywhereHasNone) {
  const Curve round = [](const at::Tensor& t) { return t.mul(9).sin().unsqueeze(1); };
  EXPECT_TRUE(find_kinks(round, {1e-13, 2000}).empty());
}

}  // namespace
}  // namespace assay::attacks

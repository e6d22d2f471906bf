#include "harness/model/ball.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::values;

TEST(Distance, FollowsEachNorm) {
  const at::Tensor a = values({0, 0, 0, 1}).view({1, 2, 2});
  const at::Tensor b = values({3, -4, 0, 1}).view({1, 2, 2});
  EXPECT_EQ(distance(a, b, Norm::kL0)[0].item<double>(), 2);
  EXPECT_EQ(distance(a, b, Norm::kL1)[0].item<double>(), 7);
  EXPECT_EQ(distance(a, b, Norm::kL2)[0].item<double>(), 5);
  EXPECT_EQ(distance(a, b, Norm::kLinf)[0].item<double>(), 4);
}

TEST(Distance, SubtractsInFloat64) {
  // In float32 the difference of these neighbours of 1 rounds; in float64 it is exact.
  const float x = 1.0F, y = std::nextafter(0.3F, 1.0F);
  const at::Tensor a = at::full({1, 1}, x), b = at::full({1, 1}, y);
  EXPECT_EQ(distance(a, b, Norm::kLinf)[0].item<double>(),
            static_cast<double>(x) - static_cast<double>(y));
}

TEST(Distance, OfARowDoesNotDependOnTheOthers) {
  const at::Tensor a = testing::random_uniform({65, 1, 13, 11}, 1, 0, 1);
  const at::Tensor b = testing::random_uniform({65, 1, 13, 11}, 2, 0, 1);
  for (const Norm norm : {Norm::kL0, Norm::kL1, Norm::kL2, Norm::kLinf}) {
    const at::Tensor all = distance(a, b, norm);
    for (const int64_t i : {0, 31, 64}) {
      EXPECT_TRUE(all.narrow(0, i, 1).equal(distance(a.narrow(0, i, 1), b.narrow(0, i, 1), norm)));
    }
  }
}

TEST(BallRadius, AddsOneRoundingOfTheBoxPerEntry) {
  ThreatModel threat;
  threat.eps = 0.5;
  threat.lo = -2;
  threat.hi = 1;
  const double u = 0x1p-23;
  threat.norm = Norm::kLinf;
  EXPECT_EQ(ball_radius(threat, 100, false), 0.5 + 2 * u);
  EXPECT_EQ(ball_radius(threat, 100, true), 0.5 + 2 * 0x1p-52);
  threat.norm = Norm::kL2;
  EXPECT_EQ(ball_radius(threat, 100, false), 0.5 + 2 * u * 10);
  threat.norm = Norm::kL1;
  EXPECT_EQ(ball_radius(threat, 100, false), 0.5 + 2 * u * 100);
  threat.norm = Norm::kL0;
  threat.eps = 3;
  EXPECT_EQ(ball_radius(threat, 100, false), 3);
  threat.eps.reset();
  EXPECT_EQ(ball_radius(threat, 100, false), std::numeric_limits<double>::infinity());
}

TEST(InBox, IsExactAndRefusesNaN) {
  const float above = std::nextafter(1.0F, 2.0F);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor x = values({0, 1, 0.5, above, 0.5, nan, -1e-30, 0.5}).view({4, 2});
  const at::Tensor inside = in_box(x, 0, 1);
  EXPECT_TRUE(inside[0].item<bool>());
  EXPECT_FALSE(inside[1].item<bool>());
  EXPECT_FALSE(inside[2].item<bool>());
  EXPECT_FALSE(inside[3].item<bool>());
}

}  // namespace
}  // namespace assay

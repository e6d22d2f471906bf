#include "attacks/math/hyperplane.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "harness/model/ball.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::kNorms;
using testing::random_normal;
using testing::random_uniform;
using testing::values;

// The least norm by a slow independent way: bisection on the shared multiplier for linf and l2, and
// for l1 the steepest entries first. Infinite where the box ends before the plane.
double least_norm(const std::vector<double>& x, const std::vector<double>& w, double rise,
                  Norm norm, double lo, double hi) {
  const double sign = rise > 0 ? 1 : -1;
  const size_t d = x.size();
  std::vector<double> room(d);
  double most = 0;
  for (size_t i = 0; i < d; ++i) {
    room[i] = sign * w[i] > 0 ? hi - x[i] : x[i] - lo;
    most += std::abs(w[i]) * room[i];
  }
  if (most < std::abs(rise)) return std::numeric_limits<double>::infinity();
  if (norm == Norm::kL1) {
    std::vector<size_t> order(d);
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return std::abs(w[a]) > std::abs(w[b]); });
    double left = std::abs(rise);
    double sum = 0;
    for (const size_t i : order) {
      if (left <= 0 || w[i] == 0) break;
      const double way = std::min(room[i], left / std::abs(w[i]));
      sum += way;
      left -= way * std::abs(w[i]);
    }
    return sum;
  }
  const auto moved = [&](double t, size_t i) {
    return w[i] == 0 ? 0 : std::min(norm == Norm::kL2 ? t * std::abs(w[i]) : t, room[i]);
  };
  double low = 0;
  double high = 1e9;
  for (int step = 0; step < 300; ++step) {
    const double t = 0.5 * (low + high);
    double gained = 0;
    for (size_t i = 0; i < d; ++i) gained += std::abs(w[i]) * moved(t, i);
    (gained < std::abs(rise) ? low : high) = t;
  }
  double result = 0;
  for (size_t i = 0; i < d; ++i) {
    const double way = moved(high, i);
    result = norm == Norm::kL2 ? std::hypot(result, way) : std::max(result, way);
  }
  return result;
}

TEST(ToPlane, IsTheSmallestStepThatReachesThePlaneInsideTheBox) {
  for (const Norm norm : kNorms) {
    int64_t bound_by_box = 0;
    for (const int64_t d : {1, 2, 7, 60, 400}) {
      const at::Tensor x = random_uniform({40, d}, 1, -1, 2, at::kDouble);
      at::Tensor w = random_normal({40, d}, 2, at::kDouble);
      w = w.mul(w.abs().gt(0.2));  // zeros among the entries
      const at::Tensor rise =
          random_normal({40}, 3, at::kDouble).mul(std::sqrt(static_cast<double>(d)));
      const at::Tensor step = to_plane(x, w, rise, norm, -1, 2);
      ASSERT_TRUE(in_box(x.add(step), -1 - 1e-12, 2 + 1e-12).all().item<bool>());
      const at::Tensor gained = row_dot(w, step);
      const at::Tensor length = distance(step, at::zeros_like(step), norm);
      for (int64_t i = 0; i < 40; ++i) {
        const double wanted = rise[i].item<double>();
        const double least =
            least_norm(testing::doubles(x[i]), testing::doubles(w[i]), wanted, norm, -1, 2);
        if (std::isinf(least)) continue;
        EXPECT_NEAR(gained[i].item<double>(), wanted, 1e-9 * (1 + std::abs(wanted)));
        EXPECT_NEAR(length[i].item<double>(), least, 1e-9 * (1 + least))
            << to_string(norm) << " d " << d << " row " << i;
        const double free =
            std::abs(wanted) / dual_length(w, norm)[i].item<double>();  // without a box
        EXPECT_GE(least, free * (1 - 1e-9));
        bound_by_box += least > 1.001 * free ? 1 : 0;
      }
    }
    EXPECT_GT(bound_by_box, 20) << to_string(norm);  // else the box was never tested
  }
}

TEST(ToPlane, GoesToTheCornerWhereTheBoxEndsFirst) {
  const at::Tensor x = values({0.25, 0.5, 0.75}).unsqueeze(0);
  const at::Tensor w = values({1.0, -2.0, 0.0}).unsqueeze(0);
  for (const Norm norm : kNorms) {
    const at::Tensor up = to_plane(x, w, values({50.0}, at::kDouble), norm, 0, 1);
    EXPECT_TRUE(up.equal(values({0.75, -0.5, 0.0}, at::kDouble).unsqueeze(0)));
    const at::Tensor down = to_plane(x, w, values({-50.0}, at::kDouble), norm, 0, 1);
    EXPECT_TRUE(down.equal(values({-0.25, 0.5, 0.0}, at::kDouble).unsqueeze(0)));
  }
}

TEST(ToPlane, StaysWhereThereIsNoDirectionOrNoFiniteRise) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor x = at::full({4, 3}, 0.5);
  const at::Tensor w = at::stack({values({0.0, 0.0, 0.0}), values({1.0, 1.0, 1.0}),
                                  values({1.0, 1.0, 1.0}), values({nan, nan, nan})});
  const at::Tensor rise = values({1.0, nan, 0.0, 1.0}, at::kDouble);
  for (const Norm norm : kNorms) {
    EXPECT_TRUE(to_plane(x, w, rise, norm, 0, 1).eq(0).all().item<bool>()) << to_string(norm);
  }
}

TEST(ToPlane, SurvivesNormalsOfEveryMagnitude) {
  const at::Tensor x = at::full({1, 4}, 0.5, at::kDouble);
  const at::Tensor w = values({3.0, -1.0, 2.0, 0.5}, at::kDouble).unsqueeze(0);
  for (const Norm norm : kNorms) {
    const at::Tensor step = to_plane(x, w, values({1.0}, at::kDouble), norm, 0, 1);
    for (const double factor : {1e-250, 1e250}) {
      const at::Tensor scaled =
          to_plane(x, w.mul(factor), values({factor}, at::kDouble), norm, 0, 1);
      EXPECT_TRUE(at::allclose(scaled, step, 1e-12)) << to_string(norm) << " times " << factor;
    }
  }
}

TEST(ToPlane, RowsKeepTheirBitsInEveryBatch) {
  const at::Tensor x = random_uniform({33, 37}, 16, 0, 1);
  const at::Tensor w = random_normal({33, 37}, 17);
  const at::Tensor rise = random_normal({33}, 18, at::kDouble);
  for (const Norm norm : kNorms) {
    const at::Tensor whole = to_plane(x, w, rise, norm, 0, 1);
    const at::Tensor lengths = dual_length(w, norm);
    for (int64_t n = 1; n <= 33; ++n) {
      const auto part = [n](const at::Tensor& t) { return t.narrow(0, 33 - n, n); };
      EXPECT_TRUE(to_plane(part(x), part(w), part(rise), norm, 0, 1).equal(part(whole)));
      EXPECT_TRUE(dual_length(part(w), norm).equal(part(lengths)));
      EXPECT_TRUE(row_dot(part(w), part(x)).equal(part(row_dot(w, x))));
    }
  }
}

TEST(ToPlane, EveryEntryMayHaveWallsOfItsOwn) {
  const at::Tensor x = at::zeros({1, 3}, at::kDouble);
  const at::Tensor w = values({1.0, -1.0, 1.0}, at::kDouble).unsqueeze(0);
  const at::Tensor low = values({-9.0, -0.5, -9.0}, at::kDouble).unsqueeze(0);
  const at::Tensor high = values({0.1, 9.0, 9.0}, at::kDouble).unsqueeze(0);
  const at::Tensor rise = values({1.5}, at::kDouble);
  const at::Tensor expected = values({0.1, -0.5, 0.9}, at::kDouble).unsqueeze(0);
  EXPECT_TRUE(at::allclose(to_plane(x, w, rise, Norm::kLinf, low, high), expected));
  const at::Tensor step = to_plane(x, w, rise, Norm::kL2, -4, 4);
  EXPECT_TRUE(at::allclose(
      step, to_plane(x, w, rise, Norm::kL2, at::full_like(x, -4), at::full_like(x, 4))));
}

// Of rows with slopes 4 and 1: the first entry alone may go as far as it takes, or to its wall.
TEST(ToPlane, ChangesTheFewestEntriesInL0) {
  const at::Tensor x = values({0.1, 0.5, 0.95, 0.1}, at::kDouble).view({2, 2});
  const at::Tensor w = values({4.0, 1.0, 4.0, 1.0}, at::kDouble).view({2, 2});
  const at::Tensor step = to_plane(x, w, values({2.0, 0.6}, at::kDouble), Norm::kL0, 0, 1);
  EXPECT_TRUE(at::allclose(step, values({0.5, 0.0, 0.0, 0.6}, at::kDouble).view({2, 2})));
}

TEST(Reach, PutsWhatTheBoxKeepsOutBehindWhatItDoesNot) {
  const at::Tensor x = values({0.9, 0.1}, at::kDouble).expand({4, 2});
  const at::Tensor w =
      values({1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0}, at::kDouble).view({4, 2}).contiguous();
  const at::Tensor rise = values({0.2, 0.8, 0.3, 0.1}, at::kDouble);
  for (const Norm norm : kNorms) {
    const Reach reach = reach_of(to_plane(x, w, rise, norm, 0, 1), w, rise, norm);
    EXPECT_TRUE(reach.boxed.isinf().equal(values({1.0, 0.0, 1.0, 1.0}).to(at::kBool)));
    EXPECT_NEAR(reach.boxed[1].item<double>(), 0.8, 1e-12);
    const auto row = [&reach](int64_t i) {
      return Reach{reach.boxed.narrow(0, i, 1), reach.open.narrow(0, i, 1)};
    };
    const auto is_nearer = [&row](int64_t a, int64_t b) {
      return nearer(row(a), row(b)).item<bool>();
    };
    EXPECT_TRUE(is_nearer(1, 0));
    EXPECT_FALSE(is_nearer(0, 1));
    EXPECT_TRUE(is_nearer(0, 2)) << "neither in reach";
    EXPECT_TRUE(is_nearer(2, 3)) << "a plane without a normal is nowhere";
    EXPECT_FALSE(is_nearer(3, 3));
  }
}

}  // namespace
}  // namespace assay::attacks

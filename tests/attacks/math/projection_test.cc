#include "attacks/math/projection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "attacks/math/random_point.h"
#include "harness/model/ball.h"
#include "harness/model/model.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::kNorms;
using testing::random_normal;
using testing::random_uniform;
using testing::values;

// Shares of an eps of 1 are an eps of their own for each feature.
TEST(Shares, AreRadiiOfTheFeatures) {
  const at::Tensor x0 = random_uniform({7, 30}, 3, 0.2, 0.8);
  const at::Tensor g = random_normal({7, 30}, 4);
  Ball ball{Norm::kLinf, 1, 0, 1};
  at::Tensor reach = at::zeros({30});
  for (int64_t i = 0; i < 30; ++i) {
    ball.share.push_back(static_cast<double>(i % 3) * 0.1);
    reach[i] = ball.share.back();
  }
  const auto box = [](const at::Tensor& x) { return x.clamp(0, 1); };
  const at::Tensor corner = box(x0.add(g.sign().mul(reach)));
  EXPECT_TRUE(at::allclose(maximise_linear(g, x0, ball), corner, 0, 1e-6));
  EXPECT_TRUE(at::allclose(project(x0.add(g.sign()), x0, ball), corner, 0, 1e-6));
  // A step of a quarter takes each feature a quarter of its way.
  const at::Tensor once = ascend(x0, g, x0, 0.25, 0, ball);
  EXPECT_TRUE(at::allclose(once, box(x0.add(g.sign().mul(reach).mul(0.25))), 0, 1e-6));
  const std::vector<uint64_t> keys = {1, 2, 3, 4, 5, 6, 7};
  for (const at::Tensor& drawn : {random_point(x0, keys, 0, 0, Rng(1, "shares", 0), ball),
                                  surface_point(x0, keys, 0, 0, Rng(1, "shares", 0), ball)}) {
    EXPECT_TRUE(drawn.sub(x0).abs().le(reach.add(1e-6)).all().item<bool>());
    EXPECT_GT(drawn.sub(x0).abs().div(reach).nan_to_num().max().item<double>(), 0.9);
  }
}

double radius_of(const Ball& ball, int64_t d, at::ScalarType dtype) {
  ThreatModel threat;
  threat.norm = ball.norm;
  threat.eps = ball.eps;
  threat.lo = ball.lo;
  threat.hi = ball.hi;
  return ball_radius(threat, d, dtype == at::kDouble);
}

// Every row lies in the box and in the judge's ball.
void expect_inside(const at::Tensor& x, const at::Tensor& x0, const Ball& ball) {
  EXPECT_TRUE(in_box(x, ball.lo, ball.hi).all().item<bool>());
  const double radius = radius_of(ball, x0[0].numel(), x0.scalar_type());
  const double worst = distance(x, x0, ball.norm).max().item<double>();
  EXPECT_LE(worst, radius) << to_string(ball.norm) << " eps " << ball.eps << " over by "
                           << worst - radius;
}

// Euclidean projection onto ball ∩ box by Dykstra's algorithm, with the textbook projection onto
// each of the two sets: slow, independent, and convergent to the exact answer. Float64.
std::vector<double> textbook_ball(std::vector<double> v, const Ball& ball) {
  if (ball.norm == Norm::kLinf) {
    for (double& e : v) e = std::clamp(e, -ball.eps, ball.eps);
  } else if (ball.norm == Norm::kL2) {
    const double norm = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    if (norm > ball.eps) {
      for (double& e : v) e *= ball.eps / norm;
    }
  } else {
    double sum = 0;
    for (const double e : v) sum += std::abs(e);
    if (sum > ball.eps) {
      std::vector<double> sorted;
      for (const double e : v) sorted.push_back(std::abs(e));
      std::sort(sorted.rbegin(), sorted.rend());
      double running = 0;
      double threshold = 0;
      for (size_t k = 0; k < sorted.size(); ++k) {
        running += sorted[k];
        const double candidate = (running - ball.eps) / static_cast<double>(k + 1);
        if (sorted[k] > candidate) threshold = candidate;
      }
      for (double& e : v) e = std::copysign(std::max(std::abs(e) - threshold, 0.0), e);
    }
  }
  return v;
}

std::vector<double> dykstra(const std::vector<double>& x, const std::vector<double>& x0,
                            const Ball& ball) {
  const size_t d = x.size();
  std::vector<double> v(d), p(d, 0), q(d, 0);
  for (size_t i = 0; i < d; ++i) v[i] = x[i] - x0[i];
  for (int round = 0; round < 20000; ++round) {
    std::vector<double> y(d);
    for (size_t i = 0; i < d; ++i) y[i] = v[i] + p[i];
    const std::vector<double> a = textbook_ball(y, ball);
    for (size_t i = 0; i < d; ++i) {
      p[i] = y[i] - a[i];
      const double b = a[i] + q[i];
      const double next = std::clamp(b, ball.lo - x0[i], ball.hi - x0[i]);
      q[i] = b - next;
      v[i] = next;
    }
  }
  for (size_t i = 0; i < d; ++i) v[i] += x0[i];
  return v;
}

std::vector<double> to_vector(const at::Tensor& row) {
  const at::Tensor values = row.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

TEST(Projection, IsTheNearestPointOfBallAndBox) {
  for (const Norm norm : kNorms) {
    for (const int64_t d : {1, 2, 5, 12}) {
      for (const double eps : {0.05, 0.3, 0.9, 2.0}) {
        const Ball ball{norm, eps, 0, 1};
        const at::Tensor x0 = random_uniform({12, d}, 1, 0, 1, at::kDouble);
        const at::Tensor x = x0.add(random_normal({12, d}, 2, at::kDouble));
        const at::Tensor projected = project(x, x0, ball);
        for (int64_t i = 0; i < 12; ++i) {
          const std::vector<double> expected = dykstra(to_vector(x[i]), to_vector(x0[i]), ball);
          const std::vector<double> found = to_vector(projected[i]);
          for (size_t k = 0; k < expected.size(); ++k) {
            EXPECT_NEAR(found[k], expected[k], 1e-7)
                << to_string(norm) << " d " << d << " eps " << eps << " row " << i;
          }
        }
      }
    }
  }
}

// A point is the projection of x exactly if no feasible direction leads nearer: ⟨x − p, z − p⟩ ≤ 0
// for every z of the set. Checked against many z, the vertices of the set among them.
TEST(Projection, FulfilsTheVariationalInequalityInHighDimension) {
  for (const Norm norm : kNorms) {
    const Ball ball{norm, norm == Norm::kLinf ? 0.1 : norm == Norm::kL2 ? 1.5 : 12.0, 0, 1};
    const at::Tensor x0 = random_uniform({4, 784}, 3, 0, 1, at::kDouble);
    const at::Tensor x = x0.add(random_normal({4, 784}, 4, at::kDouble).mul(0.5));
    const at::Tensor p = project(x, x0, ball);
    const at::Tensor outward = x.sub(p);
    const at::Tensor worst = maximise_linear(outward, x0, ball);
    EXPECT_LE(outward.mul(worst.sub(p)).sum(1).max().item<double>(), 1e-7) << to_string(norm);
    std::vector<uint64_t> ids{1, 2, 3, 4};
    for (int64_t k = 0; k < 50; ++k) {
      const at::Tensor z = random_point(x0, ids, k, 0, Rng(5, "test", 0), ball);
      EXPECT_LE(outward.mul(z.sub(p)).sum(1).max().item<double>(), 1e-7) << to_string(norm);
    }
  }
}

TEST(Projection, LandsInsideTheJudgesBallAndTheBox) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const Norm norm : kNorms) {
      for (const double eps : {1e-6, 0.031372549, 0.5, 3.0, 40.0}) {
        for (const auto& box : std::vector<std::pair<double, double>>{
                 {0.0, 1.0}, {-1.0, 1.0}, {0.0, 255.0}, {-0.1, 0.1}}) {
          const Ball ball{norm, eps, box.first, box.second};
          // Inputs that are representable and inside the box, as the data set guarantees.
          const at::Tensor x0 =
              random_uniform({16, 3, 17, 11}, 5, box.first, box.second, dtype).mul(0.999);
          const at::Tensor x = x0.add(random_normal({16, 3, 17, 11}, 6, dtype).mul(box.second));
          const at::Tensor projected = project(x, x0, ball);
          expect_inside(projected, x0, ball);
          expect_inside(project(projected, x0, ball), x0, ball);
          const at::Tensor g = random_normal({16, 3, 17, 11}, 7, dtype);
          expect_inside(maximise_linear(g, x0, ball), x0, ball);
          expect_inside(ascend(projected, g, x0, eps, 5, ball), x0, ball);
          std::vector<uint64_t> ids(16);
          std::iota(ids.begin(), ids.end(), 0);
          expect_inside(random_point(x0, ids, 0, 0, Rng(1, "test", 0), ball), x0, ball);
        }
      }
    }
  }
}

TEST(Projection, LeavesInnerPointsAlone) {
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.5, 0, 1};
    const at::Tensor x0 = random_uniform({8, 20}, 8, 0.1, 0.9);
    const at::Tensor x = x0.add(random_normal({8, 20}, 9).mul(1e-3));
    EXPECT_TRUE(at::allclose(project(x, x0, ball), x, 0, 1e-7)) << to_string(norm);
    EXPECT_TRUE(project(x0, x0, ball).equal(x0)) << to_string(norm);
  }
}

TEST(MaximiseLinear, IsTheDualNormStepWhereTheBoxDoesNotBind) {
  const at::Tensor x0 = at::full({3, 6}, 0.5, at::kDouble);
  const at::Tensor g = random_normal({3, 6}, 10, at::kDouble);
  const double eps = 0.1;
  const auto gain = [&](Norm norm) {
    return maximise_linear(g, x0, {norm, eps, 0, 1}).sub(x0).mul(g).sum(1);
  };
  EXPECT_TRUE(at::allclose(gain(Norm::kLinf), g.abs().sum(1).mul(eps)));
  EXPECT_TRUE(at::allclose(gain(Norm::kL2), g.norm(2, {1}).mul(eps)));
  EXPECT_TRUE(at::allclose(gain(Norm::kL1), g.abs().amax(1).mul(eps)));
}

TEST(MaximiseLinear, NoRandomPointOfTheBallIsBetter) {
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.6, 0, 1};
    const at::Tensor x0 = random_uniform({6, 4}, 11, 0, 1, at::kDouble);
    const at::Tensor g = random_normal({6, 4}, 12, at::kDouble);
    const at::Tensor best = maximise_linear(g, x0, ball).mul(g).sum(1);
    const std::vector<uint64_t> ids{0, 1, 2, 3, 4, 5};
    for (int64_t k = 0; k < 500; ++k) {
      // Random points pushed to the boundary, where the maximum is.
      const at::Tensor far =
          random_point(x0, ids, k, 0, Rng(1, "test", 0), ball).sub(x0).mul(3).add(x0);
      const at::Tensor value = project(far, x0, ball).mul(g).sum(1);
      EXPECT_TRUE(value.le(best.add(1e-9)).all().item<bool>()) << to_string(norm);
    }
  }
}

TEST(Ascend, StepsHaveTheNormOfTheirSize) {
  const at::Tensor x0 = at::full({3, 50}, 0.5, at::kDouble);
  const at::Tensor g = random_normal({3, 50}, 13, at::kDouble);
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 10, 0, 1};
    const at::Tensor x = ascend(x0, g, x0, 0.2, 4, ball);
    EXPECT_TRUE(at::allclose(distance(x, x0, norm), at::full({3}, 0.2, at::kDouble)))
        << to_string(norm);
    EXPECT_TRUE(x.sub(x0).mul(g).sum(1).gt(0).all().item<bool>());
  }
}

TEST(Ascend, L1MovesTheLargestEntriesThatTheBoxLeavesRoomFor) {
  const Ball ball{Norm::kL1, 1, 0, 1};
  const at::Tensor x0 = values({1.0, 0.5, 0.5, 0.5, 0.0}, at::kDouble).unsqueeze(0);
  const at::Tensor g = values({9.0, 3.0, -4.0, 0.5, -8.0}, at::kDouble).unsqueeze(0);
  const at::Tensor expected = values({1.0, 0.6, 0.4, 0.5, 0.0}, at::kDouble).unsqueeze(0);
  EXPECT_TRUE(at::allclose(ascend(x0, g, x0, 0.2, 2, ball), expected));
}

TEST(Ascend, L1SpendsWhatWallsCutOffOnTheEntriesThatAreNext) {
  const Ball ball{Norm::kL1, 10, 0, 1};
  const at::Tensor x0 = values({0.95, 0.5, 0.5, 0.1}, at::kDouble).unsqueeze(0);
  const at::Tensor g = values({9.0, 3.0, 1.0, -2.0}, at::kDouble).unsqueeze(0);
  const at::Tensor expected = values({1.0, 1.0, 0.65, 0.0}, at::kDouble).unsqueeze(0);
  EXPECT_TRUE(at::allclose(ascend(x0, g, x0, 0.8, 1, ball), expected));
}

TEST(Projection, FixedFeaturesStayAndTakeNoPartOfEps) {
  const at::Tensor x0 = random_uniform({4, 30}, 21, 0.3, 0.7, at::kDouble);
  const at::Tensor v = random_normal({4, 30}, 22, at::kDouble);
  const Rng rng(1, "fixed", 0);
  for (const Norm norm : kNorms) {
    Ball ball{norm, norm == Norm::kL1 ? 0.9 : 0.1, 0, 1};
    for (int64_t i = 0; i < 30; ++i) {
      if (i % 5 != 0) ball.fixed.push_back(i);
    }
    const at::Tensor still = at::tensor(ball.fixed, at::kLong);
    const std::vector<at::Tensor> points = {
        project(x0.add(v), x0, ball), maximise_linear(v, x0, ball), ascend(x0, v, x0, 1, 30, ball),
        surface_point(x0, std::vector<uint64_t>{1, 2, 3, 4}, 0, 0, rng, ball)};
    for (size_t i = 0; i < points.size(); ++i) {
      const at::Tensor& x = points[i];
      EXPECT_TRUE(x.index_select(1, still).equal(x0.index_select(1, still)))
          << to_string(norm) << ", point " << i;
      EXPECT_TRUE(at::allclose(distance(x, x0, norm), at::full({4}, ball.eps, at::kDouble)))
          << to_string(norm) << ", point " << i << ": " << distance(x, x0, norm);
    }
    // Uniform in a ball of 6 dimensions, not the shadow of one of 30: the mean length in l2 is 6/7.
    const at::Tensor drawn = random_points(x0.narrow(0, 0, 1), 5, 2000, 0, 0, rng, ball);
    EXPECT_TRUE(
        drawn.index_select(1, still).sub(x0[0].index_select(0, still)).eq(0).all().item<bool>());
    const double mean =
        distance(drawn, x0.narrow(0, 0, 1).expand_as(drawn), norm).mean().item<double>();
    EXPECT_NEAR(mean / ball.eps, 6.0 / 7, 0.02) << to_string(norm);
  }
}

TEST(Ascend, TinyGradientsStillGiveWholeSteps) {
  const at::Tensor x0 = at::full({1, 4}, 0.5, at::kDouble);
  const at::Tensor g = values({1e-300, -1e-300, 0.0, 0.0}, at::kDouble).unsqueeze(0);
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 1, 0, 1};
    EXPECT_NEAR(distance(ascend(x0, g, x0, 0.1, 1, ball), x0, norm).item<double>(), 0.1, 1e-12);
    EXPECT_NEAR(distance(maximise_linear(g, x0, {norm, 0.3, 0, 1}), x0, norm).item<double>(), 0.3,
                1e-12);
  }
}

TEST(Ascend, ZeroAndNonFiniteGradientsNeverLeaveTheBox) {
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.3, 0, 1};
    const at::Tensor x0 = random_uniform({2, 5}, 14, 0, 1);
    at::Tensor g = at::zeros({2, 5});
    EXPECT_TRUE(ascend(x0, g, x0, 0.1, 1, ball).equal(x0));
    EXPECT_TRUE(maximise_linear(g, x0, ball).equal(x0));
    g[0][0] = std::numeric_limits<float>::quiet_NaN();
    g[1][1] = std::numeric_limits<float>::infinity();
    expect_inside(ascend(x0, g, x0, 0.1, 2, ball), x0, ball);
    expect_inside(maximise_linear(g, x0, ball), x0, ball);
    EXPECT_TRUE(ascend(x0, g, x0, 0.1, 2, ball)[0].equal(x0[0])) << to_string(norm);
  }
}

TEST(RandomPoint, IsUniformInTheBall) {
  // In d dimensions the share of a ball's volume within r of its centre is (r / eps)^d, in its
  // norm.
  const int64_t n = 4000;
  std::vector<uint64_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  const at::Tensor x0 = at::zeros({n, 3}, at::kDouble);
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.8, -1, 1};
    const at::Tensor x = random_point(x0, ids, 0, 0, Rng(3, "test", 0), ball);
    const at::Tensor inner = distance(x, x0, norm).div(0.8).pow(3);  // uniform in [0, 1]
    for (const double share : {0.1, 0.25, 0.5, 0.75, 0.9}) {
      const double seen = inner.le(share).to(at::kDouble).mean().item<double>();
      EXPECT_NEAR(seen, share, 4 * std::sqrt(share * (1 - share) / n)) << to_string(norm);
    }
    EXPECT_LT(x.mean(0).abs().max().item<double>(), 0.03) << to_string(norm);
    // Every coordinate spreads alike.
    EXPECT_LT(x.var(0).max().item<double>() / x.var(0).min().item<double>(), 1.15);
  }
}

TEST(RandomPoint, DependsOnItsKeyAlone) {
  const at::Tensor x0 = random_uniform({6, 2, 3}, 15, 0, 1);
  const std::vector<uint64_t> ids{10, 11, 12, 13, 14, 15};
  const Rng rng(9, "test", 0);
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.4, 0, 1};
    const at::Tensor whole = random_point(x0, ids, 1, 2, rng, ball);
    const std::vector<uint64_t> one{13};
    EXPECT_TRUE(
        random_point(x0.narrow(0, 3, 1), one, 1, 2, rng, ball).equal(whole.narrow(0, 3, 1)));
    EXPECT_FALSE(random_point(x0, ids, 2, 2, rng, ball).equal(whole));
    EXPECT_FALSE(random_point(x0, ids, 1, 2, rng.stage(1), ball).equal(whole));
  }
}

TEST(Rows, KeepTheirBitsInEveryBatch) {
  for (const Norm norm : kNorms) {
    const Ball ball{norm, 0.7, 0, 1};
    const at::Tensor x0 = random_uniform({65, 37}, 16, 0, 1);
    const at::Tensor x = x0.add(random_normal({65, 37}, 17));
    const at::Tensor g = random_normal({65, 37}, 18);
    const at::Tensor inside = project(x, x0, ball);
    const at::Tensor moved = ascend(inside, g, x0, 0.3, 3, ball);
    const at::Tensor edge = maximise_linear(g, x0, ball);
    for (int64_t n = 1; n <= 65; ++n) {
      const auto part = [n](const at::Tensor& t) { return t.narrow(0, 65 - n, n); };
      EXPECT_TRUE(project(part(x), part(x0), ball).equal(part(inside)));
      EXPECT_TRUE(ascend(part(inside), part(g), part(x0), 0.3, 3, ball).equal(part(moved)));
      EXPECT_TRUE(maximise_linear(part(g), part(x0), ball).equal(part(edge)));
    }
  }
}

}  // namespace
}  // namespace assay::attacks

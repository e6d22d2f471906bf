#include "attacks/math/random_point.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "harness/model/ball.h"
#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

// The point of the unit l1 ball for uniform numbers u [d + 1]: exponential magnitudes over their
// sum with one more are uniform in the simplex and its interior (Barthe et al. 2005).
void uniform_in_l1(const double* u, double* v, int64_t d, double eps) {
  double sum = -std::log1p(-u[d]);
  for (int64_t i = 0; i < d; ++i) {
    const double side = u[i] < 0.5 ? -1 : 1;
    const double magnitude = -std::log1p(-(u[i] < 0.5 ? 2 * u[i] : 2 * u[i] - 1));
    sum += magnitude;
    v[i] = side * magnitude;
  }
  const double factor = sum > 0 ? eps / sum : 0;
  for (int64_t i = 0; i < d; ++i) v[i] *= factor;
}

// The point of the l2 ball for normal numbers z [d + 2]: the first d coordinates of a uniform point
// on the sphere in d + 2 dimensions are uniform in the ball.
void uniform_in_l2(const double* z, double* v, int64_t d, double eps) {
  double sum = 0;
  for (int64_t i = 0; i < d + 2; ++i) sum += z[i] * z[i];
  const double factor = sum > 0 ? eps / std::sqrt(sum) : 0;
  for (int64_t i = 0; i < d; ++i) v[i] = factor * z[i];
}

// How many numbers one point takes: d and what its norm needs more.
int64_t count_numbers(int64_t d, Norm norm) {
  return d + (norm == Norm::kLinf ? 0 : norm == Norm::kL1 ? 1 : 2);
}

// The point of the ball around each row of x0 for its row of numbers: [n, count_numbers(d)].
at::Tensor points_for(const at::Tensor& x0, const at::Tensor& drawn, const Ball& ball) {
  // These numbers give length 0 to the fixed features, and the others are uniform in their ball.
  const double none = ball.norm == Norm::kL1 ? 0.5 : 0;
  const at::Tensor numbers =
      ball.fixed.empty() ? drawn : drawn.index_fill(1, at::tensor(ball.fixed, at::kLong), none);
  const at::Tensor centre = x0.contiguous();
  const at::Tensor point = at::empty_like(centre);
  const int64_t d = row_length(x0);
  const int64_t width = count_numbers(d, ball.norm);
  with_type(x0, [&](auto zero) {
    using T = decltype(zero);
    const double* draw = numbers.const_data_ptr<double>();
    const T* cs = centre.const_data_ptr<T>();
    T* out = point.data_ptr<T>();
    std::vector<double> v(static_cast<size_t>(d));
    for (int64_t row = 0; row < x0.size(0); ++row, draw += width, cs += d, out += d) {
      if (ball.norm == Norm::kL1) {
        uniform_in_l1(draw, v.data(), d, ball.eps);
      } else if (ball.norm == Norm::kL2) {
        uniform_in_l2(draw, v.data(), d, ball.eps);
      } else {
        for (int64_t i = 0; i < d; ++i) {
          const double most = ball.eps * (ball.share.empty() ? 1 : ball.share[i]);
          const double down = std::max(ball.lo - double{cs[i]}, -most);
          const double up = std::min(ball.hi - double{cs[i]}, most);
          v[i] = down + draw[i] * (up - down);
        }
      }
      for (int64_t i = 0; i < d; ++i) out[i] = static_cast<T>(double{cs[i]} + v[i]);
    }
  });
  return project(point, centre, ball);  // clips to the box; the ball only loses its rounding
}

}  // namespace

at::Tensor random_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                        int64_t step, const Rng& rng, const Ball& ball) {
  ASSAY_CHECK(static_cast<int64_t>(samples.size()) == x0.size(0), "one sample key for each row");
  const int64_t width = count_numbers(row_length(x0), ball.norm);
  const at::Tensor numbers = ball.norm == Norm::kL2 ? rng.normal(samples, {width}, restart, step)
                                                    : rng.uniform(samples, {width}, restart, step);
  return points_for(x0, numbers, ball);
}

at::Tensor random_points(const at::Tensor& x0, uint64_t sample, int64_t count, int64_t restart,
                         int64_t step, const Rng& rng, const Ball& ball) {
  ASSAY_CHECK(x0.size(0) == 1, "points around one row");
  const std::array<uint64_t, 1> key{sample};
  const std::array<int64_t, 2> shape{count, count_numbers(row_length(x0), ball.norm)};
  const at::Tensor numbers = ball.norm == Norm::kL2 ? rng.normal(key, shape, restart, step)
                                                    : rng.uniform(key, shape, restart, step);
  std::vector<int64_t> sizes(static_cast<size_t>(x0.dim()), -1);
  sizes[0] = count;
  return points_for(x0.expand(sizes), numbers.squeeze(0), ball);
}

at::Tensor surface_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                         int64_t step, const Rng& rng, const Ball& ball) {
  const at::IntArrayRef shape = x0.sizes().slice(1);
  const at::Tensor v = free_part(ball.norm == Norm::kLinf
                                     ? rng.uniform(samples, shape, restart, step).mul_(2).sub_(1)
                                     : rng.normal(samples, shape, restart, step),
                                 ball.fixed);                           // [n, ...] float64
  const at::Tensor length = distance(v, at::zeros_like(v), ball.norm);  // [n], never 0
  const at::Tensor scaled =
      by_share(v.mul(spread(length.reciprocal().mul(ball.eps), v)), ball.share);
  return project(x0.add(scaled.to(x0.scalar_type())), x0, ball);
}

at::Tensor far_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                     int64_t step, const Rng& rng, const Ball& ball) {
  const at::Tensor noise = rng.normal(samples, x0.sizes().slice(1), restart, step);  // [n, ...]
  const at::Tensor moved = noise.mul(ball.hi - ball.lo).to(x0.scalar_type());
  return project(x0.add(moved), x0, {ball.norm, 3 * ball.eps, ball.lo, ball.hi, ball.fixed});
}

}  // namespace assay::attacks

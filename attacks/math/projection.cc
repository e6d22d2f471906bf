#include "attacks/math/projection.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

// Slack that keeps sums of d rounded terms inside: a serial sum of d float64 terms is off by at
// most d·2^-53 of itself. Rounding the point to the input's type is what ball_radius allows for.
double slack(size_t d) { return std::max(4 * static_cast<double>(d) * 0x1.0p-53, 1e-13); }

// The box in the input's own type: the outermost values that do not leave it.
template <typename T>
struct Box {
  T lo, hi;
  explicit Box(const Ball& ball) : lo(static_cast<T>(ball.lo)), hi(static_cast<T>(ball.hi)) {
    if (static_cast<double>(lo) < ball.lo) lo = std::nextafter(lo, std::numeric_limits<T>::max());
    if (static_cast<double>(hi) > ball.hi) {
      hi = std::nextafter(hi, std::numeric_limits<T>::lowest());
    }
  }
};

// A displacement v of one row: magnitudes |v|, and the room that the box leaves in v's direction.
struct Reach {
  std::vector<double> size;  // |v|, only entries with |v| > 0 and room > 0
  std::vector<double> room;

  void clear() {
    size.clear();
    room.clear();
  }
  void add(double v, double up, double down) {
    const double r = v > 0 ? up : down;
    if (v == 0 || !(r > 0)) return;
    size.push_back(std::abs(v));
    room.push_back(r);
  }
};

// λ ≥ 0 such that Σ min(max(|v| − λ, 0), room) = eps, from below: the threshold of the projection
// onto l1 ball ∩ box. The sum falls piecewise linearly in λ; Newton steps, guarded by bisection.
// Entries that no higher threshold can reach are dropped from `reach` on the way.
double l1_threshold(Reach& reach, double eps) {
  size_t n = reach.size.size();
  const double tolerance = slack(n) * eps;
  const double goal = eps - tolerance;
  double low = 0;
  double high = n == 0 ? 0 : *std::max_element(reach.size.begin(), reach.size.end());
  double lambda = 0;
  for (int step = 0; step < 200; ++step) {
    double sum = 0;
    double slope = 0;  // entries strictly between 0 and their room
    for (size_t i = 0; i < n; ++i) {
      const double excess = reach.size[i] - lambda;
      sum += std::clamp(excess, 0.0, reach.room[i]);
      slope += excess > 0 && excess < reach.room[i] ? 1.0 : 0.0;
    }
    if (step == 0 && sum <= eps) return 0;  // the box alone is enough
    if (std::abs(sum - goal) <= tolerance) return lambda;
    if (sum > goal) {
      low = lambda;
      size_t kept = 0;
      for (size_t i = 0; i < n; ++i) {
        if (reach.size[i] <= low) continue;
        reach.size[kept] = reach.size[i];
        reach.room[kept++] = reach.room[i];
      }
      n = kept;
    } else {
      high = lambda;
    }
    const double newton = lambda + (sum - goal) / slope;
    lambda = slope > 0 && newton > low && newton < high ? newton : low + (high - low) / 2;
    if (lambda <= low || lambda >= high) break;  // neighbours: nothing in between
  }
  return high;
}

// t in [0, most] such that Σ min(t·|v|, room)² = eps², from below, or `most` where that is inside.
// In s = t² the sum is concave and piecewise linear, so Newton from 0 climbs to the root without
// ever passing it, and every iterate is inside the ball.
double l2_scale(const Reach& reach, double eps, double most) {
  const size_t n = reach.size.size();
  const double goal = eps * eps * (1 - 2 * slack(n));
  double s = 0;
  for (size_t step = 0; step <= n && std::sqrt(s) < most; ++step) {
    double free = 0;  // Σ |v|² of entries that still grow
    double full = 0;  // Σ room² of those at their limit
    for (size_t i = 0; i < n; ++i) {
      const double size2 = reach.size[i] * reach.size[i];
      const double room2 = reach.room[i] * reach.room[i];
      if (size2 * s < room2) {
        free += size2;
      } else {
        full += room2;
      }
    }
    if (free == 0) return most;  // the room alone is inside
    const double next = (goal - full) / free;
    if (!(next > s)) break;
    s = next;
  }
  return std::min(std::sqrt(s), most);
}

// Work space for one row at a time.
class Projector {
 public:
  explicit Projector(const Ball& ball) : ball_(ball) {}

  // out = nearest point of the ball around x0 to x0 + v. v is used up.
  template <typename T>
  void project(double* v, const T* x0, T* out, int64_t d) {
    for (const int64_t i : ball_.fixed) v[i] = 0;
    if (ball_.norm == Norm::kLinf) {
      for (int64_t i = 0; i < d; ++i) v[i] = std::clamp(v[i], -most(i), most(i));
    } else {
      measure(v, x0, d);
      if (ball_.norm == Norm::kL2) {
        const double scale = l2_scale(reach_, ball_.eps, 1);
        if (scale < 1) {
          for (int64_t i = 0; i < d; ++i) v[i] *= scale;
        }
      } else {
        const double threshold = l1_threshold(reach_, ball_.eps);
        if (threshold > 0) {
          for (int64_t i = 0; i < d; ++i) {
            v[i] = std::copysign(std::max(std::abs(v[i]) - threshold, 0.0), v[i]);
          }
        }
      }
    }
    place(v, x0, out, d);
  }

  // v = the displacement of norm ≤ eps within the box that maximises ⟨v, g⟩; g comes in v.
  template <typename T>
  void maximise(double* v, const T* x0, T* out, int64_t d) {
    for (const int64_t i : ball_.fixed) v[i] = 0;
    double largest = 0;
    for (int64_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(v[i]));
    if (!(largest > 0)) {
      std::copy(x0, x0 + d, out);
      return;
    }
    if (ball_.norm == Norm::kLinf) {
      for (int64_t i = 0; i < d; ++i) v[i] = v[i] == 0 ? 0 : std::copysign(most(i), v[i]);
    } else if (ball_.norm == Norm::kL2) {
      for (int64_t i = 0; i < d; ++i) v[i] /= largest;  // squares neither over- nor underflow
      measure(v, x0, d);
      const double scale = l2_scale(reach_, ball_.eps, std::numeric_limits<double>::max());
      for (int64_t i = 0; i < d; ++i) v[i] *= scale;
    } else {
      fill_greedily(v, x0, d);
    }
    place(v, x0, out, d);
  }

 private:
  // linf: how far entry i may go.
  double most(int64_t i) const {
    return ball_.share.empty() ? ball_.eps : ball_.eps * ball_.share[static_cast<size_t>(i)];
  }

  template <typename T>
  void measure(const double* v, const T* x0, int64_t d) {
    const Box<T> box(ball_);
    reach_.clear();
    for (int64_t i = 0; i < d; ++i) {
      const double x = x0[i];
      reach_.add(v[i], double{box.hi} - x, x - double{box.lo});
    }
  }

  // Spends eps on the entries of largest |g| first, each up to its room.
  template <typename T>
  void fill_greedily(double* v, const T* x0, int64_t d) {
    const Box<T> box(ball_);
    order_.clear();
    for (int64_t i = 0; i < d; ++i) {
      if (v[i] != 0) order_.emplace_back(-std::abs(v[i]), i);
    }
    std::sort(order_.begin(), order_.end());
    double left = ball_.eps * (1 - slack(static_cast<size_t>(d)));
    std::vector<double> signs(v, v + d);
    std::fill(v, v + d, 0.0);
    for (const auto& [_, i] : order_) {
      const double x = x0[i];
      const double room = signs[i] > 0 ? double{box.hi} - x : x - double{box.lo};
      const double spent = std::min(room, left);
      v[i] = std::copysign(spent, signs[i]);
      left -= spent;
      if (left <= 0) break;
    }
  }

  template <typename T>
  void place(const double* v, const T* x0, T* out, int64_t d) const {
    const Box<T> box(ball_);
    const double lo = box.lo;
    const double hi = box.hi;
    for (int64_t i = 0; i < d; ++i) {
      out[i] = static_cast<T>(std::clamp(double{x0[i]} + v[i], lo, hi));
    }
  }

  const Ball& ball_;
  Reach reach_;
  std::vector<std::pair<double, int64_t>> order_;
};

// l2 and l1: adds size · (steepest direction of norm 1) to v, where x = x0 + v lies in the box.
template <typename T>
class Steps {
 public:
  Steps(double size, int64_t top, const Ball& ball)
      : size_(size), top_(top), ball_(ball), box_(ball) {}

  void add(double* v, const T* x, const T* g, int64_t d) {
    if (ball_.norm == Norm::kL2) return add_normalised(v, g, d);
    add_sparse(v, x, g, d);
  }

 private:
  void add_normalised(double* v, const T* g, int64_t d) const {
    double largest = 0;
    for (int64_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(finite(g[i])));
    if (!(largest > 0)) return;
    double sum = 0;
    for (int64_t i = 0; i < d; ++i) {
      const double share = finite(g[i]) / largest;
      sum += share * share;
    }
    const double factor = size_ / std::sqrt(sum);
    for (int64_t i = 0; i < d; ++i) v[i] += factor * (finite(g[i]) / largest);
  }

  void add_sparse(double* v, const T* x, const T* g, int64_t d) {
    entries_.clear();
    for (int64_t i = 0; i < d; ++i) {
      const bool room = g[i] > 0 ? x[i] < box_.hi : x[i] > box_.lo;
      const double size = std::abs(finite(g[i]));
      if (size > 0 && room) entries_.emplace_back(-size, i);
    }
    const size_t count = std::min(entries_.size(), static_cast<size_t>(top_));
    if (count == 0) return;
    const double share = size_ / static_cast<double>(count);
    double left = size_;
    // Ties go to the lower index, so the choice does not depend on the algorithm.
    std::make_heap(entries_.begin(), entries_.end(), std::greater<>());
    for (auto end = entries_.end(); left > 1e-12 * size_ && end != entries_.begin();) {
      std::pop_heap(entries_.begin(), end, std::greater<>());
      const int64_t i = (--end)->second;
      const double room =
          g[i] > 0 ? double{box_.hi} - double{x[i]} : double{x[i]} - double{box_.lo};
      // A step that ended at walls would be undone by the projection, which takes as much off them.
      const double spent = std::min({share, room, left});
      v[i] += std::copysign(spent, double{g[i]});
      left -= spent;
    }
  }

  double size_;
  int64_t top_;
  const Ball& ball_;
  Box<T> box_;
  std::vector<std::pair<double, int64_t>> entries_;
};

// The linf step and its projection in one pass: out = the nearest point of ball ∩ box to
// x + size · sign(g), in each entry times share(i).
template <typename T, typename Share>
void step_linf(const T* x, const T* g, const T* x0, T* out, int64_t d, double size,
               const Ball& ball, Share share) {
  const Box<T> box(ball);
  const double lo = box.lo, hi = box.hi, eps = ball.eps;
  for (int64_t i = 0; i < d; ++i) {
    const T sign = (g[i] > 0 ? T{1} : T{0}) - (g[i] < 0 ? T{1} : T{0});
    const double c = x0[i];
    const double moved = double{x[i]} - c + size * share(i) * double{sign};
    const double v = std::min(std::max(moved, -eps * share(i)), eps * share(i));
    out[i] = static_cast<T>(std::min(std::max(c + v, lo), hi));
  }
}

void check_shapes(const at::Tensor& a, const at::Tensor& b) {
  ASSAY_CHECK(a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type(),
              "rows of one shape and type");
}

// Calls run(projector, v, a row of x, the one of x0, where its result goes, d) for each row, with
// the row's radius in place of ball.eps and v for work space.
template <typename Run>
at::Tensor by_row(const at::Tensor& x, const at::Tensor& x0, const Ball& ball,
                  const at::Tensor& radius, Run run) {
  check_shapes(x, x0);
  const at::Tensor from = x.contiguous(), centre = x0.contiguous(), radii = radius.contiguous();
  at::Tensor result = at::empty_like(centre);
  const int64_t d = row_length(x0);
  std::vector<double> v(static_cast<size_t>(d));
  Ball own = ball;
  Projector projector(own);
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const T* xs = from.const_data_ptr<T>();
    const T* cs = centre.const_data_ptr<T>();
    T* out = result.data_ptr<T>();
    for (int64_t row = 0; row < x.size(0); ++row, xs += d, cs += d, out += d) {
      own.eps = radii.const_data_ptr<double>()[row];
      run(projector, v.data(), xs, cs, out, d);
    }
  });
  return result;
}

}  // namespace

Ball ball_of(const ThreatModel& threat) {
  ASSAY_CHECK(threat.eps.has_value(), "an attack at a fixed radius was called without eps");
  ASSAY_CHECK(threat.norm != Norm::kL0, "no projection onto an l0 ball here");
  return {threat.norm, *threat.eps, threat.lo, threat.hi, threat.fixed, threat.feature_scale};
}

at::Tensor project(const at::Tensor& x, const at::Tensor& x0, const Ball& ball,
                   const at::Tensor& radius) {
  const auto run = [](auto& projector, double* v, auto* from, auto* centre, auto* out, int64_t d) {
    for (int64_t i = 0; i < d; ++i) v[i] = double{from[i]} - double{centre[i]};
    projector.project(v, centre, out, d);
  };
  return by_row(x, x0, ball, radius, run);
}

at::Tensor project(const at::Tensor& x, const at::Tensor& x0, const Ball& ball) {
  return project(x, x0, ball, at::full({x0.size(0)}, ball.eps, at::kDouble));
}

at::Tensor ascend(const at::Tensor& x, const at::Tensor& g, const at::Tensor& x0, double size,
                  int64_t top, const Ball& ball) {
  check_shapes(x, x0);
  check_shapes(g, x0);
  const at::Tensor from = x.contiguous(), centre = x0.contiguous();
  const at::Tensor along = free_part(g, ball.fixed).contiguous();
  at::Tensor result = at::empty_like(centre);
  const int64_t d = row_length(x0);
  std::vector<double> v(static_cast<size_t>(d));
  Projector projector(ball);
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    Steps<T> steps(size, top, ball);
    const T* xs = from.const_data_ptr<T>();
    const T* gs = along.const_data_ptr<T>();
    const T* cs = centre.const_data_ptr<T>();
    T* out = result.data_ptr<T>();
    for (int64_t row = 0; row < x.size(0); ++row, xs += d, gs += d, cs += d, out += d) {
      if (ball.norm == Norm::kLinf) {
        if (ball.share.empty())
          step_linf(xs, gs, cs, out, d, size, ball, [](int64_t) { return 1.0; });
        else
          step_linf(xs, gs, cs, out, d, size, ball, [&](int64_t i) { return ball.share[i]; });
        continue;
      }
      for (int64_t i = 0; i < d; ++i) v[i] = double{xs[i]} - double{cs[i]};
      steps.add(v.data(), xs, gs, d);
      projector.project(v.data(), cs, out, d);
    }
  });
  return result;
}

at::Tensor maximise_linear(const at::Tensor& g, const at::Tensor& x0, const Ball& ball,
                           const at::Tensor& radius) {
  const auto run = [](auto& projector, double* v, auto* along, auto* centre, auto* out, int64_t d) {
    for (int64_t i = 0; i < d; ++i) v[i] = finite(along[i]);
    projector.maximise(v, centre, out, d);
  };
  return by_row(g, x0, ball, radius, run);
}

at::Tensor maximise_linear(const at::Tensor& g, const at::Tensor& x0, const Ball& ball) {
  return maximise_linear(g, x0, ball, at::full({x0.size(0)}, ball.eps, at::kDouble));
}

}  // namespace assay::attacks

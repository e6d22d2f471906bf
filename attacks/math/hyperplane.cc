#include "attacks/math/hyperplane.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "attacks/math/rows.h"
#include "harness/model/ball.h"
#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

constexpr double kShort = 1e-6;  // of the way, lost to rounding

// One entry that can help: how much a unit step raises ⟨w, ·⟩, how far the box lets it go, and how
// fast it moves (1 for linf, its slope for l2).
struct Entry {
  double slope;  // > 0
  double room;   // > 0
  double speed;
  int64_t index;
};

class PlaneSolver {
 public:
  explicit PlaneSolver(Norm norm) : norm_(norm) {}

  // out = δ, all 0 on entry. room_of(i, up): how far entry i may go.
  template <typename T, typename RoomOf>
  void solve(const T* w, double rise, double* out, int64_t d, const RoomOf& room_of) {
    double largest = 0;
    for (int64_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(finite(w[i])));
    if (!(largest > 0) || !std::isfinite(rise) || rise == 0) return;
    const double sign = rise > 0 ? 1 : -1;
    const double goal = std::abs(rise) / largest;
    entries_.clear();
    for (int64_t i = 0; i < d; ++i) {
      const double slope = sign * (finite(w[i]) / largest);
      const double room = room_of(i, slope > 0);
      if (slope == 0 || !(room > 0)) continue;
      const double size = std::abs(slope);
      entries_.push_back({size, room, norm_ == Norm::kLinf ? 1 : size, i});
    }
    if (norm_ == Norm::kL1 || norm_ == Norm::kL0) {
      fill(goal);
    } else {
      const double time = reach(goal);
      for (Entry& entry : entries_) entry.room = std::min(time * entry.speed, entry.room);
    }
    for (const Entry& entry : entries_) {
      const auto i = static_cast<size_t>(entry.index);
      out[i] = std::copysign(entry.room, sign * finite(w[i]));
    }
  }

 private:
  // t ≥ 0 with Σ slope · min(t · speed, room) = goal; infinite where no t is enough. The sum is
  // concave and piecewise linear in t, so Newton's steps from 0 climb to the root and never pass
  // it.
  double reach(double goal) const {
    double t = 0;
    for (size_t step = 0; step <= entries_.size(); ++step) {
      double rate = 0;  // of entries that still move
      double full = 0;  // what those at their limit have raised
      for (const Entry& entry : entries_) {
        if (t * entry.speed < entry.room) {
          rate += entry.slope * entry.speed;
        } else {
          full += entry.slope * entry.room;
        }
      }
      if (rate == 0) return std::numeric_limits<double>::infinity();
      const double next = (goal - full) / rate;
      if (!(next > t)) break;
      t = next;
    }
    return t;
  }

  // The entries that raise most go to their limits first, by what they raise per step (l1) or in
  // all (l0), and the last one as far as needed. Keeps what moves in entries_, with `room` the way
  // it goes.
  void fill(double goal) {
    const auto worth = [this](const Entry& entry) {
      return norm_ == Norm::kL0 ? entry.slope * entry.room : entry.slope;
    };
    // Ties go to the lower index, so the choice does not depend on the algorithm.
    const auto worse = [&worth](const Entry& a, const Entry& b) {
      return std::pair(worth(a), -a.index) < std::pair(worth(b), -b.index);
    };
    std::make_heap(entries_.begin(), entries_.end(), worse);
    auto end = entries_.end();
    bool done = false;
    while (!done && end != entries_.begin()) {
      std::pop_heap(entries_.begin(), end, worse);
      --end;
      done = end->slope * end->room >= goal;
      if (done) end->room = goal / end->slope;
      goal -= end->slope * end->room;
    }
    entries_.erase(entries_.begin(), end);  // popped entries are at the back
  }

  Norm norm_;
  std::vector<Entry> entries_;
};

// δ row by row. room_of(value, i, up): how far entry i of the flattened x may go from its value.
template <typename RoomOf>
at::Tensor each_to_plane(const at::Tensor& x, const at::Tensor& w, const at::Tensor& rise,
                         Norm norm, const RoomOf& room_of) {
  ASSAY_CHECK(x.sizes() == w.sizes() && x.scalar_type() == w.scalar_type(),
              "rows of one shape and type");
  ASSAY_CHECK(rise.numel() == x.size(0), "one rise for each row");
  const at::Tensor from = x.contiguous();
  const at::Tensor normal = w.contiguous();
  const at::Tensor wanted = rise.contiguous();
  at::Tensor result = at::zeros(x.sizes(), at::kDouble);
  const int64_t d = row_length(x);
  PlaneSolver planes(norm);
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const T* xs = from.const_data_ptr<T>();
    const T* ws = normal.const_data_ptr<T>();
    double* out = result.data_ptr<double>();
    for (int64_t row = 0; row < x.size(0); ++row, ws += d, out += d) {
      planes.solve(ws, wanted.const_data_ptr<double>()[row], out, d, [&](int64_t i, bool up) {
        return room_of(double{xs[row * d + i]}, row * d + i, up);
      });
    }
  });
  return result;
}

}  // namespace

at::Tensor to_plane(const at::Tensor& x, const at::Tensor& w, const at::Tensor& rise, Norm norm,
                    double lo, double hi) {
  return each_to_plane(x, w, rise, norm, [lo, hi](double from, int64_t, bool up) {
    return up ? hi - from : from - lo;
  });
}

at::Tensor to_plane(const at::Tensor& x, const at::Tensor& w, const at::Tensor& rise, Norm norm,
                    const at::Tensor& low, const at::Tensor& high) {
  const at::Tensor walls[] = {low.to(at::kDouble).contiguous(), high.to(at::kDouble).contiguous()};
  const double* lo = walls[0].const_data_ptr<double>();
  const double* hi = walls[1].const_data_ptr<double>();
  return each_to_plane(x, w, rise, norm, [lo, hi](double from, int64_t i, bool up) {
    return up ? hi[i] - from : from - lo[i];
  });
}

Reach reach_of(const at::Tensor& step, const at::Tensor& w, const at::Tensor& rise, Norm norm) {
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor wanted = rise.abs();
  const at::Tensor open = wanted.div(dual_length(w, norm)).nan_to_num(infinity, infinity);
  const at::Tensor falls_short = row_dot(w, step).abs().lt(wanted.mul(1 - kShort));
  const at::Tensor boxed = distance(step, at::zeros_like(step), norm)
                               .masked_fill(falls_short.logical_or(open.isinf()), infinity);
  return {boxed, open};
}

at::Tensor nearer(const Reach& a, const Reach& b) {
  const at::Tensor no_way = a.boxed.isinf().logical_and(b.boxed.isinf());
  return a.boxed.lt(b.boxed).logical_or(no_way.logical_and(a.open.lt(b.open)));
}

at::Tensor row_dot(const at::Tensor& a, const at::Tensor& b) {
  ASSAY_CHECK(a.sizes() == b.sizes(), "rows of one shape");
  const at::Tensor left = a.to(at::kDouble).contiguous();
  const at::Tensor right = b.to(at::kDouble).contiguous();
  at::Tensor result = at::zeros({a.size(0)}, at::kDouble);
  const int64_t d = row_length(a);
  const double* ls = left.const_data_ptr<double>();
  const double* rs = right.const_data_ptr<double>();
  for (int64_t row = 0; row < a.size(0); ++row, ls += d, rs += d) {
    double sum = 0;
    for (int64_t i = 0; i < d; ++i) sum += finite(ls[i]) * finite(rs[i]);
    result.data_ptr<double>()[row] = sum;
  }
  return result;
}

at::Tensor dual_length(const at::Tensor& w, Norm norm) {
  const at::Tensor wide = w.to(at::kDouble).contiguous();
  at::Tensor result = at::zeros({w.size(0)}, at::kDouble);
  const int64_t d = row_length(w);
  const double* ws = wide.const_data_ptr<double>();
  for (int64_t row = 0; row < w.size(0); ++row, ws += d) {
    double sum = 0;
    double largest = 0;
    for (int64_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(finite(ws[i])));
    for (int64_t i = 0; i < d && largest > 0 && norm != Norm::kL1; ++i) {
      const double share = std::abs(finite(ws[i])) / largest;
      sum += norm == Norm::kL2 ? share * share : share;
    }
    const double factor = norm == Norm::kL1 ? 1 : norm == Norm::kL2 ? std::sqrt(sum) : sum;
    result.data_ptr<double>()[row] = largest * factor;
  }
  return result;
}

}  // namespace assay::attacks

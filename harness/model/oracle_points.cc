// What an oracle sends, and what the judge looks at, in place of an attack's points.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "harness/model/ball.h"
#include "harness/model/oracle.h"

namespace assay {
namespace {

// What a double is a level but for rounding, in levels, for numbers of the type of a point.
double slack_of(const ThreatModel& threat, at::ScalarType type, double step) {
  const double unit = type == at::kDouble ? 0x1p-52 : 0x1p-23;
  return 0.75 * unit * std::max(std::abs(threat.lo), std::abs(threat.hi)) / step;
}

double nearest_whole(double y) {
  constexpr double kShift = 0x1.8p52;  // no call, so that loops over entries stay fast
  return (y + kShift) - kShift;
}

// The way from a clean input to a point, entry by entry: in levels, and as if all of it went up.
class Levelled {
 public:
  Levelled(const double* x0, const double* x, int64_t d, const ThreatModel& threat,
           at::ScalarType type)
      : threat_(threat),
        squares_(threat.norm == Norm::kL2),
        step_((threat.hi - threat.lo) / static_cast<double>(threat.levels - 1)),
        from_(static_cast<size_t>(d)),
        way_(from_.size()),
        half_(from_.size()),
        room_(from_.size()),
        up_(from_.size()),
        taken_(from_.size()) {
    const double slack = slack_of(threat, type, step_);
    const auto snapped = [&](double place) {
      const double level = nearest_whole(place);
      return std::abs(level - place) <= slack ? level : place;
    };
    for (size_t i = 0; i < from_.size(); ++i) {
      up_[i] = x[i] > x0[i];
      const double place = snapped((x0[i] - threat.lo) / step_);
      const double to = snapped((x[i] - threat.lo) / step_);
      from_[i] = up_[i] ? place : -place;
      way_[i] = x[i] == x0[i] ? 0 : std::abs(to - place);
      // Before half of the way to the first level, it stays where it is.
      half_[i] = (from_[i] + std::floor(from_[i]) + 1) / 2;
      room_[i] = way_[i] == 0 ? 0 : up_[i] ? static_cast<double>(threat.levels - 1) - place : place;
      whole_ = whole_ && (way_[i] == 0 || to == nearest_whole(to));
    }
  }

  bool whole() const { return whole_; }

  // Goes to the levels nearest to t times the way → the sum of what is taken, to the norm's power.
  double go(double t) {
    const size_t d = taken_.size();
    for (size_t i = 0; i < d; ++i) {
      const double y = from_[i] + t * way_[i];
      const double to = y < half_[i] ? 0.0 : nearest_whole(y) - from_[i];
      taken_[i] = std::min(std::max(to, 0.0), room_[i]);
    }
    std::array<double, 4> sums{};
    for (size_t i = 0; i < d; ++i) sums[i % 4] += cost(taken_[i]);
    return sums[0] + sums[1] + sums[2] + sums[3];
  }

  // Goes to the levels nearest to t times the way, t at most `longest`, and the farthest of them
  // that the ball allows.
  void fill(double longest) {
    const double size = cost(*threat_.eps * (1 + 1e-9) / step_);
    double low = 0, high = longest;
    const double most = *std::max_element(way_.begin(), way_.end());
    if (longest > 1 && most > 0) high = std::max(longest, 1 / most);
    if (go(high) <= size) return;
    for (int64_t halving = 0; halving < kHalvings; ++halving) {
      const double middle = (low + high) / 2;
      (go(middle) <= size ? low : high) = middle;
    }
    go(high);
    const std::vector<double> more = taken_;
    double filled = go(low);
    // What is left are ties, or all but: as many of them as there is room for, here and there.
    const size_t d = taken_.size();
    size_t stride = std::max<size_t>(1, static_cast<size_t>(0.618 * static_cast<double>(d)));
    while (std::gcd(stride, d) != 1) ++stride;
    for (size_t k = 0, i = 0; k < d; ++k, i = (i + stride) % d) {
      const double added = cost(more[i]) - cost(taken_[i]);
      if (added <= 0 || filled + added > size) continue;
      filled += added;
      taken_[i] = more[i];
    }
  }

  void write(const double* x0, double* out) const {
    for (size_t i = 0; i < from_.size(); ++i) {
      const double level = nearest_whole(from_[i] + taken_[i]);
      const double value = (up_[i] ? level : -level) * step_ + threat_.lo;
      out[i] = taken_[i] > 0 ? std::clamp(value, threat_.lo, threat_.hi) : x0[i];
    }
  }

 private:
  static constexpr int64_t kHalvings = 10;

  // What an entry, or the whole, adds to the norm, to the norm's power.
  double cost(double length) const { return squares_ ? length * length : length; }

  const ThreatModel& threat_;
  bool squares_;
  double step_;
  std::vector<double> from_, way_, half_, room_;
  std::vector<char> up_;
  std::vector<double> taken_;
  bool whole_ = true;
};

// Points at the surface of the ball ask for all of it.
constexpr double kSurface = 0.999;
constexpr double kLongest = 4;

// Puts into `out` [m, ...], for the points x of the ball that are not on levels, those on levels
// that come nearest to them and stay in the ball, if there is one: nearest to the longest multiple
// of x − x0, up to x itself or, from the surface of the ball, beyond. Rounding each entry towards
// x0 takes up to a level from all of them, which is most of a small ball. x, x0, out: [m, ...]
// float64.
void fill_ball(const at::Tensor& x, const at::Tensor& x0, const ThreatModel& threat, double radius,
               at::ScalarType type, at::Tensor* out) {
  const at::Tensor away = distance(x, x0, threat.norm).contiguous();
  const at::Tensor points = x.contiguous(), centres = x0.contiguous();
  const int64_t d = points.numel() / std::max<int64_t>(points.size(0), 1);
  for (int64_t row = 0; row < points.size(0); ++row) {
    const double length = away.const_data_ptr<double>()[row];
    if (!(length <= radius) || length == 0) continue;
    const double* centre = centres.const_data_ptr<double>() + row * d;
    Levelled levelled(centre, points.const_data_ptr<double>() + row * d, d, threat, type);
    if (levelled.whole()) continue;
    if (!threat.eps) {
      levelled.go(1);
    } else {
      levelled.fill(length >= kSurface * *threat.eps ? kLongest : 1);
    }
    levelled.write(centre, out->data_ptr<double>() + row * d);
  }
}

}  // namespace

at::Tensor Oracle::sent(const at::Tensor& x, const at::Tensor& rows) const {
  return threat_.access == Access::kGradient ? admissible(x, rows) : confined(x, rows);
}

at::Tensor Oracle::scaled(const at::Tensor& x, const at::Tensor& rows) const {
  const at::Tensor x0 = block_.x.index_select(0, rows);  // [m, ...]
  const at::Tensor centre = x0.to(at::kDouble);
  const at::Tensor step = x.to(at::kDouble).sub(centre);
  const at::Tensor up = step.gt(0);
  const at::Tensor room = at::where(up, centre.neg().add(threat_.hi), centre.sub(threat_.lo));
  // How far a feature gets in the ball, and how far it may: to the last level, of those there are.
  const at::Tensor seen = room.clamp_max(*threat_.eps);
  at::Tensor most = reach_.defined() ? at::minimum(room, reach_) : seen;
  if (threat_.levels > 0) {
    const at::Tensor end = centre.add(at::where(up, most, most.neg())).to(x.scalar_type());
    most = rounded(end, rows).to(at::kDouble).sub(centre).abs();
  }
  at::Tensor way = step.mul(at::where(seen.gt(0), most.div(seen), 0.0));
  // The ends of the one are those of the other, to the last bit.
  const at::Tensor at_end = step.abs().sub(seen).abs().le(2 * (radius_ - *threat_.eps));
  way = at::where(at_end, at::where(up, most, most.neg()), way);
  at::Tensor point = centre.add(way).clamp(threat_.lo, threat_.hi).to(x.scalar_type());
  // Rounding must not take what lies in one ball out of the other.
  point = at::where(step.abs().le(*threat_.eps * (1 + 1e-6)), confined(point, rows), point);
  if (!fixed_.defined()) return point;
  const at::Tensor still = x0.flatten(1).index_select(1, fixed_);
  return point.flatten(1).index_copy(1, fixed_, still).view(x.sizes());
}

at::Tensor Oracle::confined(const at::Tensor& x, const at::Tensor& rows) const {
  if (!fixed_.defined() && !reach_.defined()) return x;
  const at::Tensor x0 = block_.x.index_select(0, rows);  // [m, ...]
  at::Tensor inside = x;
  if (reach_.defined()) {
    const at::Tensor centre = x0.to(at::kDouble);
    const at::Tensor step = x.to(at::kDouble).sub(centre);
    const at::Tensor cut = centre.add(at::min(at::max(step, reach_.neg()), reach_));
    // As for the ball, rounding is no step: a level at the end of a reach stays one.
    const at::Tensor far = step.abs().gt(reach_.add(radius_ - *threat_.eps));
    inside = at::where(far, cut.to(x.scalar_type()), x);
  }
  if (!fixed_.defined()) return inside;
  return inside.flatten(1)
      .index_copy(1, fixed_, x0.flatten(1).index_select(1, fixed_))
      .view(x.sizes());
}

at::Tensor Oracle::rounded(const at::Tensor& x, const at::Tensor& rows) const {
  if (threat_.levels == 0) return x;
  const at::Tensor x0 = block_.x.index_select(0, rows).to(at::kDouble);
  const at::Tensor wide = x.to(at::kDouble);
  const double step = (threat_.hi - threat_.lo) / static_cast<double>(threat_.levels - 1);
  // What is a level but for the rounding of its type, by half a unit, stays one.
  const double slack = slack_of(threat_, x.scalar_type(), step);
  const at::Tensor place = wide.sub(threat_.lo).div(step);
  const at::Tensor below = place.add(slack).floor().mul(step).add(threat_.lo);
  const at::Tensor above = place.sub(slack).ceil().mul(step).add(threat_.lo);
  const at::Tensor up = at::max(below, x0), down = at::min(above, x0);
  at::Tensor whole = at::where(wide.gt(x0), up, at::where(wide.lt(x0), down, x0))
                         .clamp(threat_.lo, threat_.hi)
                         .contiguous();
  if (threat_.norm == Norm::kL2 || threat_.norm == Norm::kL1) {
    fill_ball(wide, x0, threat_, radius_, x.scalar_type(), &whole);
  }
  return whole.to(x.scalar_type());
}

at::Tensor Oracle::admissible(const at::Tensor& x, const at::Tensor& rows) const {
  return rounded(confined(x, rows), rows);
}

}  // namespace assay

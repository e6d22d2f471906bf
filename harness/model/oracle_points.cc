// What an oracle sends, and what the judge looks at, in place of an attack's points.
#include <algorithm>
#include <cmath>

#include "harness/model/ball.h"
#include "harness/model/oracle.h"

namespace assay {

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
  const double unit = x.scalar_type() == at::kDouble ? 0x1p-52 : 0x1p-23;
  const double slack = 0.75 * unit * std::max(std::abs(threat_.lo), std::abs(threat_.hi)) / step;
  const at::Tensor place = wide.sub(threat_.lo).div(step);
  const at::Tensor below = place.add(slack).floor().mul(step).add(threat_.lo);
  const at::Tensor above = place.sub(slack).ceil().mul(step).add(threat_.lo);
  const at::Tensor up = at::max(below, x0), down = at::min(above, x0);
  return at::where(wide.gt(x0), up, at::where(wide.lt(x0), down, x0))
      .clamp(threat_.lo, threat_.hi)
      .to(x.scalar_type());
}

at::Tensor Oracle::admissible(const at::Tensor& x, const at::Tensor& rows) const {
  return rounded(confined(x, rows), rows);
}

}  // namespace assay

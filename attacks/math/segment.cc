#include "attacks/math/segment.h"

#include <limits>

#include "attacks/math/losses.h"
#include "attacks/math/projection.h"
#include "attacks/math/steepest.h"

namespace assay::attacks {

at::Tensor boxed(const at::Tensor& x, const at::Tensor& like, const ThreatModel& threat) {
  const Ball box{Norm::kLinf, std::numeric_limits<double>::infinity(), threat.lo, threat.hi};
  return project(x.to(like.scalar_type()), like, box);
}

void close_in(Oracle& oracle, int64_t steps) {
  const Block& block = oracle.block();
  const Untraced polish(oracle);
  const at::Tensor rows =
      oracle.found().logical_and(oracle.failed().logical_not()).nonzero().squeeze(1);
  if (rows.size(0) == 0) return;
  const at::Tensor x0 = block.x.index_select(0, rows);
  const at::Tensor far = oracle.best().x.index_select(0, rows);
  const at::Tensor y = block.y.index_select(0, rows);
  const auto margin_at = [&](const at::Tensor& x) {  // [m] float64, > 0 where broken
    const at::Tensor z = oracle.logits(x, rows);
    if (oracle.threat().goal == Goal::kUntargeted) return leave_loss(LossKind::kMargin, z, y).value;
    return reach_loss(LossKind::kMargin, z, block.target.index_select(0, rows)).value;
  };
  at::Tensor low = margin_at(x0);
  at::Tensor high = margin_at(far);
  at::Tensor from = at::zeros_like(low);  // [m] parts of the way, not broken and broken
  at::Tensor to = at::ones_like(low);
  for (int64_t step = 0; step < steps; ++step) {
    const at::Tensor rise = high.sub(low);
    const at::Tensor share = at::where(rise.gt(0), low.neg().div(rise).clamp(0, 1), 0.5);
    const at::Tensor part = from.add(to.sub(from).mul(share.mul(0.75).add(0.25)));
    const at::Tensor way = far.sub(x0).mul(spread(part, x0).to(x0.scalar_type()));
    const at::Tensor value = margin_at(boxed(x0.add(way), x0, oracle.threat()));
    const at::Tensor broken = value.gt(0);
    to = at::where(broken, part, to);
    high = at::where(broken, value, high);
    from = at::where(broken, from, part);
    low = at::where(broken, low, value);
  }
}

}  // namespace assay::attacks

#include "attacks/math/boundary.h"

#include <algorithm>

#include "attacks/math/look.h"
#include "attacks/math/query.h"
#include "attacks/math/steepest.h"
#include "attacks/math/windows.h"
#include "harness/model/ball.h"

namespace assay::attacks {
namespace {

// Uniform noise that is constant on cells of `side` × `side` entries. → like x0 [m, ...]
at::Tensor coarse_noise(const at::Tensor& x0, std::span<const uint64_t> keys, int64_t attempt,
                        int64_t side, const Rng& rng, const ThreatModel& threat) {
  const Layout l = layout_of(x0);
  const int64_t down = (l.height + side - 1) / side;
  const int64_t right = (l.width + side - 1) / side;
  at::Tensor u = rng.uniform(keys, {l.channels, down, right}, -1, attempt);
  const at::Tensor i = at::arange(l.height, at::kLong).div(side, "floor");
  const at::Tensor j = at::arange(l.width, at::kLong).div(side, "floor");
  u = u.index_select(2, i).index_select(3, j);  // [m, c, h, w]
  return u.mul(threat.hi - threat.lo)
      .add(threat.lo)
      .clamp(threat.lo, threat.hi)
      .to(x0.scalar_type())
      .reshape(x0.sizes());
}

}  // namespace

void Fringe::keep(const at::Tensor& indices) {
  if (indices.size(0) == rows.size(0)) return;
  for (at::Tensor* each : {&rows, &x0, &x}) *each = each->index_select(0, indices);
}

at::Tensor able(const Oracle& oracle, const at::Tensor& rows, int64_t queries) {
  const at::Tensor left = oracle.queries_left().index_select(0, rows);
  const at::Tensor open = oracle.decided().index_select(0, rows).logical_not();
  return left.ge(queries).logical_and(open).nonzero().squeeze(1);
}

Fringe noise_start(Oracle& oracle, const Rng& rng, int64_t tries) {
  const Block& block = oracle.block();
  const int64_t n = block.size();
  const Layout l = layout_of(block.x);
  const at::Tensor start = block.x.clone();
  const at::Tensor found = at::zeros({n}, at::kBool);
  at::Tensor rows = at::arange(n, at::kLong);  // those that still look
  int64_t side = 1;
  for (int64_t attempt = 0; attempt < tries; ++attempt) {
    rows = rows.index_select(0, able(oracle, rows, 1));
    if (rows.size(0) == 0) break;
    const at::Tensor x0 = block.x.index_select(0, rows);
    const at::Tensor trial =
        coarse_noise(x0, keys_of(block, rows), attempt, side, rng, oracle.threat());
    const at::Tensor broken = breaks(oracle, trial, rows);  // [m]
    const at::Tensor hits = broken.nonzero().squeeze(1);
    start.index_copy_(0, rows.index_select(0, hits), trial.index_select(0, hits));
    found.index_fill_(0, rows.index_select(0, hits), true);
    rows = rows.index_select(0, broken.logical_not().nonzero().squeeze(1));
    side = side < std::max(l.height, l.width) ? 2 * side : 1;
  }
  Fringe fringe{at::arange(n, at::kLong), block.x, start};
  fringe.keep(found.nonzero().squeeze(1));
  fringe.keep(oracle.undecided(fringe.rows));
  return fringe;
}

at::Tensor blend(const at::Tensor& x0, const at::Tensor& x, const at::Tensor& t,
                 const ThreatModel& threat) {
  const at::Tensor whole = spread(t.ge(1), x);
  const at::Tensor from = x0.to(at::kDouble);
  const at::Tensor step = x.to(at::kDouble).sub(from);  // [m, ...]
  at::Tensor part;
  if (threat.norm == Norm::kLinf) {
    const at::Tensor most = spread(distance(x, x0, Norm::kLinf).mul(t), step);
    part = at::minimum(at::maximum(step, most.neg()), most);
  } else {
    part = step.mul(spread(t, step));
  }
  const at::Tensor point = from.add(part).clamp(threat.lo, threat.hi).to(x.scalar_type());
  return at::where(whole, x, point);
}

at::Tensor bisect(Oracle& oracle, const at::Tensor& x0, const at::Tensor& x, const at::Tensor& rows,
                  const at::Tensor& tolerance) {
  const at::Tensor low = at::zeros_like(tolerance);  // [m]
  const at::Tensor high = at::ones_like(tolerance);  // [m]
  for (;;) {
    at::Tensor open = able(oracle, rows, 1);
    const at::Tensor gap = high.sub(low).gt(tolerance).index_select(0, open);
    open = open.index_select(0, gap.nonzero().squeeze(1));  // [k]
    if (open.size(0) == 0) break;
    const at::Tensor middle =
        low.index_select(0, open).add(high.index_select(0, open)).div(2);  // [k]
    const at::Tensor trial =
        blend(x0.index_select(0, open), x.index_select(0, open), middle, oracle.threat());
    const at::Tensor broken = breaks(oracle, trial, rows.index_select(0, open));  // [k]
    const at::Tensor in = broken.nonzero().squeeze(1);
    const at::Tensor out = broken.logical_not().nonzero().squeeze(1);
    high.index_copy_(0, open.index_select(0, in), middle.index_select(0, in));
    low.index_copy_(0, open.index_select(0, out), middle.index_select(0, out));
  }
  return blend(x0, x, high, oracle.threat());
}

}  // namespace assay::attacks

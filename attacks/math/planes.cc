#include "attacks/math/planes.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "attacks/math/hyperplane.h"
#include "attacks/math/nearest.h"
#include "attacks/math/segment.h"
#include "attacks/math/steepest.h"

namespace assay::attacks {
namespace {

constexpr int64_t kMostLabels = 9;  // whose planes a best point is compared with
constexpr double kLeastGain = 0.5;  // of the way across, for a clipped step to be worth taking
constexpr double kCrossings[] = {1e-3, 0.05};  // shares by which its nearest plane is crossed

// [k] the label whose plane with `from` is taken at this rank: the rank-th largest other logit.
at::Tensor other_label(const at::Tensor& logits, const at::Tensor& from, int64_t rank) {
  const at::Tensor others =
      logits.scatter(1, from.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return others.argsort(/*stable=*/true, 1, /*descending=*/true).select(1, rank);
}

// Rows of c [m, K]: e_up − e_down at `at`, else 0.
at::Tensor cotangent(const at::Tensor& logits, const at::Tensor& at, const at::Tensor& up,
                     const at::Tensor& down) {
  const at::Tensor some = at::zeros({at.size(0), logits.size(1)}, logits.options());
  some.scatter_(1, up.unsqueeze(1), 1).scatter_(1, down.unsqueeze(1), -1);
  return at::zeros_like(logits).index_copy_(0, at, some);
}

// Where the planes at the best points of samples lie, seen from their clean inputs x0 [m, ...].
struct NearestPlane {
  at::Tensor normal;  // [m, ...] of the nearest plane
  at::Tensor rise;    // [m] float64 what ⟨normal, ·⟩ must gain on the way from x0
  at::Tensor away;    // [m] float64 how far that is; infinite where no point of the box is across
};

NearestPlane nearest_crossing(Oracle& oracle, const Tape& tape, const at::Tensor& rows,
                              const at::Tensor& x0, const at::Tensor& way, int64_t labels) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const bool targeted = block.target.defined();
  const at::Tensor anchor = (targeted ? block.target : block.y).index_select(0, rows);
  const at::Tensor value = tape.logits().to(at::kDouble);
  const at::Tensor all = at::arange(rows.size(0), at::kLong);
  NearestPlane nearest;
  for (int64_t rank = 0; rank < (targeted ? 1 : labels); ++rank) {
    const at::Tensor other = other_label(tape.logits(), anchor, rank);
    const at::Tensor up = targeted ? anchor : other;
    const at::Tensor down = targeted ? other : anchor;
    const at::Tensor gain =
        value.gather(1, up.unsqueeze(1)).sub(value.gather(1, down.unsqueeze(1))).squeeze(1);
    NearestPlane plane{
        finite_entries(oracle.vjp(tape, cotangent(tape.logits(), all, up, down), rows)), {}, {}};
    plane.rise = row_dot(plane.normal, way).sub(gain);
    const at::Tensor step =
        to_plane(x0, plane.normal, plane.rise, threat.norm, threat.lo, threat.hi);
    plane.away = reach_of(step, plane.normal, plane.rise, threat.norm).boxed;
    // What points the other way, or nowhere, is no way across.
    plane.away.masked_fill_(plane.rise.gt(0).logical_and(plane.away.gt(0)).logical_not(),
                            std::numeric_limits<double>::infinity());
    if (rank == 0) {
      nearest = plane;
      continue;
    }
    const at::Tensor closer = plane.away.lt(nearest.away);
    nearest.rise = at::where(closer, plane.rise, nearest.rise);
    nearest.away = at::where(closer, plane.away, nearest.away);
    nearest.normal = at::where(spread(closer, way), plane.normal, nearest.normal);
  }
  return nearest;
}

}  // namespace

int64_t kept_back(const Oracle& oracle, int64_t steps, int64_t refine) {
  if (steps < 20 || refine == 0) return 0;
  return std::max<int64_t>(1 + std::size(kCrossings),
                           std::min({kMostLabels, oracle.classes() - 1, steps / 10}));
}

void straighten(Oracle& oracle, int64_t kept) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const Untraced polish(oracle);
  at::Tensor rows = at::arange(block.size(), at::kLong);
  keep_rows(oracle.undecided(rows), {&rows});
  if (kept == 0 || rows.size(0) == 0) return;
  at::Tensor x0 = block.x.index_select(0, rows);                  // [m, ...]
  const at::Tensor best = oracle.best().x.index_select(0, rows);  // [m, ...]
  NearestPlane plane = nearest_crossing(oracle, oracle.tape(best, rows), rows, x0, best.sub(x0),
                                        std::min(kept, oracle.classes() - 1));
  const auto keep = [&](const at::Tensor& which) {
    keep_rows(which, {&rows, &x0, &plane.normal, &plane.rise, &plane.away});
  };
  for (const double share : kCrossings) {
    const at::Tensor known = oracle.best_distance().index_select(0, rows);
    keep(plane.away.mul(1 + share).lt(known).nonzero().squeeze(1));
    keep(oracle.undecided(rows));
    if (rows.size(0) == 0) return;
    const at::Tensor step =
        to_plane(x0, plane.normal, plane.rise.mul(1 + share), threat.norm, threat.lo, threat.hi);
    const at::Tensor labels = oracle.labels(boxed(x0.add(step), x0, threat), rows);
    keep(oracle.breaks(labels, rows).logical_not().nonzero().squeeze(1));
  }
}

Planes nearest_planes(Oracle& oracle, const Tape& tape, const at::Tensor& x, const at::Tensor& rows,
                      const at::Tensor& at, int64_t labels) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const bool targeted = block.target.defined();
  const at::Tensor logits = tape.logits().index_select(0, at);  // [k, K]
  const at::Tensor samples = rows.index_select(0, at);          // [k]
  const at::Tensor from = x.index_select(0, at);                // [k, ...]
  const at::Tensor anchor = (targeted ? block.target : block.y).index_select(0, samples);
  const int64_t count = targeted ? 1 : std::min(labels, logits.size(1) - 1);
  Planes nearest;
  Reach least;
  for (int64_t rank = 0; rank < count; ++rank) {
    const at::Tensor other = other_label(logits, anchor, rank);
    const at::Tensor up = targeted ? anchor : other;
    const at::Tensor down = targeted ? other : anchor;
    const at::Tensor value = logits.to(at::kDouble);
    const at::Tensor difference =
        value.gather(1, up.unsqueeze(1)).sub(value.gather(1, down.unsqueeze(1))).squeeze(1);  // [k]
    const at::Tensor normal = finite_entries(
        oracle.vjp(tape, cotangent(tape.logits(), at, up, down), rows).index_select(0, at));
    const at::Tensor gap = difference.abs();
    const Reach reach = reach_of(to_plane(from, normal, gap, threat.norm, threat.lo, threat.hi),
                                 normal, gap, threat.norm);
    if (rank == 0) {
      nearest = {normal, reach.open};
      least = reach;
      continue;
    }
    const at::Tensor open = oracle.breaks(logits.argmax(1), samples).logical_not();
    const at::Tensor closer = nearer(reach, least).logical_and(open);
    least = {at::where(closer, reach.boxed, least.boxed),
             at::where(closer, reach.open, least.open)};
    nearest.away = least.open;
    nearest.normal = at::where(spread(closer, normal), normal, nearest.normal);
  }
  return nearest;
}

at::Tensor cross(const at::Tensor& x, const Planes& planes, double factor,
                 const ThreatModel& threat) {
  const at::Tensor steps = at::where(planes.away.isfinite(), planes.away,
                                     at::zeros_like(planes.away))
                               .mul(factor);  // [k]
  const at::Tensor& normal = planes.normal;
  const at::Tensor step =
      steepest(normal, threat.norm).mul(spread(steps, normal).to(normal.scalar_type()));
  const at::Tensor inside = x.add(step).clamp(threat.lo, threat.hi);
  const at::Tensor wanted = steps.mul(dual_length(normal, threat.norm));
  const at::Tensor gained = row_dot(normal, inside.sub(x));
  const at::Tensor cut = gained.lt(wanted.mul(kLeastGain)).nonzero().squeeze(1);  // [c]
  if (cut.size(0) == 0) return inside;
  const at::Tensor from = x.index_select(0, cut);
  const at::Tensor across = finite_entries(normal.index_select(0, cut));
  const at::Tensor rise = wanted.index_select(0, cut);
  const at::Tensor longer = to_plane(from, across, rise, threat.norm, threat.lo, threat.hi);
  return inside.index_copy(0, cut, boxed(from.to(at::kDouble).add(longer), from, threat));
}

}  // namespace assay::attacks

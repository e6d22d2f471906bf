#include "attacks/math/planes.h"

#include <algorithm>
#include <limits>

#include "attacks/math/hyperplane.h"
#include "attacks/math/nearest.h"
#include "attacks/math/steepest.h"

namespace assay::attacks {
namespace {

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

}  // namespace

Planes nearest_planes(Oracle& oracle, const Tape& tape, const at::Tensor& rows,
                      const at::Tensor& at, int64_t labels, Norm norm) {
  const Block& block = oracle.block();
  const bool targeted = block.target.defined();
  const at::Tensor logits = tape.logits().index_select(0, at);  // [k, K]
  const at::Tensor samples = rows.index_select(0, at);          // [k]
  const at::Tensor anchor = (targeted ? block.target : block.y).index_select(0, samples);
  const int64_t count = targeted ? 1 : std::min(labels, logits.size(1) - 1);
  Planes nearest;
  for (int64_t rank = 0; rank < count; ++rank) {
    const at::Tensor other = other_label(logits, anchor, rank);
    const at::Tensor up = targeted ? anchor : other;
    const at::Tensor down = targeted ? other : anchor;
    const at::Tensor value = logits.to(at::kDouble);
    const at::Tensor difference =
        value.gather(1, up.unsqueeze(1)).sub(value.gather(1, down.unsqueeze(1))).squeeze(1);  // [k]
    const at::Tensor normal = finite_entries(
        oracle.vjp(tape, cotangent(tape.logits(), at, up, down), rows).index_select(0, at));
    Planes planes{difference.abs(), normal, {}};
    // A plane without a normal is nowhere.
    planes.away = planes.gap.div(dual_length(normal, norm))
                      .nan_to_num(std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::infinity());
    if (rank == 0) {
      nearest = planes;
      continue;
    }
    const at::Tensor open = oracle.breaks(logits.argmax(1), samples).logical_not();
    const at::Tensor nearer = planes.away.lt(nearest.away).logical_and(open);
    nearest.gap = at::where(nearer, planes.gap, nearest.gap);
    nearest.away = at::where(nearer, planes.away, nearest.away);
    nearest.normal = at::where(spread(nearer, normal), normal, nearest.normal);
  }
  return nearest;
}

at::Tensor cross(const Planes& planes, double factor, Norm norm) {
  const at::Tensor steps = at::where(planes.away.isfinite(), planes.away,
                                     at::zeros_like(planes.away))
                               .mul(factor);  // [k]
  const at::Tensor& normal = planes.normal;
  return steepest(normal, norm).mul(spread(steps, normal).to(normal.scalar_type()));
}

}  // namespace assay::attacks

#include "attacks/math/look.h"

#include <limits>

#include "attacks/math/steepest.h"

namespace assay::attacks {
namespace {

// Rows of c [m, K] outside `keep` [k] set to 0: no gradient is wanted of them.
at::Tensor only(const at::Tensor& c, const at::Tensor& keep) {
  if (keep.size(0) == c.size(0)) return c;
  return at::zeros_like(c).index_copy_(0, keep, c.index_select(0, keep));
}

}  // namespace

Loss loss_towards(const Oracle& oracle, LossKind kind, const at::Tensor& logits,
                  const at::Tensor& y, const at::Tensor& target) {
  if (!target.defined()) return leave_loss(kind, logits, y);
  if (oracle.threat().goal == Goal::kTargeted) return reach_loss(kind, logits, target);
  return pass_loss(kind, logits, y, target);
}

std::optional<Look> look(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                         const at::Tensor& y, const at::Tensor& target, LossKind kind) {
  const Tape tape = oracle.tape(x, rows);
  Look found{oracle.undecided(rows), {}, {}, {}, {}};
  if (found.keep.size(0) == 0) return std::nullopt;
  const Loss loss = loss_towards(oracle, kind, tape.logits(), y, target);
  found.value = loss.value;
  found.scale = loss.scale;
  found.gradient = oracle.vjp(tape, only(loss.direction, found.keep), rows);
  found.broken = oracle.breaks(tape.logits().argmax(1), rows);
  if (found.keep.size(0) < rows.size(0)) {
    found.broken = found.broken.index_select(0, found.keep);
    found.value = found.value.index_select(0, found.keep);
    found.scale = found.scale.index_select(0, found.keep);
    found.gradient = found.gradient.index_select(0, found.keep);
  }
  return found;
}

at::Tensor labels_by_rank(Oracle& oracle) {
  const Block& block = oracle.block();
  const at::Tensor logits = oracle.logits(block.x, at::arange(block.size(), at::kLong));
  const double first = std::numeric_limits<double>::infinity();
  return logits.scatter(1, block.y.unsqueeze(1), first).argsort(/*stable=*/true, 1, true);
}

at::Tensor kept_of(const at::Tensor& t, const at::Tensor& keep) {
  return t.defined() && keep.defined() ? t.index_select(0, keep) : t;
}

std::optional<Look> mean_look(int64_t draws, const LookOnce& once) {
  std::optional<Look> mean = once(0, {});
  if (draws == 1 || !mean) return mean;
  // Each gradient stands for itself times its scale; the sum is kept relative to the largest.
  const auto weighted = [](const at::Tensor& g, const at::Tensor& scale, const at::Tensor& most) {
    return g.mul(spread(at::where(most.gt(0), scale.div(most), 1.0), g).to(g.scalar_type()));
  };
  for (int64_t draw = 1; draw < draws; ++draw) {
    const std::optional<Look> seen = once(draw, mean->keep);
    if (!seen) return std::nullopt;
    const auto kept = [&](const at::Tensor& t) { return t.index_select(0, seen->keep); };
    const at::Tensor before = kept(mean->scale);
    const at::Tensor most = before.maximum(seen->scale);  // [m]
    mean->gradient = weighted(kept(mean->gradient), before, most)
                         .add(weighted(seen->gradient, seen->scale, most));
    mean->value = kept(mean->value).add(seen->value);
    mean->broken = kept(mean->broken).logical_or(seen->broken);
    mean->keep = kept(mean->keep);
    mean->scale = most;
  }
  mean->value = mean->value.div(static_cast<double>(draws));
  mean->scale = mean->scale.div(static_cast<double>(draws));
  return mean;
}

std::optional<Look> look_often(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                               const at::Tensor& y, const at::Tensor& target, LossKind loss,
                               int64_t draws) {
  return mean_look(draws, [&](int64_t draw, const at::Tensor& keep) {
    const Untraced again(oracle, draw == 0 ? rows.size(0) : 0);
    return look(oracle, kept_of(x, keep), kept_of(rows, keep), kept_of(y, keep),
                kept_of(target, keep), loss);
  });
}

std::vector<uint64_t> keys_of(const Block& block, const at::Tensor& rows) {
  std::vector<uint64_t> keys;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    keys.push_back(block.ids[static_cast<size_t>(rows[i].item<int64_t>())]);
  }
  return keys;
}

}  // namespace assay::attacks

#include "attacks/math/nearest.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "attacks/math/projection.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "harness/model/ball.h"

namespace assay::attacks {
namespace {

// The `count[i]` changes of each row that go farthest, before the box cuts them: beyond the walls
// there is no other way to tell which entries matter most.
at::Tensor keep_largest(const at::Tensor& x, const at::Tensor& x0, const at::Tensor& count,
                        const ThreatModel& threat) {
  const at::Tensor from = x.contiguous();
  const at::Tensor inside = x.clamp(threat.lo, threat.hi).contiguous();
  const at::Tensor counts = count.contiguous();
  at::Tensor result = x0.clone(at::MemoryFormat::Contiguous);
  const int64_t d = row_length(x0);
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const T* xs = from.const_data_ptr<T>();
    const T* cut = inside.const_data_ptr<T>();
    T* out = result.data_ptr<T>();
    std::vector<std::pair<double, int64_t>> order;
    for (int64_t row = 0; row < x.size(0); ++row, xs += d, cut += d, out += d) {
      order.clear();
      for (int64_t i = 0; i < d; ++i) {
        if (cut[i] != out[i]) order.emplace_back(-std::abs(double{xs[i]} - double{out[i]}), i);
      }
      const double wanted = counts.const_data_ptr<double>()[row];
      const auto kept = static_cast<size_t>(std::min(static_cast<double>(order.size()), wanted));
      std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept),
                       order.end());
      for (size_t k = 0; k < kept; ++k) out[order[k].second] = cut[order[k].second];
    }
  });
  return result;
}

}  // namespace

void keep_rows(const at::Tensor& indices, std::initializer_list<at::Tensor*> tensors) {
  for (at::Tensor* tensor : tensors) {
    if (tensor->defined() && indices.size(0) != tensor->size(0)) {
      *tensor = tensor->index_select(0, indices);
    }
  }
}

at::Tensor length(const at::Tensor& v, Norm norm) { return distance(v, at::zeros_like(v), norm); }

at::Tensor finite_entries(const at::Tensor& g) {
  const double most = g.scalar_type() == at::kDouble ? 1e300 : 3e38;
  return at::nan_to_num(g, 0.0, most, -most);
}

at::Tensor unit(const at::Tensor& g) {
  const at::Tensor clean = finite_entries(g);
  return clean.div(length_or_one(clean));
}

at::Tensor shrink(const at::Tensor& x, const at::Tensor& x0, const at::Tensor& radius,
                  const ThreatModel& threat) {
  if (threat.norm == Norm::kL0) return keep_largest(x, x0, radius, threat);
  return project(x, x0, {threat.norm, 0, threat.lo, threat.hi}, radius);
}

at::Tensor farthest(const at::Tensor& x0, const ThreatModel& threat) {
  const at::Tensor low = at::full_like(x0, threat.lo);
  const at::Tensor high = at::full_like(x0, threat.hi);
  return distance(at::where(x0.sub(low).gt(high.sub(x0)), low, high), x0, threat.norm);
}

double cosine(int64_t step, int64_t steps) {
  return (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps))) /
         2;
}

void tighten(Oracle& oracle, int64_t steps, double stretch) {
  const Block& block = oracle.block();
  const Untraced polish(oracle);
  const bool counts = oracle.threat().norm == Norm::kL0;
  at::Tensor rows = at::arange(block.size(), at::kLong);
  keep_rows(oracle.found().nonzero().squeeze(1), {&rows});
  keep_rows(oracle.undecided(rows), {&rows});
  const Candidates best = oracle.best();
  at::Tensor x0 = block.x.index_select(0, rows);           // [m, ...]
  at::Tensor from = best.x.index_select(0, rows).clone();  // [m, ...]
  if (stretch != 1) from = x0.add(from.sub(x0).mul(stretch));
  at::Tensor high = oracle.best_distance().index_select(0, rows).contiguous();  // breaks here
  at::Tensor low = at::zeros_like(high);                                        // and not here
  for (int64_t step = 0; step < steps && rows.size(0) > 0; ++step) {
    const at::Tensor open = high.sub(low).gt(counts ? 1.0 : 0.0).nonzero().squeeze(1);
    keep_rows(open, {&rows, &from, &x0, &high, &low});
    if (rows.size(0) == 0) return;
    at::Tensor radius = low.add(high).div(2);
    if (counts) radius = radius.floor();
    const at::Tensor labels = oracle.labels(shrink(from, x0, radius, oracle.threat()), rows);
    const at::Tensor broken = oracle.breaks(labels, rows);
    high = at::where(broken, radius, high);
    low = at::where(broken, low, radius);
    keep_rows(oracle.undecided(rows), {&high, &low, &from, &x0, &rows});
  }
}

}  // namespace assay::attacks

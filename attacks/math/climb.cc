#include "attacks/math/climb.h"

#include <algorithm>
#include <span>
#include <vector>

#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"

namespace assay::attacks {
namespace {

// Pairs of a sample that share a batch. Fixed: which of them are sent, and which of several broken
// ones the oracle keeps, must not depend on the other samples.
constexpr int64_t kPairsAtOnce = 8;

// u [k, ...] for one pair of probes.
at::Tensor direction(const at::Tensor& x, std::span<const uint64_t> keys, int64_t iteration,
                     int64_t pair, const Climb& settings, const Rng& rng) {
  const at::IntArrayRef shape = x.sizes().slice(1);
  if (!settings.signs) return rng.normal(keys, shape, iteration, pair);
  return rng.uniform(keys, shape, iteration, pair).lt(0.5).to(at::kDouble).mul(2).sub(1);
}

// g[row] += (value up − value down) · (up − down) for each pair of the rows `open` [k]: all k
// points of the first pair up, then all down, then the next pair. What counts is where the box let
// them go.
template <typename T>
void add_pairs(double* g, const T* points, const double* value, const int64_t* open, int64_t k,
               int64_t pairs, int64_t d) {
  for (int64_t pair = 0; pair < pairs; ++pair) {
    for (int64_t i = 0; i < k; ++i) {
      const int64_t up = 2 * pair * k + i;
      const int64_t down = up + k;
      const double rise = value[up] - value[down];
      for (int64_t j = 0; j < d; ++j) {
        g[open[i] * d + j] += rise * (double{points[up * d + j]} - double{points[down * d + j]});
      }
    }
  }
}

// Gradients at x [m, ...] up to a positive factor: [m, ...] float64. `pairs` ≥ 1.
at::Tensor estimate(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows, int64_t pairs,
                    int64_t iteration, const Climb& settings, const Rng& rng) {
  const ThreatModel& threat = oracle.threat();
  const Untraced probes(oracle);
  const at::Tensor g = at::zeros(x.sizes(), at::kDouble);
  for (int64_t first = 0; first < pairs; first += kPairsAtOnce) {
    const at::Tensor open = oracle.undecided(rows);  // [k]
    if (open.size(0) == 0) break;
    const int64_t count = std::min(kPairsAtOnce, pairs - first);
    const at::Tensor from = x.index_select(0, open).to(at::kDouble);
    const std::vector<uint64_t> keys = keys_of(oracle.block(), rows.index_select(0, open));
    std::vector<at::Tensor> points;
    for (int64_t pair = first; pair < first + count; ++pair) {
      const at::Tensor u =
          free_part(direction(from, keys, iteration, pair, settings, rng), threat.fixed)
              .mul(settings.sigma);
      for (const at::Tensor& to : {from.add(u), from.sub(u)}) {
        points.push_back(to.clamp(threat.lo, threat.hi).to(x.scalar_type()));
      }
    }
    const at::Tensor batch = at::cat(points).contiguous();  // [2 · count · k, ...]
    const at::Tensor value = margins(oracle, batch, rows.index_select(0, open).repeat(2 * count));
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      add_pairs(g.data_ptr<double>(), batch.const_data_ptr<T>(),
                value.contiguous().const_data_ptr<double>(), open.const_data_ptr<int64_t>(),
                open.size(0), count, row_length(x));
    });
  }
  return g;
}

}  // namespace

void climb(Oracle& oracle, const Rng& rng, const Climb& settings, const at::Tensor& start,
           const Step& step) {
  at::Tensor rows = at::arange(oracle.block().size(), at::kLong);  // [m] not decided
  at::Tensor x = start;                                            // [m, ...]
  at::Tensor gradient = at::zeros(x.sizes(), at::kDouble);         // [m, ...]
  // All samples that are not decided have sent as much as each other.
  for (int64_t iteration = 0, left = settings.queries; left > 0; ++iteration) {
    const int64_t pairs = std::min(settings.pairs, (left - 1) / 2);
    if (pairs > 0) gradient = estimate(oracle, x, rows, pairs, iteration, settings, rng);
    left -= 2 * pairs + 1;
    keep_rows(oracle.undecided(rows), {&x, &gradient, &rows});
    if (rows.size(0) == 0) return;
    x = step(x, gradient, rows);
    margins(oracle, x, rows);
    keep_rows(oracle.undecided(rows), {&x, &gradient, &rows});
    if (rows.size(0) == 0) return;
  }
}

}  // namespace assay::attacks

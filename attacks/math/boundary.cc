#include "attacks/math/boundary.h"

#include <algorithm>
#include <vector>

#include "attacks/math/look.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "attacks/math/windows.h"
#include "harness/model/ball.h"

namespace assay::attacks {
namespace {

// Probes of a sample that share a batch. Fixed: which of them are sent, and which of several broken
// ones the oracle keeps, must not depend on the other samples.
constexpr int64_t kProbesAtOnce = 16;

// Sums over the probes of each boundary point.
class Sums {
 public:
  Sums(int64_t m, int64_t d)
      : d_(d),
        all_(static_cast<size_t>(m * d)),
        broken_(all_.size()),
        count_(static_cast<size_t>(m)),
        hits_(count_.size()) {}

  // k probes of the points `active`, in steps of delta. What counts is where the box let them go.
  template <typename T>
  void add(const T* x, const T* probes, const bool* broken, const double* delta,
           const int64_t* active, int64_t k) {
    for (int64_t i = 0; i < k; ++i) {
      const int64_t row = active[i];
      double* all = all_.data() + row * d_;
      double* hit = broken_.data() + row * d_;
      const T* from = x + row * d_;
      const T* to = probes + i * d_;
      for (int64_t j = 0; j < d_; ++j) {
        const double u = (double{to[j]} - double{from[j]}) / delta[row];
        all[j] += u;
        if (broken[i]) hit[j] += u;
      }
      count_[static_cast<size_t>(row)] += 1;
      hits_[static_cast<size_t>(row)] += broken[i] ? 1 : 0;
    }
  }

  at::Tensor direction(at::IntArrayRef sizes) const {
    const at::Tensor g = at::empty(sizes, at::kDouble);
    double* out = g.data_ptr<double>();
    for (size_t row = 0; row < count_.size(); ++row) {
      const double count = count_[row];
      const double hits = hits_[row];
      // Σ (φ − mean φ) u for φ = ±1; where all agree, ± Σ u.
      const double mean = hits / std::max(count, 1.0);
      const size_t d = static_cast<size_t>(d_);
      for (size_t j = row * d; j < (row + 1) * d; ++j) {
        out[j] = hits == 0 ? -all_[j] : hits == count ? all_[j] : broken_[j] - mean * all_[j];
      }
    }
    return g;
  }

 private:
  int64_t d_;
  std::vector<double> all_, broken_;  // [m · d] Σ u, and Σ u over the broken ones
  std::vector<double> count_, hits_;  // [m]
};

// What is drawn around a sample: noise, what lies half way to corners of the box, corners with few
// entries high, or low, and other corners.
enum class Start { kUniform, kHalfWay, kFewHigh, kFewLow, kCorner };

// Noise that is constant on cells of `side` × `side` entries. → like x0 [m, ...]
at::Tensor coarse_noise(const at::Tensor& x0, std::span<const uint64_t> keys, int64_t restart,
                        int64_t attempt, int64_t side, Start kind, const Rng& rng,
                        const ThreatModel& threat) {
  const Layout l = layout_of(x0);
  const int64_t down = (l.height + side - 1) / side;
  const int64_t right = (l.width + side - 1) / side;
  at::Tensor u = rng.uniform(keys, {l.channels, down, right}, restart, attempt);
  // The share of low entries.
  const double low = kind == Start::kFewHigh ? 0.9 : kind == Start::kFewLow ? 0.1 : 0.5;
  if (kind != Start::kUniform) u = u.ge(low).to(at::kDouble);
  const at::Tensor i = at::arange(l.height, at::kLong).div(side, "floor");
  const at::Tensor j = at::arange(l.width, at::kLong).div(side, "floor");
  u = u.index_select(2, i).index_select(3, j);  // [m, c, h, w]
  const at::Tensor noise = u.mul(threat.hi - threat.lo).add(threat.lo).reshape(x0.sizes());
  const at::Tensor point = (kind == Start::kHalfWay ? noise.add(x0).div(2) : noise)
                               .clamp(threat.lo, threat.hi)
                               .to(x0.scalar_type());
  if (threat.fixed.empty()) return point;
  const at::Tensor still = at::tensor(threat.fixed, at::kLong);
  return point.flatten(1)
      .index_copy(1, still, x0.flatten(1).index_select(1, still))
      .view(x0.sizes());
}

// Draws `tries` points of these kinds for each sample behind `rows` or, if it may go on, until half
// of the sample's queries are spent.
Fringe seek(Oracle& oracle, const Rng& rng, int64_t tries, bool on, int64_t restart,
            std::span<const Start> kinds, at::Tensor rows) {
  const Block& block = oracle.block();
  const int64_t n = block.size();
  const Layout l = layout_of(block.x);
  const at::Tensor start = block.x.clone();
  const at::Tensor found = at::zeros({n}, at::kBool);
  int64_t side = 1;
  size_t kind = 0;
  for (int64_t attempt = 0; on || attempt < tries; ++attempt) {
    rows = rows.index_select(0, able(oracle, rows, 1));
    if (attempt >= tries) {
      const at::Tensor rich = oracle.queries_left().gt(oracle.queries()).index_select(0, rows);
      rows = rows.index_select(0, rich.nonzero().squeeze(1));
    }
    if (rows.size(0) == 0) break;
    const at::Tensor x0 = block.x.index_select(0, rows);
    const at::Tensor trial = coarse_noise(x0, keys_of(block, rows), restart, attempt, side,
                                          kinds[kind], rng, oracle.threat());
    const at::Tensor broken = breaks(oracle, trial, rows);  // [m]
    const at::Tensor hits = broken.nonzero().squeeze(1);
    start.index_copy_(0, rows.index_select(0, hits), trial.index_select(0, hits));
    found.index_fill_(0, rows.index_select(0, hits), true);
    rows = rows.index_select(0, broken.logical_not().nonzero().squeeze(1));
    side *= 2;
    if (side < 2 * std::max(l.height, l.width)) continue;
    side = 1;
    kind = (kind + 1) % kinds.size();
  }
  Fringe fringe{at::arange(n, at::kLong), block.x, start};
  fringe.keep(found.nonzero().squeeze(1));
  fringe.keep(oracle.undecided(fringe.rows));
  return fringe;
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
  return noise_start(oracle, rng, tries, at::arange(oracle.block().size(), at::kLong));
}

Fringe noise_start(Oracle& oracle, const Rng& rng, int64_t tries, const at::Tensor& rows) {
  constexpr Start kKinds[] = {Start::kUniform, Start::kCorner, Start::kHalfWay, Start::kFewHigh,
                              Start::kFewLow};
  return seek(oracle, rng, tries, /*on=*/true, -1, kKinds, rows);
}

Fringe corner_start(Oracle& oracle, const Rng& rng, int64_t tries, const at::Tensor& rows) {
  constexpr Start kKinds[] = {Start::kCorner, Start::kFewHigh, Start::kFewLow};
  return seek(oracle, rng, tries, /*on=*/false, -2, kKinds, rows);
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

at::Tensor bisect(Oracle& oracle, const at::Tensor& rows, const at::Tensor& low,
                  const at::Tensor& high, const at::Tensor& tolerance, const Way& way, Ask ask) {
  const at::Tensor out = low.clone();  // [m] farthest that is not broken
  const at::Tensor in = high.clone();  // [m] nearest that is
  for (;;) {
    at::Tensor open = able(oracle, rows, 1);
    const at::Tensor gap = in.sub(out).gt(tolerance).index_select(0, open);
    open = open.index_select(0, gap.nonzero().squeeze(1));  // [k]
    if (open.size(0) == 0) return in;
    const at::Tensor middle =
        out.index_select(0, open).add(in.index_select(0, open)).div(2);  // [k]
    const at::Tensor broken = ask(oracle, way(open, middle), rows.index_select(0, open));
    const at::Tensor hits = broken.nonzero().squeeze(1);
    const at::Tensor misses = broken.logical_not().nonzero().squeeze(1);
    in.index_copy_(0, open.index_select(0, hits), middle.index_select(0, hits));
    out.index_copy_(0, open.index_select(0, misses), middle.index_select(0, misses));
  }
}

at::Tensor bisect(Oracle& oracle, const at::Tensor& x0, const at::Tensor& x, const at::Tensor& rows,
                  const at::Tensor& tolerance) {
  const at::Tensor share = bisect(oracle, rows, at::zeros_like(tolerance), at::ones_like(tolerance),
                                  tolerance, [&](const at::Tensor& indices, const at::Tensor& t) {
                                    return blend(x0.index_select(0, indices),
                                                 x.index_select(0, indices), t, oracle.threat());
                                  });
  return blend(x0, x, share, oracle.threat());
}

namespace {

// Queries that going outward takes at most.
constexpr int64_t kOutward = 16;

// From the points `left` [k] of the fringe away from x0 until what is left of them once rounded is
// broken, and back as far as it stays so. In linf rounding only takes from a point.
void go_outward(Oracle& oracle, const Fringe& fringe, const at::Tensor& left) {
  const at::Tensor rows = fringe.rows.index_select(0, left);
  const at::Tensor x0 = fringe.x0.index_select(0, left).to(at::kDouble);
  const at::Tensor step = fringe.x.index_select(0, left).to(at::kDouble).sub(x0);
  const Way way = [&](const at::Tensor& indices, const at::Tensor& t) {
    const at::Tensor part = step.index_select(0, indices);
    const at::Tensor point = x0.index_select(0, indices).add(part.mul(spread(t, part)));
    return point.clamp(oracle.threat().lo, oracle.threat().hi).to(fringe.x.scalar_type());
  };
  const bool only_takes = oracle.threat().norm == Norm::kLinf;
  // [k] lengths in those of the steps
  at::Tensor low = at::full({left.size(0)}, only_takes ? 1.0 : 0.9, at::kDouble);
  at::Tensor high = low.clone();
  at::Tensor open = at::arange(left.size(0), at::kLong);
  at::Tensor hit = at::zeros({left.size(0)}, at::kBool);
  for (const double length : {1.0, 1.1, 1.25, 1.5, 2.0, 4.0}) {
    if (length == 1 && only_takes) continue;
    open = open.index_select(0, able(oracle, rows.index_select(0, open), 1));
    if (open.size(0) == 0) break;
    high.index_fill_(0, open, length);
    const at::Tensor broken = admissible_breaks(oracle, way(open, high.index_select(0, open)),
                                                rows.index_select(0, open));
    hit.index_copy_(0, open, broken);
    open = open.index_select(0, broken.logical_not().nonzero().squeeze(1));
    low.index_copy_(0, open, high.index_select(0, open));
  }
  const at::Tensor hits = hit.nonzero().squeeze(1);
  const at::Tensor from = low.index_select(0, hits);
  bisect(
      oracle, rows.index_select(0, hits), from, high.index_select(0, hits),
      at::full_like(from, 0.005),
      [&](const at::Tensor& indices, const at::Tensor& t) {
        return way(hits.index_select(0, indices), t);
      },
      admissible_breaks);
}

// Halvings of what is known of how long a way may be.
constexpr int64_t kLengthHalvings = 10;

// The longest multiple of each step [k, ...] from x0 whose rounding stays in the ball, at most four
// times the one [k] that the ball allows without. No queries. → [k, ...]
at::Tensor longest(const Oracle& oracle, const at::Tensor& x0, const at::Tensor& step,
                   const at::Tensor& allowed, const at::Tensor& rows) {
  const ThreatModel& threat = oracle.threat();
  const at::Tensor from = x0.to(at::kDouble);
  const auto point = [&](const at::Tensor& t) {
    const at::Tensor to = from.add(step.mul(spread(t, step)));
    return oracle.admissible(to.clamp(threat.lo, threat.hi).to(x0.scalar_type()), rows);
  };
  at::Tensor low = allowed, high = allowed.mul(4);
  for (int64_t halving = 0; halving < kLengthHalvings; ++halving) {
    const at::Tensor middle = low.add(high).div(2);
    const at::Tensor fits = distance(point(middle), x0, threat.norm).le(*threat.eps);
    low = at::where(fits, middle, low);
    high = at::where(fits, high, middle);
  }
  return point(low);
}

}  // namespace

int64_t outward_queries(const Oracle& oracle) { return oracle.threat().levels > 0 ? kOutward : 0; }

void try_rounded(Oracle& oracle, const Fringe& fringe) {
  const ThreatModel& threat = oracle.threat();
  if (threat.levels == 0) return;
  if (!threat.eps) {
    go_outward(oracle, fringe, able(oracle, fringe.rows, kOutward));
    return;
  }
  const at::Tensor paying = able(oracle, fringe.rows, 2);
  if (paying.size(0) == 0) return;
  const at::Tensor rows = fringe.rows.index_select(0, paying);
  const at::Tensor x0 = fringe.x0.index_select(0, paying);
  const at::Tensor from = x0.to(at::kDouble);
  const at::Tensor step = fringe.x.index_select(0, paying).to(at::kDouble).sub(from);
  const auto end = [&](const at::Tensor& way) {
    return from.add(way).clamp(threat.lo, threat.hi).to(x0.scalar_type());
  };
  const at::Tensor scale = distance(step, at::zeros_like(step), threat.norm)
                               .clamp_min(1e-12)
                               .reciprocal()
                               .mul(*threat.eps);
  const at::Tensor straight = end(step.mul(spread(scale, step)));
  const at::Tensor farther = threat.norm == Norm::kLinf ? end(step.sign().mul(*threat.eps))
                                                        : longest(oracle, x0, step, scale, rows);
  admissible_breaks(oracle, at::cat({straight, farther}), at::cat({rows, rows}));
}

at::Tensor retire(Oracle& oracle, Fringe& fringe, int64_t queries) {
  const bool rounds = oracle.threat().levels > 0;
  const at::Tensor paying = able(oracle, fringe.rows, queries + outward_queries(oracle));
  const at::Tensor poor = at::ones_like(fringe.rows, at::kBool);
  const at::Tensor left = poor.index_fill_(0, paying, false).nonzero().squeeze(1);
  if (rounds) {
    Fringe leaving = fringe;
    leaving.keep(left);
    if (oracle.threat().eps) try_rounded(oracle, leaving);
    go_outward(oracle, fringe, left);
  }
  bisect(oracle, fringe.x0.index_select(0, left), fringe.x.index_select(0, left),
         fringe.rows.index_select(0, left), at::zeros({left.size(0)}, at::kDouble));
  fringe.keep(paying);
  return paying;
}

at::Tensor estimate(Oracle& oracle, const Fringe& fringe, const at::Tensor& delta,
                    const at::Tensor& probes, const Draw& draw) {
  const ThreatModel& threat = oracle.threat();
  Sums sums(fringe.rows.size(0), row_length(fringe.x));
  const at::Tensor x = fringe.x.contiguous();
  const int64_t most = probes.max().item<int64_t>();
  for (int64_t first = 0; first < most; first += kProbesAtOnce) {
    std::vector<at::Tensor> points, indices;
    for (int64_t probe = first; probe < std::min(most, first + kProbesAtOnce); ++probe) {
      const at::Tensor paying = probes.gt(probe);
      paying.logical_and_(oracle.decided().index_select(0, fringe.rows).logical_not());
      const at::Tensor active = paying.nonzero().squeeze(1);  // [k]
      if (active.size(0) == 0) break;
      const at::Tensor from = x.index_select(0, active);
      const at::Tensor u =
          free_part(draw(from, keys_of(oracle.block(), fringe.rows.index_select(0, active)), probe),
                    threat.fixed);
      const at::Tensor to =
          from.to(at::kDouble).add(u.mul(spread(delta.index_select(0, active), u)));
      points.push_back(to.clamp(threat.lo, threat.hi).to(x.scalar_type()));
      indices.push_back(active);
    }
    if (points.empty()) break;
    const at::Tensor batch = at::cat(points);    // [b, ...]
    const at::Tensor active = at::cat(indices);  // [b] into fringe
    const at::Tensor broken = breaks(oracle, batch, fringe.rows.index_select(0, active));
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      sums.add(x.const_data_ptr<T>(), batch.const_data_ptr<T>(), broken.const_data_ptr<bool>(),
               delta.const_data_ptr<double>(), active.const_data_ptr<int64_t>(), active.size(0));
    });
  }
  return sums.direction(x.sizes());
}

}  // namespace assay::attacks

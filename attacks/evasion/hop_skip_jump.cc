// HopSkipJump: walks along the decision boundary by gradients estimated from labels.
//
// Paper: Chen, Jordan, Wainwright, "HopSkipJumpAttack: a Query-efficient Decision-based Attack",
// IEEE S&P 2020, arXiv:1904.02144, Algorithm 2.
// Reference: Jianbo-Lab/HSJA hsja.py.
// Deviations: runs until the budget is spent rather than a number of iterations, and claims the
// nearest point of all queries, probes too; starts are noise on ever coarser grids in turn;
// bisection stops at 1e-6 of the way at the latest, since float32 inputs cannot tell more.
// Probes of all samples share batches.
// Cost per sample, at most: queries forwards, no gradients. Without eps it finds the smallest
// distance; with eps it stops at the first broken point inside the ball.
#include <algorithm>
#include <cmath>
#include <vector>

#include "attacks/math/boundary.h"
#include "attacks/math/look.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks {
namespace {

// Probes of a sample that share a batch. Fixed: which of them are sent, and which of several broken
// ones the oracle keeps, must not depend on the other samples.
constexpr int64_t kChunk = 16;
// Halvings of a jump before it is given up.
constexpr int64_t kHalvings = 24;
// Fewer probes than these say nothing about a direction.
constexpr int64_t kFewest = 8;

struct Settings {
  int64_t queries;
  int64_t probes;
  int64_t most_probes;
  int64_t starts;
};

// Sums over the probes of one boundary point.
struct Sums {
  std::vector<double> all, broken;  // [m · d] Σ u, and Σ u over the broken ones
  std::vector<double> count, hits;  // [m]
};

// Random directions of Euclidean length 1, one a row: normal, or uniform entries for linf.
at::Tensor directions(const at::Tensor& x, std::span<const uint64_t> keys, int64_t iteration,
                      int64_t probe, const Rng& rng, Norm norm) {
  const at::IntArrayRef shape = x.sizes().slice(1);
  const at::Tensor v = norm == Norm::kLinf
                           ? rng.uniform(keys, shape, iteration, probe).mul_(2).sub_(1)
                           : rng.normal(keys, shape, iteration, probe);
  return v.div(length_or_one(v));
}

template <typename T>
void add_probes(Sums& sums, const T* x, const T* probes, const bool* broken, const double* delta,
                const int64_t* active, int64_t k, int64_t d) {
  for (int64_t i = 0; i < k; ++i) {
    const int64_t row = active[i];
    double* all = sums.all.data() + row * d;
    double* hit = sums.broken.data() + row * d;
    const T* from = x + row * d;
    const T* to = probes + i * d;
    for (int64_t j = 0; j < d; ++j) {
      const double u = (double{to[j]} - double{from[j]}) / delta[row];
      all[j] += u;
      if (broken[i]) hit[j] += u;
    }
    sums.count[static_cast<size_t>(row)] += 1;
    sums.hits[static_cast<size_t>(row)] += broken[i] ? 1 : 0;
  }
}

// The direction into the broken side at each boundary point, of length 1 (linf: its sign).
at::Tensor direction_of(const Sums& sums, const at::Tensor& x, Norm norm) {
  const int64_t d = row_length(x);
  const at::Tensor g = at::empty(x.sizes(), at::kDouble);
  double* out = g.data_ptr<double>();
  for (int64_t row = 0; row < x.size(0); ++row) {
    const double count = sums.count[static_cast<size_t>(row)];
    const double hits = sums.hits[static_cast<size_t>(row)];
    // Σ (φ − mean φ) u for φ = ±1; where all agree, ± Σ u.
    const double mean = hits / std::max(count, 1.0);
    for (int64_t j = row * d; j < (row + 1) * d; ++j) {
      const double all = sums.all[static_cast<size_t>(j)];
      const double hit = sums.broken[static_cast<size_t>(j)];
      out[j] = hits == 0 ? -all : hits == count ? all : hit - mean * all;
    }
  }
  return norm == Norm::kLinf ? g.sign() : g.div(length_or_one(g));
}

// Estimates the direction from probes at distance delta [m] around x; sample i can pay for
// probes [m] of them.
at::Tensor estimate(Oracle& oracle, const Fringe& fringe, const at::Tensor& delta,
                    const at::Tensor& probes, int64_t iteration, const Rng& rng) {
  const ThreatModel& threat = oracle.threat();
  const int64_t m = fringe.rows.size(0);
  const int64_t d = row_length(fringe.x);
  const std::vector<double> zeros(static_cast<size_t>(m * d), 0.0);
  const std::vector<double> none(static_cast<size_t>(m), 0.0);
  Sums sums{zeros, zeros, none, none};
  const at::Tensor x = fringe.x.contiguous();
  const int64_t most = probes.max().item<int64_t>();
  for (int64_t first = 0; first < most; first += kChunk) {
    std::vector<at::Tensor> points, indices;
    for (int64_t probe = first; probe < std::min(most, first + kChunk); ++probe) {
      const at::Tensor paying = probes.gt(probe);
      paying.logical_and_(oracle.decided().index_select(0, fringe.rows).logical_not());
      const at::Tensor active = paying.nonzero().squeeze(1);  // [k]
      if (active.size(0) == 0) break;
      const at::Tensor from = x.index_select(0, active);
      const std::vector<uint64_t> keys =
          keys_of(oracle.block(), fringe.rows.index_select(0, active));
      const at::Tensor u = directions(from, keys, iteration, probe, rng, threat.norm);
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
      add_probes(sums, x.const_data_ptr<T>(), batch.const_data_ptr<T>(),
                 broken.const_data_ptr<bool>(), delta.const_data_ptr<double>(),
                 active.const_data_ptr<int64_t>(), active.size(0), d);
    });
  }
  return direction_of(sums, x, threat.norm);
}

// Jumps from x along the direction [m, ...] by `size` [m], halved until the point is broken; a row
// that finds none stays.
at::Tensor jump(Oracle& oracle, const Fringe& fringe, const at::Tensor& direction,
                at::Tensor size) {
  const ThreatModel& threat = oracle.threat();
  const at::Tensor result = fringe.x.clone();
  at::Tensor open = at::arange(fringe.rows.size(0), at::kLong);
  for (int64_t halving = 0; halving < kHalvings; ++halving) {
    open = open.index_select(0, able(oracle, fringe.rows.index_select(0, open), 1));
    if (open.size(0) == 0) break;
    const at::Tensor along = direction.index_select(0, open);
    const at::Tensor from = fringe.x.index_select(0, open);
    const at::Tensor trial = from.to(at::kDouble)
                                 .add(along.mul(spread(size.index_select(0, open), along)))
                                 .clamp(threat.lo, threat.hi)
                                 .to(from.scalar_type());
    const at::Tensor broken = breaks(oracle, trial, fringe.rows.index_select(0, open));
    const at::Tensor in = broken.nonzero().squeeze(1);
    result.index_copy_(0, open.index_select(0, in), trial.index_select(0, in));
    open = open.index_select(0, broken.logical_not().nonzero().squeeze(1));
    size = size.div(2);
  }
  return result;
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const ThreatModel& threat = oracle.threat();
  const auto d = static_cast<double>(row_length(oracle.block().x));
  const double theta = std::max(1e-6, std::pow(d, threat.norm == Norm::kLinf ? -2.0 : -1.5));
  Fringe fringe = noise_start(oracle, rng, settings.starts);
  const auto cross = [&](const at::Tensor& x) {
    const at::Tensor away = distance(x, fringe.x0, threat.norm);  // [m]
    // linf: to an absolute width too, where the point is far away.
    const at::Tensor width = at::full_like(away, theta);
    return bisect(oracle, fringe.x0, x, fringe.rows,
                  threat.norm == Norm::kLinf ? width.div(away.clamp_min(1)) : width);
  };
  if (fringe.rows.size(0) == 0) return oracle.best();
  fringe.x = cross(fringe.x);
  const auto walk = static_cast<int64_t>(std::ceil(-std::log2(theta))) + 4;
  for (int64_t iteration = 1;; ++iteration) {
    fringe.keep(able(oracle, fringe.rows, kFewest + walk));
    if (fringe.rows.size(0) == 0) break;
    const at::Tensor away = distance(fringe.x, fringe.x0, threat.norm);  // [m]
    const double root = std::sqrt(static_cast<double>(iteration));
    const auto wanted = static_cast<int64_t>(static_cast<double>(settings.probes) * root);
    const at::Tensor probes = oracle.queries_left()
                                  .index_select(0, fringe.rows)
                                  .sub(walk)
                                  .clamp_max(std::min(wanted, settings.most_probes));
    const at::Tensor delta = iteration == 1 ? at::full_like(away, 0.1 * (threat.hi - threat.lo))
                                            : away.div(d).clamp_min(1e-12);
    const at::Tensor direction = estimate(oracle, fringe, delta, probes, iteration, rng);
    fringe.x = cross(jump(oracle, fringe, direction, away.div(root)));
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .queries = params.integer("queries", 10000, {1, 10000000}, "hard budget for each sample"),
      .probes =
          params.integer("probes", 100, {1, 1000000},
                         "probes of the first estimate; the t-th takes sqrt(t) times as many"),
      .most_probes = params.integer("most_probes", 10000, {1, 1000000}, "probes of any estimate"),
      .starts = params.integer("starts", 100, {1, 1000000},
                               "random points tried until one is broken; with none, the sample "
                               "counts as robust"),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.queries}};
}

}  // namespace

Attack hop_skip_jump() {
  Attack attack;
  attack.info = {
      .name = "hop_skip_jump",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kL2, Norm::kLinf},
      .targeted = true,
      .summary = "walk along the decision boundary by gradients estimated from labels alone",
      .paper =
          "Chen, Jordan, Wainwright: HopSkipJumpAttack: a Query-efficient Decision-based Attack, "
          "IEEE S&P 2020, arXiv:1904.02144",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks

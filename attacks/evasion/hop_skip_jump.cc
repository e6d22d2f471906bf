// HopSkipJump: walks along the decision boundary by gradients estimated from labels.
//
// Paper: Chen, Jordan, Wainwright, "HopSkipJumpAttack: a Query-efficient Decision-based Attack",
// IEEE S&P 2020, arXiv:1904.02144, Algorithm 2.
// Reference: Jianbo-Lab/HSJA hsja.py.
// Deviations: runs until the budget is spent rather than a number of iterations, and claims the
// nearest point of all queries, probes too; starts are noise on ever coarser grids in turn;
// bisection stops at 1e-6 of the way at the latest, since float32 inputs cannot tell more; where
// only levels count, each iteration tries the end of the ball on its way too or, without eps, what
// rounding leaves of points just beyond the boundary.
// Probes of all samples share batches.
// Cost per sample, at most: queries forwards, no gradients. Without eps it finds the smallest
// distance; with eps it stops at the first broken point inside the ball.
#include <algorithm>
#include <cmath>
#include <span>

#include "attacks/math/boundary.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::hop_skip_jump {
namespace {

// Halvings of a jump before it is given up.
constexpr int64_t kHalvings = 24;

struct Settings {
  int64_t queries;
  int64_t probes;
  int64_t most_probes;
  int64_t starts;
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
    retire(oracle, fringe, kFewestProbes + walk);
    if (fringe.rows.size(0) == 0) break;
    const at::Tensor away = distance(fringe.x, fringe.x0, threat.norm);  // [m]
    const double root = std::sqrt(static_cast<double>(iteration));
    const auto wanted = static_cast<int64_t>(static_cast<double>(settings.probes) * root);
    const at::Tensor probes = oracle.queries_left()
                                  .index_select(0, fringe.rows)
                                  .sub(walk + outward_queries(oracle))
                                  .clamp_max(std::min(wanted, settings.most_probes));
    const at::Tensor delta = iteration == 1 ? at::full_like(away, 0.1 * (threat.hi - threat.lo))
                                            : away.div(d).clamp_min(1e-12);
    const at::Tensor g =
        estimate(oracle, fringe, delta, probes,
                 [&](const at::Tensor& x, std::span<const uint64_t> keys, int64_t probe) {
                   return directions(x, keys, iteration, probe, rng, threat.norm);
                 });
    oracle.count_step(fringe.rows);
    const at::Tensor direction = steepest(g, threat.norm);
    fringe.x = jump(oracle, fringe, direction, away.div(root));
    oracle.count_step(fringe.rows);
    fringe.x = cross(fringe.x);
    oracle.count_step(fringe.rows);
    try_rounded(oracle, fringe);
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
      .starts = starts_param(params),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "hop_skip_jump",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kL2, Norm::kLinf},
      .nearest_without_eps = true,
      .targeted = true,
      .summary =
          "walk along the decision boundary by gradients estimated from labels alone; in linf it "
          "often ends some percent short of the least radius",
      .paper =
          "Chen, Jordan, Wainwright: HopSkipJumpAttack: a Query-efficient Decision-based Attack, "
          "IEEE S&P 2020, arXiv:1904.02144",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::hop_skip_jump

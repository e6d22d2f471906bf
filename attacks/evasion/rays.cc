// RayS: searches the signs of a linf ray, by labels alone.
//
// Paper: Chen, Gu, "RayS: A Ray Searching Method for Hard-label Adversarial Attack", KDD 2020,
// arXiv:2006.12792, Algorithms 1 to 3.
// Reference: uclaml/RayS general_torch_model.py, RayS.py.
// Deviations: where the first ray, all entries up, does not leave the clean label, the search
// starts from random corners of the box or, failing these, other random points (boundary.h); rays
// end at the walls of the box; bisection is
// relative to the radius (to 0.1 %) rather than absolute; once blocks of one entry are done, the
// search starts again from large blocks that begin at a random place, where the reference runs out
// of blocks; where only levels count, the end of the ball on a ray that crosses in it is tried too.
// Cost per sample, at most: queries forwards, no gradients. Without eps it finds the
// smallest distance; with eps it stops at the first broken point inside the ball.
#include <algorithm>
#include <vector>

#include "attacks/math/boundary.h"
#include "attacks/math/look.h"
#include "attacks/math/query.h"
#include "attacks/math/search_params.h"
#include "attacks/math/sign_blocks.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::rays {
namespace {

struct Settings {
  int64_t queries;
  int64_t starts;
  double tolerance;
};

// Samples with their rays x0 + radius · sign. A sample is checking a block or bisecting, whatever
// the others do: every round sends one query of each.
struct Rays {
  at::Tensor rows;         // [m]
  at::Tensor x0;           // [m, ...]
  at::Tensor sign, trial;  // [m, ...] the best ray, ±1 each or ‖·‖∞ = 1; the one tried
  at::Tensor radius;       // [m] float64 of the best ray: broken, once any was
  at::Tensor low;          // [m] float64 while bisecting: the trial is not broken there
  at::Tensor bisecting;    // [m] bool
  std::vector<SignBlocks> blocks;  // [m] which block is next

  void keep(const at::Tensor& indices) {
    if (indices.size(0) == rows.size(0)) return;
    for (at::Tensor* each : {&rows, &x0, &sign, &trial, &radius, &low, &bisecting}) {
      *each = each->index_select(0, indices);
    }
    std::vector<SignBlocks> left;
    for (int64_t i = 0; i < indices.size(0); ++i) {
      left.push_back(blocks[static_cast<size_t>(indices[i].item<int64_t>())]);
    }
    blocks = std::move(left);
  }
};

at::Tensor on_ray(const Rays& rays, const at::Tensor& length, const ThreatModel& threat) {
  const at::Tensor point = rays.x0.to(at::kDouble).add(rays.trial.mul(spread(length, rays.trial)));
  return point.clamp(threat.lo, threat.hi).to(rays.x0.scalar_type());
}

// Flips the next block of every sample that is not bisecting.
void next_trials(Rays& rays, const Block& block, const Rng& rng) {
  const int64_t d = rays.sign.numel() / rays.sign.size(0);
  rays.trial = at::where(spread(rays.bisecting, rays.trial), rays.trial, rays.sign).contiguous();
  const bool* busy = rays.bisecting.const_data_ptr<bool>();
  const std::vector<uint64_t> keys = keys_of(block, rays.rows);
  double* trial = rays.trial.data_ptr<double>();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!busy[i]) rays.blocks[i].flip_next(trial + static_cast<int64_t>(i) * d, d, keys[i], rng);
  }
}

// What the labels say about each trial at the length that was sent. A flipped block that keeps the
// best radius broken is worth bisecting: its ray is at least as good.
void learn(Rays& rays, const at::Tensor& broken, const at::Tensor& length, double tolerance) {
  const at::Tensor missed = at::where(broken, rays.low, length);
  rays.low = at::where(rays.bisecting, missed, at::zeros_like(length));
  rays.radius = at::where(broken, length, rays.radius);
  rays.sign = at::where(spread(broken, rays.sign), rays.trial, rays.sign);
  const at::Tensor wide = rays.radius.sub(rays.low).gt(rays.radius.mul(tolerance));
  rays.bisecting = rays.bisecting.logical_or(broken).logical_and(wide);
}

// A ray that crosses the boundary in the ball may be no success once it is rounded, the less so the
// shorter it is: its end is tried too. `hit` [m] bool: the rays to try.
void try_ends(Oracle& oracle, const Rays& rays, const at::Tensor& hit) {
  at::Tensor open = hit.nonzero().squeeze(1);
  open = open.index_select(0, able(oracle, rays.rows.index_select(0, open), 1));
  if (open.size(0) == 0) return;
  const ThreatModel& threat = oracle.threat();
  const at::Tensor way = rays.sign.index_select(0, open).sign().mul(*threat.eps);
  const at::Tensor x0 = rays.x0.index_select(0, open);
  const at::Tensor end = x0.to(at::kDouble).add(way).clamp(threat.lo, threat.hi);
  admissible_breaks(oracle, end.to(x0.scalar_type()), rays.rows.index_select(0, open));
}

// Indices of the samples that are through with all blocks of a size, or a hundred: a step of this
// search.
at::Tensor through(const Rays& rays) {
  const at::Tensor done = rays.bisecting.logical_not();  // [m]
  for (size_t i = 0; i < rays.blocks.size(); ++i) {
    done.data_ptr<bool>()[i] &= rays.blocks[i].ends_part();
  }
  return done.nonzero().squeeze(1);
}

// Gives the samples that the first query did not break rays to corners that are broken or, where
// none is found, to other random points.
void start(Oracle& oracle, Rays& rays, const Rng& rng, const Settings& settings) {
  const ThreatModel& threat = oracle.threat();
  const at::Tensor place = at::zeros({oracle.block().size()}, at::kLong)
                               .index_copy(0, rays.rows, at::arange(rays.rows.size(0), at::kLong));
  const at::Tensor open = rays.bisecting.logical_not().nonzero().squeeze(1);
  const Fringe corners =
      corner_start(oracle, rng, settings.starts, rays.rows.index_select(0, open));
  const at::Tensor high = corners.x.gt((threat.lo + threat.hi) / 2);
  rays.sign = rays.sign.index_copy(0, place.index_select(0, corners.rows),
                                   high.to(at::kDouble).mul(2).sub(1));
  const at::Tensor left = rays.bisecting.logical_not().index_fill_(
      0, place.index_select(0, corners.rows), false);  // [m]
  const Fringe points = noise_start(oracle, rng, settings.starts,
                                    rays.rows.index_select(0, left.nonzero().squeeze(1)));
  const at::Tensor away = distance(points.x, points.x0, Norm::kLinf);
  const at::Tensor step = points.x.to(at::kDouble).sub(points.x0.to(at::kDouble));
  const at::Tensor places = place.index_select(0, points.rows);
  rays.sign = rays.sign.index_copy(0, places, step.div(spread(away, step)));
  rays.radius = rays.radius.index_copy(0, places, away);
  rays.trial = at::where(spread(rays.bisecting, rays.trial), rays.trial, rays.sign);
  for (const Fringe* found : {&corners, &points}) {
    rays.bisecting.index_fill_(0, place.index_select(0, found->rows), true);
  }
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t n = block.size();
  const double whole = threat.hi - threat.lo;
  Rays rays{.rows = at::arange(n, at::kLong), .x0 = block.x};
  rays.sign = at::ones(block.x.sizes(), at::kDouble);
  rays.trial = rays.sign;
  rays.radius = at::full({n}, whole, at::kDouble);
  rays.low = at::zeros({n}, at::kDouble);
  rays.bisecting = at::zeros({n}, at::kBool);
  rays.blocks.resize(static_cast<size_t>(n));
  for (bool first = true;; first = false) {
    rays.keep(able(oracle, rays.rows, 1));
    if (rays.rows.size(0) == 0) break;
    if (!first) next_trials(rays, block, rng);
    const at::Tensor length =
        at::where(rays.bisecting, rays.low.add(rays.radius).div(2), rays.radius);       // [m]
    const at::Tensor broken = breaks(oracle, on_ray(rays, length, threat), rays.rows);  // [m]
    learn(rays, broken, length, settings.tolerance);
    if (threat.levels > 0 && threat.eps) {
      try_ends(oracle, rays, broken.logical_and(length.le(*threat.eps)));
    }
    oracle.count_step(rays.rows.index_select(0, through(rays)));
    if (first) start(oracle, rays, rng, settings);
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .queries = params.integer("queries", 10000, {1, 10000000}, "hard budget for each sample"),
      .starts = starts_param(params),
      .tolerance = params.number("tolerance", 1e-3, {1e-6, 0.5},
                                 "share of the radius to which a ray is bisected"),
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
      .name = "rays",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kLinf},
      .nearest_without_eps = true,
      .targeted = true,
      .summary = "search for the signs of the shortest linf ray, by labels alone",
      .paper =
          "Chen, Gu: RayS: A Ray Searching Method for Hard-label Adversarial Attack, KDD 2020, "
          "arXiv:2006.12792",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::rays

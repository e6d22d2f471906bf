// GeoDA: shoots from the clean input along the normal of the decision boundary, which it estimates
// from labels.
//
// Paper: Rahmati, Moosavi-Dezfooli, Frossard, Dai, "GeoDA: a Geometric Framework for Black-box
// Adversarial Attacks", CVPR 2020, arXiv:2003.06468, Algorithm 1 and §4.3; for l1 §3.4.
// Reference: thisisalirah/GeoDA GeoDA.py.
// Deviations: probes of all iterations count alike (the reference adds up the means of iterations,
// so that a probe of the first outweighs those of the last), less their mean as in HopSkipJump;
// points are the best ones of a radius in ball and box, where the reference clips what leaves the
// box (l1: one entry after the other to the wall of the box, which is the sparse variant); the
// search starts at the distance of the point before rather than in steps of 5; sigma and tolerance
// are shares of the box, where the reference's are in normalised units; inputs that are no images
// have no frequencies and are probed in all directions; what the schedule leaves of the budget
// sharpens the last point; where only levels count, each iteration tries the end of the ball on its
// way too or, without eps, what rounding leaves of points just beyond the boundary.
// Cost per sample, at most: queries forwards, no gradients. Without eps it finds the smallest
// distance; with eps it stops at the first broken point inside the ball.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "attacks/math/boundary.h"
#include "attacks/math/nearest.h"
#include "attacks/math/projection.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/windows.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::geoda {
namespace {

// Queries that an iteration is taken to spend on its way to the boundary (the reference's 25).
constexpr int64_t kWalk = 25;
// Probes of the first estimate, at least: the number of iterations follows.
constexpr double kFewestFirst = 50;
// Doublings of the radius before a direction is given up.
constexpr int64_t kDoublings = 8;

struct Settings {
  int64_t queries;
  int64_t subspace;
  double sigma;
  double mu;
  double tolerance;
  int64_t starts;
};

// Iteration i takes growth^i times as many probes as the first.
struct Schedule {
  double growth = 1;
  int64_t iterations = 1;
  double first = 0;
};

// As many iterations as leave the first enough probes.
Schedule schedule_of(const Settings& settings) {
  Schedule schedule{.growth = std::pow(settings.mu, -2.0 / 3)};
  double sum = 0;  // probes in units of the first
  double term = 1;
  for (int64_t iterations = 1;; ++iterations, term *= schedule.growth) {
    sum += term;
    const auto all = static_cast<double>(settings.queries - kWalk * (iterations + 1));
    if (iterations > 1 && all / sum < kFewestFirst) return schedule;
    schedule.iterations = iterations;
    schedule.first = std::max(all / sum, 1.0);
  }
}

// The lowest frequencies of the cosine transform of one axis, orthonormal: [count · size].
std::vector<double> cosines(int64_t count, int64_t size) {
  std::vector<double> basis;
  const auto n = static_cast<double>(size);
  for (int64_t f = 0; f < count; ++f) {
    for (int64_t i = 0; i < size; ++i) {
      const double angle = std::numbers::pi * static_cast<double>((2 * i + 1) * f) / (2 * n);
      basis.push_back(std::sqrt((f == 0 ? 1 : 2) / n) * std::cos(angle));
    }
  }
  return basis;
}

// Standard normal in the span of the lowest `most` frequencies of each axis of an image. x
// [k, ...] → [k, ...] float64.
at::Tensor smooth_normal(const at::Tensor& x, std::span<const uint64_t> keys, int64_t iteration,
                         int64_t probe, const Rng& rng, int64_t most) {
  const Layout l = layout_of(x);
  const int64_t p = std::min(most, l.height);
  const int64_t q = std::min(most, l.width);
  // All frequencies: the transform is a rotation, and the normal distribution has none.
  if (x.dim() < 3 || (p == l.height && q == l.width)) {
    return rng.normal(keys, x.sizes().slice(1), iteration, probe);
  }
  const at::Tensor z = rng.normal(keys, {l.channels, p, q}, iteration, probe).contiguous();
  const std::vector<double> down = cosines(p, l.height);
  const std::vector<double> across = cosines(q, l.width);
  const at::Tensor result = at::zeros(x.sizes(), at::kDouble);
  const double* in = z.const_data_ptr<double>();
  double* out = result.data_ptr<double>();
  std::vector<double> line(static_cast<size_t>(l.width));
  for (int64_t plane = 0; plane < x.size(0) * l.channels; ++plane) {
    for (int64_t u = 0; u < p; ++u) {
      std::fill(line.begin(), line.end(), 0.0);
      for (int64_t v = 0; v < q; ++v, ++in) {
        for (int64_t j = 0; j < l.width; ++j) line[j] += *in * across[v * l.width + j];
      }
      for (int64_t i = 0; i < l.height; ++i) {
        for (int64_t j = 0; j < l.width; ++j) {
          out[i * l.width + j] += down[u * l.height + i] * line[j];
        }
      }
    }
    out += l.height * l.width;
  }
  return result;
}

// Moves each point to where the way along the normal [m, ...] leaves the clean label, if it does
// anywhere near: first at the distance of the point it has, else farther out.
void shoot(Oracle& oracle, Fringe& fringe, const at::Tensor& normal, double tolerance) {
  const ThreatModel& threat = oracle.threat();
  const Ball ball{threat.norm, 0, threat.lo, threat.hi};
  const at::Tensor g = normal.to(fringe.x.scalar_type());
  const Way way = [&](const at::Tensor& indices, const at::Tensor& radius) {
    return maximise_linear(g.index_select(0, indices), fringe.x0.index_select(0, indices), ball,
                           radius);
  };
  at::Tensor high = distance(fringe.x, fringe.x0, threat.norm);  // [m]
  const at::Tensor low = at::zeros_like(high);
  const at::Tensor hit = at::zeros_like(fringe.rows, at::kBool);
  at::Tensor open = at::arange(fringe.rows.size(0), at::kLong);
  for (int64_t doubling = 0; doubling <= kDoublings; ++doubling) {
    open = open.index_select(0, able(oracle, fringe.rows.index_select(0, open), 1));
    if (open.size(0) == 0) break;
    const at::Tensor radius = high.index_select(0, open);
    const at::Tensor broken = breaks(oracle, way(open, radius), fringe.rows.index_select(0, open));
    hit.index_copy_(0, open, broken);
    open = open.index_select(0, broken.logical_not().nonzero().squeeze(1));
    low.index_copy_(0, open, high.index_select(0, open));
    high.index_copy_(0, open, high.index_select(0, open).mul(2));
  }
  const at::Tensor hits = hit.nonzero().squeeze(1);  // [h]
  if (hits.size(0) == 0) return;
  // The tolerance is one of Euclidean length, as that of the probes is.
  const double root = std::sqrt(static_cast<double>(row_length(fringe.x)));
  const double width = threat.norm == Norm::kLinf ? tolerance / root : tolerance;
  const at::Tensor from = low.index_select(0, hits);
  const at::Tensor radius =
      bisect(oracle, fringe.rows.index_select(0, hits), from, high.index_select(0, hits),
             at::full_like(from, width), [&](const at::Tensor& indices, const at::Tensor& t) {
               return way(hits.index_select(0, indices), t);
             });
  fringe.x = fringe.x.clone().index_copy_(0, hits, way(hits, radius));
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const double whole = oracle.threat().hi - oracle.threat().lo;
  const Schedule schedule = schedule_of(settings);
  Fringe fringe = noise_start(oracle, rng, settings.starts);
  if (fringe.rows.size(0) == 0) return oracle.best();
  const auto length = [&] { return distance(fringe.x, fringe.x0, Norm::kL2); };
  const at::Tensor share = length().reciprocal().mul(settings.tolerance * whole);  // [m]
  fringe.x = bisect(oracle, fringe.x0, fringe.x, fringe.rows, share);
  at::Tensor normal = at::zeros(fringe.x.sizes(), at::kDouble);  // [m, ...] of the boundary
  double wanted = schedule.first;
  for (int64_t iteration = 0; iteration < schedule.iterations; ++iteration) {
    keep_rows(retire(oracle, fringe, kFewestProbes + kWalk), {&normal});
    if (fringe.rows.size(0) == 0) return oracle.best();
    at::Tensor probes = oracle.queries_left()
                            .index_select(0, fringe.rows)
                            .sub(kWalk + outward_queries(oracle));  // [m]
    const bool last = iteration + 1 == schedule.iterations;
    if (!last) probes = probes.clamp_max(std::llround(wanted));
    wanted *= schedule.growth;
    const at::Tensor delta = at::full({probes.size(0)}, settings.sigma * whole, at::kDouble);
    const auto draw = [&](const at::Tensor& x, std::span<const uint64_t> keys, int64_t probe) {
      return smooth_normal(x, keys, iteration, probe, rng, settings.subspace);
    };
    normal.add_(estimate(oracle, fringe, delta, probes, draw));
    oracle.count_step(fringe.rows);
    shoot(oracle, fringe, normal, settings.tolerance * whole);
    oracle.count_step(fringe.rows);
    try_rounded(oracle, fringe);
  }
  retire(oracle, fringe, std::numeric_limits<int64_t>::max());
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .queries = params.integer("queries", 10000, {1, 10000000}, "hard budget for each sample"),
      .subspace = params.integer("subspace", 75, {1, 100000},
                                 "frequencies of each axis that probes of images are made of, from "
                                 "the lowest; at most the side"),
      .sigma = params.number("sigma", 2e-4, {1e-9, 1},
                             "standard deviation of a probe's entries, as a share of the box"),
      .mu = params.number("mu", 0.6, {0.01, 0.99},
                          "iteration i takes mu^(-2i/3) times as many probes as the first"),
      .tolerance = params.number("tolerance", 1e-4, {1e-9, 1},
                                 "Euclidean length to which the boundary is bisected, as a share "
                                 "of the box"),
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
      .name = "geoda",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kL2, Norm::kLinf, Norm::kL1},
      .nearest_without_eps = true,
      .targeted = true,
      .summary = "shots along the boundary's normal, estimated from labels in a smooth subspace",
      .paper =
          "Rahmati, Moosavi-Dezfooli, Frossard, Dai: GeoDA: a Geometric Framework for Black-box "
          "Adversarial Attacks, CVPR 2020, arXiv:2003.06468",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::geoda

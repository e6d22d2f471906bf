// FMN: ascends the margin inside a ball that shrinks while its surface is adversarial and grows
// while it is not.
//
// Paper: Pintor, Roli, Brendel, Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive
// Norm Constraints", NeurIPS 2021, arXiv:2102.12827, Algorithm 1.
// Reference: jeromerony/adversarial-library adv_lib/attacks/fast_minimum_norm.py.
// Deviations: projections are exact on ball ∩ box (the reference projects, then clips); a ball of
// l0 holds at least one entry, and what the box leaves no room for takes no place in it; before a
// first success the radius goes beyond the plane that the gradient predicts; the last iterate is
// tried as well; up to 9 of the steps are spent on the planes of other labels at the
// best point (planes.h); that is then pulled towards the clean input by bisecting its radius (l0:
// its number of changed entries). Cost per sample: steps + 1 + refine forwards, steps gradients.
#include <algorithm>
#include <cmath>

#include "attacks/math/hyperplane.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::fmn {
namespace {

struct Settings {
  int64_t steps;
  double step_size, step_size_final;  // in widths of the box
  double gamma, gamma_final;
  int64_t refine;
};

struct Active {
  at::Tensor rows;    // [m] their block rows
  at::Tensor x0, x;   // [m, ...] clean, iterate
  at::Tensor y;       // [m]
  at::Tensor target;  // [m], or undefined
  at::Tensor eps;     // [m] float64 radius
  at::Tensor most;    // [m] float64 distance to the farthest corner of the box

  void keep(const at::Tensor& indices) {
    keep_rows(indices, {&rows, &x0, &x, &y, &target, &eps, &most});
  }
};

// The radius for the next step, from where the iterate stands. One number at a time: vectors of
// another length must not round otherwise.
void resize(Active& active, const Look& seen, const at::Tensor& best, const ThreatModel& threat,
            double gamma) {
  const at::Tensor away = distance(active.x, active.x0, threat.norm).contiguous();
  const at::Tensor steep = dual_length(seen.gradient, threat.norm).contiguous();
  const at::Tensor margin = seen.value.contiguous();
  const at::Tensor eps = active.eps.clone();
  for (int64_t i = 0; i < eps.size(0); ++i) {
    double& radius = eps.data_ptr<double>()[i];
    const bool broken = seen.broken.const_data_ptr<bool>()[i];
    const double known = best.const_data_ptr<double>()[i];  // infinite: none yet
    if (threat.norm == Norm::kL0) {
      radius = broken ? std::min({radius - 1, std::floor(radius * (1 - gamma)), known})
                      : std::max(radius + 1, std::floor(radius * (1 + gamma)));
      radius = std::max(radius, 1.0);
    } else if (broken) {
      radius = std::min(radius * (1 - gamma), known);
    } else if (std::isfinite(known)) {
      radius *= 1 + gamma;
    } else {
      const double plane =
          std::abs(margin.const_data_ptr<double>()[i]) / steep.const_data_ptr<double>()[i];
      // A little farther, or a linear model would be met on its plane and never across it.
      radius =
          std::isfinite(plane) ? (away.const_data_ptr<double>()[i] + plane) * (1 + gamma) : known;
    }
    radius = std::min(radius, active.most.const_data_ptr<double>()[i]);
  }
  active.eps = eps;
}

Candidates run(Oracle& oracle, Settings settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  settings.steps -= kept;
  Active active{.rows = at::arange(block.size(), at::kLong),
                .x0 = block.x,
                .x = block.x,
                .y = block.y,
                .target = block.target,
                .eps = at::ones({block.size()}, at::kDouble),
                .most = farthest(block.x, threat)};
  for (int64_t step = 0; step < settings.steps; ++step) {
    const double share = cosine(step, settings.steps);
    const double size =
        settings.step_size_final + (settings.step_size - settings.step_size_final) * share;
    const double gamma = settings.gamma_final + (settings.gamma - settings.gamma_final) * share;
    const std::optional<Look> seen =
        look(oracle, active.x, active.rows, active.y, active.target, LossKind::kMargin);
    if (!seen) return oracle.best();
    active.keep(seen->keep);
    resize(active, *seen, oracle.best_distance().index_select(0, active.rows), threat, gamma);
    const at::Tensor moved = active.x.add(unit(seen->gradient).mul(size * (threat.hi - threat.lo)));
    active.x = shrink(moved, active.x0, active.eps, threat);
  }
  oracle.labels(active.x, active.rows);
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .steps = params.integer("steps", 100, {1, 100000}, "gradient steps"),
      .step_size = params.number("step_size", 1, {1e-9, 1e9},
                                 "l2 length of the first step, in widths of the box"),
      .step_size_final = params.number("step_size_final", 0.01, {0, 1e9},
                                       "where the step's length falls to, along a cosine"),
      .gamma = params.number("gamma", 0.05, {0, 0.999}, "share by which the first radii change"),
      .gamma_final = params.number("gamma_final", 0.001, {0, 0.999},
                                   "where that share falls to, along a cosine"),
      .refine = refine_param(params),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.steps + 1 + settings.refine, .gradients = settings.steps}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "fmn",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0},
      .minimum_norm = true,
      .targeted = true,
      .summary =
          "nearest adversarial by steps in a ball that adapts its radius (fast minimum-norm)",
      .paper =
          "Pintor, Roli, Brendel, Biggio: Fast Minimum-norm Adversarial Attacks through Adaptive "
          "Norm Constraints, NeurIPS 2021, arXiv:2102.12827",
      .cost = "steps + 1 + refine forwards, steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::fmn

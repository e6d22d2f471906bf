// sigma-zero: descends the margin plus a smooth stand-in for the number of changed entries, and
// zeroes the entries that stay below a threshold of each sample's own.
//
// Paper: Cinà, Villani, Pintor, Schönherr, Biggio, Pelillo, "sigma-zero: Gradient-based
// Optimization of l0-norm Adversarial Examples", ICLR 2025, arXiv:2402.01879, Algorithm 1.
// Reference: sigma0-advx/sigma-zero sigma_zero_attack.py; jeromerony/adversarial-library
// adv_lib/attacks/sigma_zero.py.
// Deviations: displacements are measured in widths of the box; targeted goals; the last iterate is
// tried as well; up to 9 of the steps are spent on the planes of other labels at the best point
// (planes.h); then the changed entries of the best point are ranked by size, and their number is
// bisected. Cost per sample: steps + 1 + refine forwards, steps gradients.
#include "attacks/math/adam.h"
#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::sigma_zero {
namespace {

struct Settings {
  int64_t steps;
  double step_size;
  double sigma;
  double threshold;
  double threshold_step;
  int64_t refine;
};

struct Active {
  at::Tensor rows;       // [m] their block rows
  at::Tensor x0, u;      // [m, ...] clean; displacement in widths of the box
  at::Tensor y;          // [m]
  at::Tensor target;     // [m], or undefined
  at::Tensor threshold;  // [m] float64
};

// ∂/∂u of max(−margin, 0) + mean(u² / (u² + sigma)), over its largest entry. `g` is the margin's
// gradient by x.
at::Tensor descent(const at::Tensor& u, const at::Tensor& g, const at::Tensor& broken,
                   const Settings& settings, double width) {
  const auto d = static_cast<double>(row_length(u));
  const at::Tensor denominator = u.mul(u).add(settings.sigma);
  const at::Tensor sparse =
      u.mul(2 * settings.sigma / d).div(denominator.mul(denominator));  // [m, ...]
  const at::Tensor leave = at::where(spread(broken, u), at::zeros_like(g), g.mul(-width));
  const at::Tensor sum = leave.add(sparse);
  const at::Tensor largest = length(sum, Norm::kLinf).clamp_min(1e-12);  // [m]
  return sum.div(spread(largest, sum).to(sum.scalar_type()));
}

Candidates run(Oracle& oracle, Settings settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  settings.steps -= kept;
  const double width = threat.hi - threat.lo;
  Active active{.rows = at::arange(block.size(), at::kLong),
                .x0 = block.x,
                .u = at::zeros_like(block.x),
                .y = block.y,
                .target = block.target,
                .threshold = at::full({block.size()}, settings.threshold, at::kDouble)};
  Adam adam(block.x);
  double size = settings.step_size;
  for (int64_t step = 0; step < settings.steps; ++step) {
    const at::Tensor x = place(active.u, active.x0, threat);
    const std::optional<Look> seen =
        look(oracle, x, active.rows, active.y, active.target, LossKind::kMargin);
    if (!seen) return oracle.best();
    keep_rows(seen->keep, {&active.rows, &active.x0, &active.u, &active.y, &active.target,
                           &active.threshold, &adam.mean, &adam.square});
    const at::Tensor gradient =
        descent(active.u, finite_entries(seen->gradient), seen->broken, settings, width);
    active.u = active.u.sub(adam.direction(gradient).mul(size));
    active.u = inside(active.u, active.x0, threat);
    size = settings.step_size * (0.1 + 0.9 * cosine(step, settings.steps));
    const double change = settings.threshold_step * size;
    active.threshold =
        at::where(seen->broken, active.threshold.add(change), active.threshold.sub(change))
            .clamp(0, 1);
    const at::Tensor small =
        active.u.abs().lt(spread(active.threshold, active.u).to(active.u.scalar_type()));
    active.u = active.u.masked_fill(small, 0);
  }
  oracle.labels(place(active.u, active.x0, threat), active.rows);
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .steps = params.integer("steps", 100, {1, 100000}, "gradient steps (published runs: 1000)"),
      .step_size = params.number("step_size", 1, {1e-6, 1e3},
                                 "first learning rate, in widths of the box; falls to a tenth "
                                 "along a cosine"),
      .sigma = params.number("sigma", 1e-3, {1e-12, 1e3},
                             "smaller: closer to counting entries, but with gradients at 0 only"),
      .threshold = params.number("threshold", 0.3, {0, 1},
                                 "changes below this are undone, in widths of the box; adapts"),
      .threshold_step = params.number("threshold_step", 0.01, {0, 1},
                                      "how much of the learning rate the threshold adapts by"),
      .refine = refine_param(params, 20,
                             "queries that bisect how many of the changed entries are needed"),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.steps + 1 + settings.refine, .gradients = settings.steps}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "sigma_zero",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL0},
      .minimum_norm = true,
      .targeted = true,
      .summary = "fewest changed entries, by descent on a smooth l0 with an adaptive threshold",
      .paper =
          "Cinà, Villani, Pintor, Schönherr, Biggio, Pelillo: sigma-zero: Gradient-based "
          "Optimization of l0-norm Adversarial Examples, ICLR 2025, arXiv:2402.01879",
      .cost = "steps + 1 + refine forwards, steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::sigma_zero

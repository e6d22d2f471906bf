// DDN: follows the gradient on a sphere whose radius shrinks by a fixed share while the point on it
// is adversarial and grows while it is not.
//
// Paper: Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, "Decoupling Direction and Norm for
// Efficient Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019, arXiv:1811.09600,
// Algorithm 1.
// Reference: jeromerony/adversarial-library adv_lib/attacks/decoupled_direction_norm.py.
// Deviations: the point is scaled so that it has the wanted norm after the box has cut it (the
// reference scales, then clips); the first step ascends the margin, and the radius starts where
// that flips the model linearised at the clean input (the reference: at 1); no rounding to 8 bits,
// which the suite asks of the judge; a row without a gradient takes a random direction of its own;
// the last iterate is tried as well; up to 9 of the steps are spent on the planes of other labels
// at the best point (planes.h), which is then pulled towards the clean input by bisection; the
// cotangent is scaled to 1, so that a saturated softmax does not zero the gradient. Cost per
// sample: steps + 1 + refine forwards, steps gradients.
#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/projection.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::ddn {
namespace {

struct Settings {
  int64_t steps;
  double radius;  // in widths of the box
  double gamma;
  double step_size;  // in widths of the box
  LossKind loss;
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

// Unit gradients; where there is none, a random direction of the features that may move.
at::Tensor direction(const at::Tensor& gradient, const Active& active, const Oracle& oracle,
                     const Rng& rng, int64_t step) {
  const at::Tensor along = unit(gradient);
  const at::Tensor none = length(along, Norm::kL2).eq(0).nonzero().squeeze(1);  // [k]
  if (none.size(0) == 0) return along;
  const std::vector<uint64_t> keys = keys_of(oracle.block(), active.rows.index_select(0, none));
  const at::Tensor noise =
      free_part(rng.normal(keys, along.sizes().slice(1), 0, step), oracle.threat().fixed);
  return along.index_copy(0, none, unit(noise).to(along.scalar_type()));
}

Candidates run(Oracle& oracle, const Rng& rng, Settings settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  settings.steps -= kept;
  const Ball sphere{Norm::kL2, 0, threat.lo, threat.hi};
  const double width = threat.hi - threat.lo;
  const at::Tensor most = farthest(block.x, threat);
  Active active{.rows = at::arange(block.size(), at::kLong),
                .x0 = block.x,
                .x = block.x,
                .y = block.y,
                .target = block.target,
                .eps = at::zeros_like(most),
                .most = most};
  for (int64_t step = 0; step < settings.steps; ++step) {
    const std::optional<Look> seen = look(oracle, active.x, active.rows, active.y, active.target,
                                          step == 0 ? LossKind::kMargin : settings.loss);
    if (!seen) return oracle.best();
    active.keep(seen->keep);
    if (step == 0) {
      const at::Tensor plane = plane_distance(*seen, Norm::kL2, threat);
      active.eps = plane.clamp_max(settings.radius).mul(width);
    }
    const double size = settings.step_size * width * (0.01 + 0.99 * cosine(step, settings.steps));
    const at::Tensor moved =
        active.x.sub(active.x0).add(direction(seen->gradient, active, oracle, rng, step).mul(size));
    active.eps = at::where(seen->broken, active.eps.mul(1 - settings.gamma),
                           active.eps.mul(1 + settings.gamma));
    active.eps = active.eps.minimum(active.most);
    active.x = maximise_linear(moved, active.x0, sphere, active.eps);
  }
  oracle.labels(active.x, active.rows);
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .steps = params.integer("steps", 100, {1, 100000}, "gradient steps"),
      .radius = params.number("radius", 1, {1e-9, 1e9},
                              "first radius at most, in widths of the "
                              "box; a step across the model linearised at the clean input"),
      .gamma = params.number("gamma", 0.05, {0, 0.999}, "share by which each step changes it"),
      .step_size = params.number("step_size", 1, {1e-9, 1e9},
                                 "l2 length of the first step, in widths of the box; falls to a "
                                 "hundredth along a cosine"),
      .loss = loss_kind(params.choice("loss", "ce", loss_names(), "loss to ascend")),
      .refine = refine_param(params),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.steps + 1 + settings.refine, .gradients = settings.steps}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "ddn",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL2},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial in l2 by steps on a sphere that adapts its radius",
      .paper =
          "Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger: Decoupling Direction and Norm "
          "for Efficient Gradient-Based L2 Adversarial Attacks and Defenses, CVPR 2019, "
          "arXiv:1811.09600",
      .cost = "steps + 1 + refine forwards, steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::ddn

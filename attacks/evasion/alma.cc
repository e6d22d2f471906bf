// ALMA: descends the distance plus an augmented Lagrangian of the constraint that the label has
// changed, whose multiplier and penalty adapt to each sample.
//
// Paper: Rony, Granger, Pedersoli, Ben Ayed, "Augmented Lagrangian Adversarial Attacks", ICCV 2021,
// arXiv:2011.11857, Algorithm 1 with penalty P2.
// Reference: jeromerony/adversarial-library adv_lib/attacks/augmented_lagrangian.py.
// Deviations: displacements are measured in widths of the box; the learning rate follows from the
// model linearised at the clean input (the reference takes it, or the distance that the first step
// goes, as a number); with fewer than four classes the margin serves as the difference of logits
// ratio; the last iterate is tried as well; up to 9 of the steps are spent on the planes of other
// labels at the best point (planes.h), which is then pulled towards the clean input by bisection.
// Cost per sample: steps + 1 + refine forwards, steps gradients.
#include <algorithm>
#include <cmath>

#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::alma {
namespace {

constexpr int64_t kCheck = 10;       // steps between looks at whether the constraint improved
constexpr double kImproved = 0.95;   // to which share of its value it should have come down
constexpr double kTolerance = 1e-4;  // how far below 0 the constraint has to be

struct Settings {
  int64_t steps;
  double step_size, step_size_final;
  double multiplier, penalty, penalty_growth;
  double momentum;
  int64_t refine;
};

struct Active {
  at::Tensor rows;        // [m] their block rows
  at::Tensor x0, u;       // [m, ...] clean; displacement in widths of the box
  at::Tensor y;           // [m]
  at::Tensor target;      // [m], or undefined
  at::Tensor square;      // [m, ...] average of squared gradients
  at::Tensor velocity;    // [m, ...]
  at::Tensor multiplier;  // [m] float64 μ
  at::Tensor penalty;     // [m] float64 ρ
  at::Tensor before;      // [m] float64, the constraint at the last check
  at::Tensor clean;       // [m] float64, what the constraint is divided by
  at::Tensor reach;       // [m] float64, what the distance is divided by
  at::Tensor rate;        // [m] float64 learning rate
  at::Tensor found_at;    // [m] float64, step of the first success; `steps` before

  void keep(const at::Tensor& indices) {
    keep_rows(indices, {&rows, &x0, &u, &y, &target, &square, &velocity, &multiplier, &penalty,
                        &before, &clean, &reach, &rate, &found_at});
  }
};

// ∂P/∂y of P = μy + μρy² + ρ²y³/6 for y ≥ 0, μy / (1 − ρy) below.
double slope(double y, double rho, double mu) {
  if (y >= 0) return mu + 2 * mu * rho * y + rho * rho * y * y / 2;
  return mu / ((1 - rho * y) * (1 - rho * y));
}

// Updates what each sample keeps of the constraint y = −loss / its clean value, and returns ∂P/∂y
// [m]. One number at a time: vectors of another length must not round otherwise.
at::Tensor adapt(Active& active, const Look& seen, int64_t step, const Settings& settings) {
  const at::Tensor value = seen.value.div(active.clean).contiguous();
  for (at::Tensor* own : {&active.multiplier, &active.penalty, &active.before, &active.found_at}) {
    *own = own->clone();
  }
  at::Tensor slopes = at::empty_like(value);
  for (int64_t i = 0; i < value.size(0); ++i) {
    const double y = kTolerance - value.const_data_ptr<double>()[i];
    double& mu = active.multiplier.data_ptr<double>()[i];
    double& rho = active.penalty.data_ptr<double>()[i];
    double& before = active.before.data_ptr<double>()[i];
    double& found_at = active.found_at.data_ptr<double>()[i];
    const bool found = found_at < static_cast<double>(settings.steps);
    if (step == 0) before = y;
    if ((step + 1) % kCheck == 0) {
      if (!found && !(y < kImproved * before)) rho *= settings.penalty_growth;
      before = y;
    }
    if (step > 0) {
      mu = settings.momentum * mu + (1 - settings.momentum) * slope(y, rho, mu);
      mu = std::clamp(mu, 1e-6, 1e12);
    }
    if (!found && y < 0) found_at = static_cast<double>(step);
    slopes.data_ptr<double>()[i] = slope(y, rho, mu);
  }
  return slopes;
}

// Sets each sample's units by the model linearised at the clean input: the constraint is measured
// in its clean value, the distance in what flips that model, and the learning rate in how far an
// entry then has to go at least, which is all alone for l1 and with all the others for l2.
void measure(Active& active, const Look& seen, const ThreatModel& threat, double step_size) {
  const Norm entry = threat.norm == Norm::kL1 ? Norm::kL1 : Norm::kLinf;
  active.rate = plane_distance(seen, entry, threat).mul(step_size);
  active.reach = plane_distance(seen, threat.norm, threat);
  active.clean = seen.value.abs().clamp_min(1e-12);
}

// Distance's gradient by u; 0 at 0.
at::Tensor distance_gradient(const at::Tensor& u, Norm norm) {
  return norm == Norm::kL1 ? u.sign() : unit(u);
}

// What is left of the learning rate: falls from 1 at the first success to the final share.
at::Tensor decay(const Active& active, int64_t step, const Settings& settings) {
  at::Tensor left = at::ones_like(active.found_at);
  for (int64_t i = 0; i < left.size(0); ++i) {
    const double found_at = active.found_at.const_data_ptr<double>()[i];
    const auto now = static_cast<double>(step);
    const auto end = static_cast<double>(settings.steps);
    if (found_at < now) {
      left.data_ptr<double>()[i] =
          std::pow(settings.step_size_final, (now - found_at) / (end - found_at));
    }
  }
  return left;
}

void descend(Active& active, const Look& seen, int64_t step, const Settings& settings,
             const ThreatModel& threat) {
  const at::ScalarType type = active.u.scalar_type();
  if (step == 0) measure(active, seen, threat, settings.step_size);
  const at::Tensor slopes = adapt(active, seen, step, settings);  // [m]
  const at::Tensor weight = slopes.mul(seen.scale).mul(active.reach).div(active.clean);
  const at::Tensor leave = finite_entries(seen.gradient)
                               .mul(spread(weight, active.u).to(type))
                               .mul(threat.lo - threat.hi);
  const at::Tensor gradient = leave.add(distance_gradient(active.u, threat.norm));
  active.square =
      active.square.mul(settings.momentum).add(gradient.mul(gradient).mul(1 - settings.momentum));
  active.velocity =
      active.velocity.mul(settings.momentum).add(gradient.div(active.square.sqrt().add(1e-8)));
  const at::Tensor rate = active.rate.mul(decay(active, step, settings));
  active.u = active.u.sub(active.velocity.mul(spread(rate, active.u).to(type)));
  active.u = inside(active.u, active.x0, threat);
}

Candidates run(Oracle& oracle, Settings settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  settings.steps -= kept;
  const at::Tensor ones = at::ones({block.size()}, at::kDouble);
  Active active{.rows = at::arange(block.size(), at::kLong),
                .x0 = block.x,
                .u = at::zeros_like(block.x),
                .y = block.y,
                .target = block.target,
                .square = at::ones_like(block.x),
                .velocity = at::zeros_like(block.x),
                .multiplier = ones.mul(settings.multiplier),
                .penalty = ones.mul(settings.penalty),
                .before = ones,
                .clean = ones,
                .reach = ones,
                .rate = ones,
                .found_at = ones.mul(static_cast<double>(settings.steps))};
  for (int64_t step = 0; step < settings.steps; ++step) {
    const std::optional<Look> seen = look(oracle, place(active.u, active.x0, threat), active.rows,
                                          active.y, active.target, LossKind::kDlr);
    if (!seen) return oracle.best();
    active.keep(seen->keep);
    descend(active, *seen, step, settings, threat);
  }
  oracle.labels(place(active.u, active.x0, threat), active.rows);
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .steps = params.integer("steps", 200, {1, 100000}, "gradient steps (published runs: 1000)"),
      .step_size = params.number("step_size", threat.norm == Norm::kL1 ? 0.01 : 0.6, {1e-9, 1e9},
                                 "learning rate, over how far an entry has to go to flip the model "
                                 "linearised at the clean input (l1: alone, l2: with all others)"),
      .step_size_final = params.number("step_size_final", 0.01, {1e-9, 1},
                                       "share of it that is left at the end; it falls from the "
                                       "first success on"),
      .multiplier = params.number("multiplier", 1, {1e-6, 1e12}, "first multiplier (mu)"),
      .penalty = params.number("penalty", 1, {1e-9, 1e9}, "first penalty parameter (rho)"),
      .penalty_growth = params.number("penalty_growth", 1.2, {1, 1e3},
                                      "its growth while the constraint does not improve"),
      .momentum = params.number("momentum", 0.9, {0, 0.9999},
                                "share of the past in steps, squared gradients and multipliers"),
      .refine = refine_param(params),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.steps + 1 + settings.refine, .gradients = settings.steps}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "alma",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL2, Norm::kL1},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial by an augmented Lagrangian of each sample's own",
      .paper =
          "Rony, Granger, Pedersoli, Ben Ayed: Augmented Lagrangian Adversarial Attacks, ICCV "
          "2021, arXiv:2011.11857",
      .cost = "steps + 1 + refine forwards, steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::alma

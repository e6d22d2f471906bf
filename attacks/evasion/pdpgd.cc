// PDPGD: Adam on the softplus of the margin, each step followed by the proximal step of the norm,
// while the weight between the two ascends where the label holds and descends where it has changed.
// In l2, Adam descends the norm itself (PDGD), which comes nearer.
//
// Paper: Matyasko, Chau, "PDPGD: Primal-Dual Proximal Gradient Descent Adversarial Attack", 2021,
// arXiv:2106.01538, Algorithm 2; proximal Adam: Melchior et al. 2019, arXiv:1910.10094.
// Reference: jeromerony/adversarial-library adv_lib/attacks/primal_dual_gradient_descent.py pdpgd.
// Deviations: displacements are measured in widths of the box, margins by the clean one, and near a
// boundary norm and steps by the model linearised at the clean input; l0 always takes the proximal
// step of l_{2/3}; the last iterate is tried as well; up to 9 of the steps go into
// straighten() (planes.h); the best point is pulled towards the clean input by bisecting its radius
// (l0: its number of changed entries, then once more with the changes prolonged to the walls).
// Cost per sample: steps + 1 + refine (l0: 2 · refine) forwards, steps gradients.
#include <algorithm>
#include <cmath>
#include <limits>

#include "attacks/math/adam.h"
#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/projection.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::pdpgd {
namespace {

constexpr double kSettled = 1e-2;       // relative change at which proximal steps end
constexpr double kLargestLogit = 13.8;  // of the dual weight: the ratio stays within 1e-6 … 1e6
constexpr double kCleanMargin = 4;      // what a softplus may take every clean margin for
constexpr double kToTheWalls = 1e6;     // l0 does not mind how far an entry goes

struct Settings {
  int64_t steps;
  double step_size, step_size_final;
  double dual_ratio, dual_step_size, dual_step_size_final, dual_momentum;
  bool proximal;
  int64_t proximal_steps, refine;
};

struct Active {
  at::Tensor rows;    // [m] their block rows
  at::Tensor x0, u;   // [m, ...] clean; displacement in widths of the box
  at::Tensor y;       // [m]
  at::Tensor target;  // [m], or undefined
  at::Tensor size;    // [m] float64 length of the first step
  at::Tensor margin;  // [m] float64 what margins are divided by
  at::Tensor reach;   // [m] float64 what the norm is divided by
  at::Tensor logit;   // [m] float64 of the margin's weight against the norm's
  at::Tensor weight;  // [m] float64 the margin's weight, averaged; the norm's is the rest

  void keep(const at::Tensor& indices) {
    keep_rows(indices, {&rows, &x0, &u, &y, &target, &size, &margin, &reach, &logit, &weight});
  }
};

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
// One number at a time: vectors of another length must not round otherwise.
at::Tensor sigmoids(const at::Tensor& numbers) {
  at::Tensor result = numbers.clone(at::MemoryFormat::Contiguous);
  for (int64_t i = 0; i < result.numel(); ++i) {
    double& v = result.data_ptr<double>()[i];
    v = sigmoid(v);
  }
  return result;
}

// argmin_z λ|z|^{2/3} + (z − x)²/2 (Cao, Sun, Xu 2013).
double prox_two_thirds(double x, double lambda) {
  const double fourth = x * x * x * x / 256 - lambda * lambda * lambda * 8 / 729;
  if (!(fourth > 0)) return 0;
  const double root = std::sqrt(fourth);
  const double part = x * x / 16;
  const double b = 2 * (std::cbrt(part + root) + std::cbrt(part - root));
  const double inner = 2 * std::abs(x) / std::sqrt(b) - b;
  if (!(inner >= 0)) return 0;
  const double z = (std::sqrt(b) + std::sqrt(inner)) / 2;
  return std::copysign(z * z * z, x);
}

// argmin_z λ‖z‖ + ‖z − x‖²/2 row by row, λ [m] float64; for l0 of ‖z‖_{2/3}^{2/3} in its place. By
// Moreau's decomposition, what is left of x beside its projection onto the dual ball of radius λ.
at::Tensor prox(const at::Tensor& x, const at::Tensor& lambda, Norm norm) {
  if (norm != Norm::kL0) {
    const Norm dual = norm == Norm::kLinf ? Norm::kL1 : norm == Norm::kL1 ? Norm::kLinf : norm;
    const double infinity = std::numeric_limits<double>::max();
    return x.sub(project(x, at::zeros_like(x), {dual, 0, -infinity, infinity}, lambda));
  }
  const at::Tensor from = x.contiguous();
  at::Tensor result = at::empty_like(from);
  const int64_t d = row_length(x);
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.const_data_ptr<T>();
    T* out = result.data_ptr<T>();
    for (int64_t row = 0; row < x.size(0); ++row, in += d, out += d) {
      const double own = lambda.const_data_ptr<double>()[row];
      std::transform(in, in + d, out, [&](T v) { return static_cast<T>(prox_two_thirds(v, own)); });
    }
  });
  return result;
}

// The proximal step of Adam: argmin_z λ‖z‖ + (z − u)ᵀH(z − u)/2 in the box, by fixed-point steps,
// for the diagonal H of what Adam divided each entry by. `size` [m]: length of the step.
at::Tensor proximal_steps(const Active& active, const at::Tensor& metric, const at::Tensor& size,
                          const ThreatModel& threat, int64_t steps) {
  const at::Tensor largest = length(metric, Norm::kLinf);  // [m]
  const at::Tensor share = metric.div(spread(largest, metric).to(active.u.scalar_type()));
  const at::Tensor odds = active.weight.neg().add(1).div(active.weight);
  const at::Tensor lambda = odds.mul(size).div(largest).div(active.reach).contiguous();
  at::Tensor z = active.u;
  at::Tensor open = at::ones({z.size(0)}, at::kBool);
  for (int64_t i = 0; i < steps && open.any().item<bool>(); ++i) {
    const at::Tensor pulled = z.sub(share.mul(z.sub(active.u)));
    const at::Tensor next = inside(prox(pulled, lambda, threat.norm), active.x0, threat);
    const at::Tensor moved = at::where(spread(open, z), next, z);
    const at::Tensor settled = length(moved, Norm::kL2).mul(kSettled);
    open = open.logical_and(length(moved.sub(z), Norm::kL2).gt(settled));
    z = moved;
  }
  return z;
}

// Every clean margin counts as a middling one. Near boundaries, the norm is measured in what flips
// the model linearised at the clean input, and no step is longer; far from them as in the paper.
void measure(Active& active, const Look& seen, const ThreatModel& threat, double step_size) {
  const bool sparse = threat.norm == Norm::kL0 || threat.norm == Norm::kL1;
  active.size = plane_distance(seen, sparse ? Norm::kL1 : Norm::kLinf, threat).clamp_max(step_size);
  active.margin = seen.value.abs().div(kCleanMargin).clamp_min(1e-12);
  if (threat.norm == Norm::kL0) return;
  active.reach = plane_distance(seen, threat.norm, threat).clamp_max(1);
}

void descend(Active& active, Adam& adam, const Look& seen, int64_t step, const Settings& settings,
             const ThreatModel& threat) {
  const double width = threat.hi - threat.lo;
  const double done = static_cast<double>(step) / static_cast<double>(settings.steps);
  if (step == 0) measure(active, seen, threat, settings.step_size);
  const at::Tensor slope = sigmoids(seen.value.neg().div(active.margin)).div(active.margin);
  const at::ScalarType type = active.u.scalar_type();
  at::Tensor gradient =
      finite_entries(seen.gradient).mul(spread(slope, active.u).to(type)).mul(-width);
  if (!settings.proximal) {
    const at::Tensor weight = spread(active.weight, active.u).to(type);
    const at::Tensor rest = weight.neg().add(1).div(spread(active.reach, active.u).to(type));
    gradient = gradient.mul(weight).add(unit(active.u).mul(rest));
  }
  const at::Tensor size = active.size.mul(std::pow(settings.step_size_final, done));  // [m]
  const at::Tensor move = adam.direction(gradient).mul(spread(size, active.u).to(type));
  active.u = inside(active.u.sub(move), active.x0, threat);
  if (settings.proximal) {
    active.u = proximal_steps(active, adam.scale(), size, threat, settings.proximal_steps);
  }
  const double dual = settings.dual_step_size * (1 - (1 - settings.dual_step_size_final) * done);
  active.logit = active.logit.sub(seen.value.sign().mul(dual)).clamp(-kLargestLogit, kLargestLogit);
  active.weight = active.weight.mul(settings.dual_momentum)
                      .add(sigmoids(active.logit).mul(1 - settings.dual_momentum));
}

Candidates run(Oracle& oracle, Settings settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  settings.steps -= kept;
  const at::Tensor ones = at::ones({block.size()}, at::kDouble);
  const double logit = -std::log(settings.dual_ratio);
  Active active{.rows = at::arange(block.size(), at::kLong),
                .x0 = block.x,
                .u = at::zeros_like(block.x),
                .y = block.y,
                .target = block.target,
                .size = ones,
                .margin = ones,
                .reach = ones,
                .logit = ones.mul(logit),
                .weight = ones.mul(sigmoid(logit))};
  Adam adam(block.x);
  for (int64_t step = 0; step < settings.steps; ++step) {
    const std::optional<Look> seen = look(oracle, place(active.u, active.x0, threat), active.rows,
                                          active.y, active.target, LossKind::kMargin);
    if (!seen) return oracle.best();
    active.keep(seen->keep);
    keep_rows(seen->keep, {&adam.mean, &adam.square});
    descend(active, adam, *seen, step, settings, threat);
  }
  oracle.labels(place(active.u, active.x0, threat), active.rows);
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  if (threat.norm == Norm::kL0) tighten(oracle, settings.refine, kToTheWalls);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .steps = params.integer("steps", 200, {1, 100000}, "gradient steps (published runs: 500)"),
      .step_size = params.number("step_size", 0.1, {1e-9, 1e3},
                                 "first learning rate, in widths of the box, at most"),
      .step_size_final =
          params.number("step_size_final", 0.01, {1e-9, 1}, "share of it that is left at the end"),
      .dual_ratio = params.number("dual_ratio", 0.01, {1e-6, 1e6},
                                  "first weight of the norm, over that of the margin"),
      .dual_step_size = params.number("dual_step_size", 0.1, {0, 1e3},
                                      "how fast that ratio adapts, in e-folds a step"),
      .dual_step_size_final =
          params.number("dual_step_size_final", 0.1, {0, 1}, "share of it that is left at the end"),
      .dual_momentum =
          params.number("dual_momentum", 0.9, {0, 0.9999}, "share of the past in the weights"),
      .proximal =
          params.boolean("proximal", threat.norm != Norm::kL2, "false: descend the norm itself"),
      .proximal_steps = params.integer("proximal_steps", 5, {1, 1000},
                                       "fixed-point steps of the norm after each gradient step"),
      .refine = refine_param(params, threat.norm == Norm::kL0 ? 20 : 10),
  };
  if (!settings.proximal && threat.norm != Norm::kL2) {
    params.fail("proximal", "proximal: false is for norm l2 only; leave it out");
  }
  const int64_t pulls = threat.norm == Norm::kL0 ? 2 : 1;
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.steps + 1 + pulls * settings.refine, .gradients = settings.steps}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "pdpgd",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial by primal-dual steps and the norm's proximal step",
      .paper =
          "Matyasko, Chau: PDPGD: Primal-Dual Proximal Gradient Descent Adversarial Attack, 2021, "
          "arXiv:2106.01538",
      .cost = "steps + 1 + refine (l0: 2 * refine) forwards, steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::pdpgd

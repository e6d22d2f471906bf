// EAD: descends c · hinge of the margin + squared l2 by accelerated steps (FISTA), each followed by
// a shrinkage that keeps small changes at 0, and searches for the smallest c that succeeds.
//
// Paper: Chen, Sharma, Zhang, Yi, Hsieh, "EAD: Elastic-Net Attacks to Deep Neural Networks via
// Adversarial Examples", AAAI 2018, arXiv:1709.04114, Algorithm 1.
// Reference: ysharma1126/EAD_Attack l1_attack.py; bethgelab/foolbox foolbox/attacks/ead.py.
// Deviations: every sample stops and goes on by its own loss (the references look at the batch's
// sum); distances are measured in widths of the box; the momentum point stays in the box, and as
// its logits are known anyway, it is what is tried (the references pay a second forward for the
// point before the momentum); of all broken points the nearest in l1 counts; up to 9 steps of the
// last search are spent on the planes of other labels there (planes.h), and it is pulled towards
// the clean input by bisection. Cost per sample, at most: searches · (steps + 1) + refine forwards,
// searches · steps gradients.
#include <cmath>
#include <utility>

#include "attacks/math/constant_search.h"
#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::ead {
namespace {

struct Settings {
  int64_t searches, steps;
  double step_size;
  double shrinkage;
  double initial_const;
  int64_t refine;
};

// Displacements are in widths of the box.
struct Active {
  at::Tensor rows;    // [m] their block rows
  at::Tensor x0;      // [m, ...] clean
  at::Tensor u;       // [m, ...] displacement
  at::Tensor v;       // [m, ...] the displacement carried on by its momentum
  at::Tensor y;       // [m]
  at::Tensor target;  // [m], or undefined
  at::Tensor c;       // [m] float64

  void keep(const at::Tensor& indices) {
    keep_rows(indices, {&rows, &x0, &u, &v, &y, &target, &c});
  }
};

// Entries nearer to 0 by `by`, at most 0.
at::Tensor soften(const at::Tensor& u, double by) { return u.sub(u.clamp(-by, by)); }

// One descent of all samples of `active` under their c. → [n] bool: the samples that broke.
at::Tensor search(Oracle& oracle, Active active, int64_t steps, const Settings& settings) {
  const ThreatModel& threat = oracle.threat();
  const int64_t tenth = (steps + 9) / 10;
  at::Tensor found = at::zeros({oracle.block().size()}, at::kBool);
  const auto note = [&](const at::Tensor& broken) {
    found.index_put_({active.rows}, broken.logical_or(found.index_select(0, active.rows)));
  };
  Progress progress(active.rows.size(0));
  for (int64_t step = 0; step < steps; ++step) {
    const double done = static_cast<double>(step) / static_cast<double>(steps);
    const double size = settings.step_size * std::sqrt(1 - done);
    std::optional<Look> seen = look(oracle, place(active.v, active.x0, threat), active.rows,
                                    active.y, active.target, LossKind::kMargin);
    if (!seen) return found;
    active.keep(seen->keep);
    keep_rows(seen->keep, {&progress.last});
    note(seen->broken);
    if (step % tenth == 0) {
      const at::Tensor reach = length(active.v, Norm::kL2);
      const at::Tensor falling =
          progress.check(reach.mul(reach).add(active.c.mul(seen->value.neg().clamp_min(0))));
      active.keep(falling);
      keep_rows(falling, {&progress.last, &seen->value, &seen->gradient});
      if (falling.size(0) == 0) return found;
    }
    const at::Tensor pull =
        at::where(seen->value.lt(0), active.c, 0.0).mul(threat.lo - threat.hi);  // [m]
    const at::Tensor leave =
        finite_entries(seen->gradient).mul(spread(pull, active.v).to(active.v.scalar_type()));
    const at::Tensor moved = active.v.sub(active.v.mul(2).add(leave).mul(size));
    const at::Tensor before = active.u;
    active.u = inside(soften(moved, settings.shrinkage), active.x0, threat);
    const double momentum = static_cast<double>(step) / static_cast<double>(step + 3);
    active.v = inside(active.u.add(active.u.sub(before).mul(momentum)), active.x0, threat);
  }
  note(oracle.breaks(oracle.labels(place(active.u, active.x0, threat), active.rows), active.rows));
  return found;
}

Candidates run(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  ConstantSearch constant(block.size(), settings.initial_const);
  for (int64_t i = 0; i < settings.searches; ++i) {
    Active active{.rows = at::arange(block.size(), at::kLong),
                  .x0 = block.x,
                  .u = at::zeros_like(block.x),
                  .v = at::zeros_like(block.x),
                  .y = block.y,
                  .target = block.target,
                  .c = constant.c};
    active.keep(oracle.undecided(active.rows));
    if (active.rows.size(0) == 0) break;
    oracle.start_ascent(active.rows);
    const int64_t steps = settings.steps - (i + 1 == settings.searches ? kept : 0);
    constant.next(search(oracle, std::move(active), steps, settings));
  }
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .searches = params.integer("searches", 9, {1, 1000},
                                 "descents, each with another weight c of the margin"),
      .steps = params.integer("steps", 100, {1, 100000},
                              "gradient steps of a search (published runs: 1000)"),
      .step_size = params.number("step_size", 0.01, {1e-9, 1e3},
                                 "first learning rate, in widths of the box; falls like a square "
                                 "root to 0"),
      .shrinkage = params.number("shrinkage", 0.01, {0, 1},
                                 "what each step takes off every change, in widths of the box "
                                 "(beta of the paper)"),
      .initial_const = params.number("initial_const", 1e-3, {1e-12, 1e12}, "c of the first search"),
      .refine = refine_param(params),
  };
  const int64_t gradients = settings.searches * settings.steps;
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = gradients + settings.searches + settings.refine, .gradients = gradients}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "ead",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL1},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial in l1 by accelerated descent with shrinkage (elastic net)",
      .paper =
          "Chen, Sharma, Zhang, Yi, Hsieh: EAD: Elastic-Net Attacks to Deep Neural Networks via "
          "Adversarial Examples, AAAI 2018, arXiv:1709.04114",
      .cost = "at most searches * (steps + 1) + refine forwards, searches * steps gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::ead

// DeepFool: steps across the nearest of the linearised decision boundaries until the label changes.
//
// Paper: Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep
// Neural Networks", CVPR 2016, arXiv:1511.04599, Algorithm 2; linf: its §3.3.
// Reference: jeromerony/adversarial-library adv_lib/attacks/deepfool.py.
// Deviations: each sample stops at its own first success; a step is clipped to the box or, where
// that leaves less than half of it, goes to the nearest point of the box across the plane; for a
// targeted goal the boundary between the target and the leading label is crossed; the overshoot
// is at least a millionth of the box in place of a constant 1e-4; the point found is pulled towards
// the clean input by bisection. Cost per sample: at most steps + 1 + refine forwards, steps ·
// min(labels, K − 1) gradients (targeted: steps); few steps are common.
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/search_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::deepfool {
namespace {

struct Settings {
  int64_t steps;
  int64_t labels;
  double overshoot;
  int64_t refine;
};

Candidates run(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  at::Tensor rows = at::arange(block.size(), at::kLong);  // [m]
  at::Tensor x = block.x;                                 // [m, ...]
  for (int64_t step = 0; step < settings.steps && rows.size(0) > 0; ++step) {
    const Tape tape = oracle.tape(x, rows);
    const at::Tensor done = oracle.found().logical_or(oracle.decided()).index_select(0, rows);
    const at::Tensor left = done.logical_not().nonzero().squeeze(1);  // [k]
    if (left.size(0) == 0) break;
    Planes planes = nearest_planes(oracle, tape, x, rows, left, settings.labels);
    // A point on the plane itself must leave it too.
    planes.away = planes.away.clamp_min(1e-6 * (threat.hi - threat.lo));
    rows = rows.index_select(0, left);
    x = cross(x.index_select(0, left), planes, 1 + settings.overshoot, threat);
    if (step + 1 == settings.steps) oracle.labels(x, rows);
  }
  oracle.settle(oracle.found().nonzero().squeeze(1));
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .steps = params.integer("steps", 50, {1, 100000}, "most steps of one sample"),
      .labels = params.integer("labels", 9, {1, 100000},
                               "boundaries looked at in each step: those of this many runner-up "
                               "labels"),
      .overshoot = params.number("overshoot", 0.02, {0, 100},
                                 "share by which a step goes beyond the boundary"),
      .refine = refine_param(params),
  };
  const int64_t labels = threat.goal == Goal::kTargeted ? 1 : settings.labels;
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.steps + 1 + settings.refine, .gradients = settings.steps * labels}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "deepfool",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL2, Norm::kLinf},
      .minimum_norm = true,
      .targeted = true,
      .summary = "crosses the nearest linearised decision boundary until the label changes",
      .paper =
          "Moosavi-Dezfooli, Fawzi, Frossard: DeepFool: a Simple and Accurate Method to Fool Deep "
          "Neural Networks, CVPR 2016, arXiv:1511.04599",
      .cost = "at most steps + 1 + refine forwards, steps * labels gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::deepfool

// SuperDeepFool: DeepFool, then a projection onto the ray along the boundary's normal, in turn,
// until displacement and normal are parallel, as they are at the nearest point.
//
// Paper: Abdollahpoorrostam, Abroshan, Moosavi-Dezfooli, "Revisiting DeepFool: Generalization
// and Improvement" (SuperDeepFool), arXiv:2303.12481, Algorithm 2: SDF(∞, 1).
// Reference: jeromerony/adversarial-library adv_lib/attacks/superdeepfool.py.
// Deviations: every broken point of the inner runs counts, so a sample goes on after its first one
// and stops when a round has shortened its best distance by less than `tolerance`; the projection
// starts from the clean input; a round that ends without a break is gone on with in the next;
// steps in the box, and targeted goals, as in deepfool; the best point is pulled towards the clean
// input by bisection. Cost per sample, at most: rounds · (steps + 1) + refine forwards and rounds ·
// (steps · labels + 1) gradients; few steps are common.
#include "attacks/math/hyperplane.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::super_deepfool {
namespace {

struct Settings {
  int64_t rounds;
  int64_t steps;
  int64_t labels;
  double overshoot;
  double tolerance;
  int64_t refine;
};

// Crosses boundaries from x until each row is broken or `steps` are spent; then the ray from the
// clean input along the normal of the boundary, up to where the displacement projects onto it. Rows
// that are not broken by then stay where they are.
// x [m, ...] → [m, ...].
at::Tensor round_trip(Oracle& oracle, const at::Tensor& start, const at::Tensor& rows,
                      const Settings& settings) {
  const ThreatModel& threat = oracle.threat();
  const at::Tensor x0 = oracle.block().x.index_select(0, rows);
  at::Tensor result = start.clone();
  at::Tensor x = start;
  at::Tensor open = at::arange(rows.size(0), at::kLong);  // [k] indices into rows
  for (int64_t step = 0; open.size(0) > 0; ++step) {
    const at::Tensor samples = rows.index_select(0, open);
    const Tape tape = oracle.tape(x, samples);
    const at::Tensor keep = oracle.undecided(samples);
    if (keep.size(0) == 0) break;
    const at::Tensor broken = oracle.breaks(tape.logits().argmax(1), samples);
    const auto part = [&](const at::Tensor& which) {
      return which.index_select(0, keep).nonzero().squeeze(1);
    };
    const at::Tensor end = keep.index_select(0, part(broken));
    const at::Tensor on = keep.index_select(0, part(broken.logical_not()));
    if (end.size(0) > 0) {
      const Planes planes = nearest_planes(oracle, tape, x, samples, end, 1);
      const at::Tensor along = unit(planes.normal);
      const at::Tensor origin = x0.index_select(0, open.index_select(0, end));
      const at::Tensor length = row_dot(x.index_select(0, end).sub(origin), along);
      const at::Tensor ray = along.mul(spread(length, along).to(along.scalar_type()));
      result.index_copy_(0, open.index_select(0, end), origin.add(ray).clamp(threat.lo, threat.hi));
    }
    if (on.size(0) == 0) break;
    if (step == settings.steps) {
      // The next round walks on from here: back on the ray it would walk the same way again.
      result.index_copy_(0, open.index_select(0, on), x.index_select(0, on));
      break;
    }
    Planes planes = nearest_planes(oracle, tape, x, samples, on, settings.labels);
    planes.away = planes.away.clamp_min(1e-6 * (threat.hi - threat.lo));
    x = cross(x.index_select(0, on), planes, 1 + settings.overshoot, threat);
    open = open.index_select(0, on);
  }
  return result;
}

Candidates run(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  at::Tensor rows = at::arange(block.size(), at::kLong);  // [m]
  at::Tensor x = block.x;                                 // [m, ...]
  for (int64_t round = 0; round < settings.rounds && rows.size(0) > 0; ++round) {
    const at::Tensor before = oracle.best_distance().index_select(0, rows);
    x = round_trip(oracle, x, rows, settings);
    const at::Tensor after = oracle.best_distance().index_select(0, rows);
    // Still infinite counts as going on.
    const at::Tensor going = after.le(before.mul(1 - settings.tolerance));
    const at::Tensor left = going.logical_and(oracle.decided().index_select(0, rows).logical_not())
                                .nonzero()
                                .squeeze(1);
    oracle.settle(rows.index_select(0, going.logical_not().nonzero().squeeze(1)));
    keep_rows(left, {&x, &rows});
  }
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .rounds = params.integer("rounds", 20, {1, 100000}, "most DeepFool runs of one sample"),
      .steps = params.integer("steps", 20, {1, 100000}, "most steps of one DeepFool run"),
      .labels = params.integer("labels", 9, {1, 100000},
                               "boundaries looked at in each step: those of this many runner-up "
                               "labels"),
      .overshoot = params.number("overshoot", 0.02, {0, 100},
                                 "share by which a step goes beyond the boundary"),
      .tolerance = params.number("tolerance", 1e-3, {0, 1},
                                 "a round that shortens the distance by less is the last"),
      .refine = refine_param(params),
  };
  const int64_t labels = threat.goal == Goal::kTargeted ? 1 : settings.labels;
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.rounds * (settings.steps + 1) + settings.refine,
           .gradients = settings.rounds * (settings.steps * labels + 1)}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "super_deepfool",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL2},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial in l2: DeepFool and projections onto the normal in turn",
      .paper =
          "Abdollahpoorrostam, Abroshan, Moosavi-Dezfooli: Revisiting DeepFool: Generalization "
          "and Improvement, 2023, arXiv:2303.12481",
      .cost =
          "at most rounds * (steps + 1) + refine forwards, rounds * (steps * labels + 1) "
          "gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::super_deepfool

// FAB: walks along the linearised decision boundary, drawn back towards the clean input, to the
// nearest adversarial point; with `targets`, FAB-T.
//
// Paper: Croce, Hein, "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary
// Attack", ICML 2020, arXiv:1907.02044, Algorithm 1; targeted: Croce, Hein, ICML 2020,
// arXiv:2003.01690, §5.
// Reference: fra31/auto-attack autoattack/fab_base.py, fab_pt.py.
// Deviations: projections onto hyperplane ∩ box are exact; an untargeted run linearises the
// `boundaries` highest-ranked other labels only; with an eps a sample is done at its first
// adversarial point in the ball; the final search, which the reference has dropped, runs once at
// the end where there is no eps, and leans to the adversarial side of its secant; a targeted goal
// follows z_target − max of the others; without an eps, a walk that has found nothing by a tenth of
// its steps takes those of l2, not drawn back to the clean input. Cost per sample, at most, with n
// = restarts · max(targets, 1): 2 · n · steps forwards, n · steps gradients (untargeted: times
// boundaries); one forward more where targets are ranked, and five without an eps.
#include <algorithm>
#include <limits>
#include <optional>

#include "attacks/math/hyperplane.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/segment.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::fab {
namespace {

// The paper's η, β and α_max, and its steps of final search.
constexpr double kOvershoot = 1.05;
constexpr double kDrawBack = 0.9;
constexpr double kMostBias = 0.1;
constexpr int64_t kFinalSteps = 3;

struct Settings {
  int64_t steps;
  int64_t restarts;
  int64_t targets;
  int64_t boundaries;
};

struct Active {
  at::Tensor rows;    // [m] their block rows
  at::Tensor x0, x;   // [m, ...] clean, iterate
  at::Tensor y;       // [m]
  at::Tensor target;  // [m], or undefined

  void keep(const at::Tensor& indices) { keep_rows(indices, {&rows, &x0, &x, &y, &target}); }
};

// What separates label from label near x: value + ⟨w, x′ − x⟩.
struct Plane {
  at::Tensor w;      // [m, ...]
  at::Tensor value;  // [m] float64
};

// The planes z_a − z_b = 0 at the tape's point, for labels a, b [m]. Rows of c where `open` [m, 1]
// is 0 are 0: no gradient is wanted of them.
Plane between(Oracle& oracle, const Tape& tape, const at::Tensor& rows, const at::Tensor& open,
              const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor& z = tape.logits();  // [m, K]
  const at::Tensor first = a.unsqueeze(1);
  const at::Tensor second = b.unsqueeze(1);
  const at::Tensor c = at::zeros_like(z).scatter(1, first, 1.0).scatter(1, second, -1.0).mul(open);
  const at::Tensor gap = z.gather(1, first).to(at::kDouble).sub(z.gather(1, second));
  return {oracle.vjp(tape, c, rows), gap.squeeze(1)};
}

// The smallest steps from `from` [m, ...] to where ⟨w, ·⟩ has risen by `rise` [m], in what each row
// may reach.
at::Tensor onto(const Oracle& oracle, const Active& active, const at::Tensor& from,
                const at::Tensor& w, const at::Tensor& rise, Norm norm) {
  const auto wall = [&](double at) {
    return oracle.confined(at::full_like(active.x0, at), active.rows);
  };
  return to_plane(from, w, rise, norm, wall(oracle.threat().lo), wall(oracle.threat().hi));
}

// Linearises the boundary that each row is to follow. Nothing is left undecided: nullopt.
std::optional<Plane> linearise(Oracle& oracle, const Active& active, const Settings& settings) {
  const Tape tape = oracle.tape(active.x, active.rows);
  if (oracle.undecided(active.rows).size(0) == 0) return std::nullopt;
  const at::Tensor& z = tape.logits();  // [m, K]
  const at::Tensor decided = oracle.decided().index_select(0, active.rows);
  const at::Tensor open = decided.logical_not().to(z.scalar_type()).unsqueeze(1);  // [m, 1]
  const auto others_than = [&](const at::Tensor& label) {  // [m, K], by falling logit; label last
    const double lowest = -std::numeric_limits<double>::infinity();
    return z.scatter(1, label.unsqueeze(1), lowest).argsort(/*stable=*/true, 1, true);
  };
  if (active.target.defined()) {
    const bool reach = oracle.threat().goal == Goal::kTargeted;
    const at::Tensor from = reach ? others_than(active.target).select(1, 0) : active.y;
    return between(oracle, tape, active.rows, open, active.target, from);
  }
  const at::Tensor others = others_than(active.y);
  Plane nearest;
  Reach least;  // of the nearest plane so far
  for (int64_t k = 0; k < std::min(settings.boundaries, oracle.classes() - 1); ++k) {
    const Plane plane = between(oracle, tape, active.rows, open, others.select(1, k), active.y);
    const at::Tensor rise = plane.value.neg();
    const Norm norm = oracle.threat().norm;
    const Reach reach =
        reach_of(onto(oracle, active, active.x, plane.w, rise, norm), plane.w, rise, norm);
    if (k == 0) {
      nearest = plane;
      least = reach;
    }
    const at::Tensor closer = nearer(reach, least);
    nearest.w = at::where(spread(closer, plane.w), plane.w, nearest.w);
    nearest.value = at::where(closer, plane.value, nearest.value);
    least = {at::where(closer, reach.boxed, least.boxed),
             at::where(closer, reach.open, least.open)};
  }
  return nearest;
}

// x⁺ = (1 − α)(x + η d₁) + α(x₀ + η d₂), with d₁, d₂ the smallest steps from x and x₀ onto the
// plane. In linf and l1 they may go to and fro between a target's planes for ever, in l2 they close
// in on where all are crossed: a `late` walk that has found nothing takes those.
void move(const Oracle& oracle, Active& active, const Plane& plane, bool late) {
  const ThreatModel& threat = oracle.threat();
  const at::Tensor found = oracle.found().index_select(0, active.rows);
  const at::Tensor x0 = active.x0.to(at::kDouble);
  const at::Tensor seen = oracle.admissible(active.x, active.rows);  // where the plane was taken
  const at::Tensor back_rise = plane.value.add(row_dot(plane.w, x0.sub(seen))).neg();
  const at::Tensor rise = plane.value.neg();
  at::Tensor d1 = onto(oracle, active, active.x, plane.w, rise, threat.norm);
  if (late && threat.norm != Norm::kL2) {
    d1 = at::where(spread(found, d1), d1, onto(oracle, active, active.x, plane.w, rise, Norm::kL2));
  }
  const at::Tensor d2 = onto(oracle, active, active.x0, plane.w, back_rise, threat.norm);
  const at::Tensor way = length(d1, threat.norm);  // [m]
  const at::Tensor both = way.add(length(d2, threat.norm));
  at::Tensor bias = way.div(both.clamp_min(1e-300)).clamp_max(kMostBias);
  // What rounding takes back, or has not come across so far, is not to be drawn back too.
  if (late || threat.levels > 0) bias = bias.mul(found);
  const at::Tensor alpha = spread(bias, x0);
  const at::Tensor along = active.x.add(d1.mul(kOvershoot)).mul(alpha.neg().add(1));
  const at::Tensor back = x0.add(d2.mul(kOvershoot)).mul(alpha);
  active.x = boxed(along.add(back), active.x0, threat);
}

// One run from active.x, until all is decided.
void walk(Oracle& oracle, Active& active, const Settings& settings) {
  oracle.start_ascent(active.rows);
  for (int64_t step = 0; step < settings.steps && active.rows.size(0) > 0; ++step) {
    // Not rounded, or steps shorter than a level would come to nothing.
    active.x = oracle.confined(active.x, active.rows);
    const std::optional<Plane> plane = linearise(oracle, active, settings);
    if (!plane) return;
    move(oracle, active, *plane, !oracle.threat().eps && 10 * step >= settings.steps);
    active.keep(oracle.undecided(active.rows));
    const at::Tensor broken = oracle.breaks(oracle.labels(active.x, active.rows), active.rows);
    const at::Tensor nearer = active.x0.add(active.x.sub(active.x0).mul(kDrawBack));
    active.x =
        at::where(spread(broken, active.x), boxed(nearer, active.x0, oracle.threat()), active.x);
    active.keep(oracle.undecided(active.rows));
  }
}

// A random point at half the radius within which a better one is sought.
at::Tensor restart_point(const Oracle& oracle, const Active& active, int64_t restart, int64_t run,
                         const Rng& rng) {
  const ThreatModel& threat = oracle.threat();
  const std::vector<uint64_t> keys = keys_of(oracle.block(), active.rows);
  const at::IntArrayRef shape = active.x0.sizes().slice(1);
  const at::Tensor v = threat.norm == Norm::kLinf  // [m, ...] float64
                           ? rng.uniform(keys, shape, restart, run).mul(2).sub(1)
                           : rng.normal(keys, shape, restart, run);
  const double widest = threat.eps.value_or(threat.hi - threat.lo);
  const at::Tensor radius =
      oracle.best_distance().index_select(0, active.rows).clamp_max(widest).mul(0.5);
  const at::Tensor share = radius.div(length(v, threat.norm));  // no length is 0
  return boxed(v.mul(spread(share, v)).add(active.x0), active.x0, threat);
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const at::Tensor all = at::arange(block.size(), at::kLong);
  const int64_t targets = std::min(settings.targets, oracle.classes() - 1);
  oracle.trace_distances();
  const at::Tensor ranks = targets > 0 ? labels_by_rank(oracle) : at::Tensor();
  for (int64_t restart = 0; restart < settings.restarts; ++restart) {
    for (int64_t rank = 0; rank < std::max<int64_t>(targets, 1); ++rank) {
      const at::Tensor left = oracle.undecided(all);
      if (left.size(0) == 0) return oracle.best();
      Active active{all, block.x, block.x, block.y, block.target};
      if (targets > 0) active.target = ranks.select(1, rank + 1);
      active.keep(left);
      if (restart > 0) active.x = restart_point(oracle, active, restart, rank, rng);
      walk(oracle, active, settings);
    }
  }
  if (!oracle.threat().eps) close_in(oracle, kFinalSteps);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .steps = params.integer("steps", 100, {1, 100000}, "linearisations of one run"),
      .restarts = params.integer("restarts", 1, {1, 10000},
                                 "runs; the first from the clean input, later ones from random "
                                 "points"),
      .targets = params.integer("targets", 0, {0, 100000},
                                "untargeted goal: run once towards each of this many runner-up "
                                "labels (FAB-T; AutoAttack: 9); 0: towards the nearest boundary"),
      .boundaries = params.integer("boundaries", 9, {1, 100000},
                                   "without targets: other labels, by falling logit, among which "
                                   "each step seeks the nearest boundary; a gradient of each"),
  };
  const bool targeted = threat.goal == Goal::kTargeted;
  if (settings.targets > 0 && targeted) {
    params.fail("targets", "targets picks labels to run towards; a targeted goal has its own");
  }
  const int64_t runs = settings.restarts * std::max<int64_t>(settings.targets, 1);
  const int64_t planes = settings.targets > 0 || targeted ? 1 : settings.boundaries;
  const int64_t extra = (settings.targets > 0 ? 1 : 0) + (threat.eps ? 0 : kFinalSteps + 2);
  return {
      [settings](Oracle& oracle, const Block&, const Rng& rng) {
        return run(oracle, rng, settings);
      },
      {.queries = 2 * runs * settings.steps + extra, .gradients = runs * settings.steps * planes}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "fab",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .nearest_without_eps = true,
      .targeted = true,
      .summary = "walk along the linearised boundary; a minimum-norm attack without eps",
      .paper =
          "Croce, Hein: Minimally distorted Adversarial Examples with a Fast Adaptive Boundary "
          "Attack, ICML 2020, arXiv:1907.02044",
      .cost =
          "2 * restarts * max(targets, 1) * steps forwards, half as many gradients (without "
          "targets: times boundaries)",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::fab

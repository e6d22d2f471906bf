// APGD: projected gradient ascent that chooses its own step size, and targeted APGD.
//
// Paper: Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
// Parameter-free Attacks", ICML 2020, arXiv:2003.01690, Algorithm 1; for l1: Croce, Hein, "Mind the
// Box: l1-APGD for Sparse Adversarial Attacks on Image Classifiers", ICML 2021, arXiv:2103.01208,
// Algorithm 1 with the radii 3 eps, 2 eps, eps.
// Reference: fra31/auto-attack autoattack/autopgd_base.py.
// Deviations: a sample is done at its first success, at any iterate; the start's loss counts as the
// zeroth step of the first check (the reference compares with zeros); the last iterate's gradient,
// which nothing uses, is not taken (linf and l2, eot 1); the cotangent is scaled to 1, so that a
// saturated softmax does not zero the gradient; projections are exact on ball ∩ box. Cost per
// sample, at most, with n = restarts · max(targets, 1): n · eot · (steps + 1) forwards (l1: 2 more
// per run), as many gradients; one forward more where targets are ranked.
#include <algorithm>
#include <optional>

#include "attacks/math/look.h"
#include "attacks/math/points.h"
#include "attacks/math/random_point.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::apgd {
namespace {

struct Settings {
  int64_t steps;
  int64_t restarts;
  int64_t targets;
  int64_t eot;
  bool from_corpus;
  LossKind loss;
};

struct Active {
  at::Tensor rows;                // [m] their block rows
  at::Tensor x0, x, last;         // [m, ...] clean, iterate, the one before
  at::Tensor y, target;           // [m]; target may be undefined
  at::Tensor g;                   // [m, ...] gradient at x
  at::Tensor x_best, g_best;      // [m, ...] at the largest loss so far
  at::Tensor loss, before, best;  // [m] float64: at x, at `last`, and the largest
  at::Tensor size, rises;  // [m] float64: step size, and steps since the last check that rose
  at::Tensor checked;      // [m] float64 `best` at the last check
  at::Tensor halved;       // [m] bool: at the last check
  at::Tensor share;        // [m] float64, l1: share of entries that a step moves
  at::Tensor sparsity;     // [m] float64, l1: entries that x_best moved, at the last check

  void keep(const at::Tensor& indices) {
    if (indices.size(0) == rows.size(0)) return;
    for (at::Tensor* each : {&rows, &x0, &x, &last, &y, &target, &g, &x_best, &g_best, &loss,
                             &before, &best, &size, &rises, &checked, &halved, &share, &sparsity}) {
      if (each->defined()) *each = each->index_select(0, indices);
    }
  }
};

// Loss and gradient at x. Drops decided samples; false if none is left.
bool look_around(Oracle& oracle, Active& active, const Settings& settings) {
  const std::optional<Look> seen = look_often(oracle, active.x, active.rows, active.y,
                                              active.target, settings.loss, settings.eot);
  if (!seen) return false;
  active.keep(seen->keep);
  active.loss = seen->value;
  active.g = seen->gradient;
  return true;
}

// x⁺ = Π(x + 0.75(u − x) + 0.25(x − last)), u = Π(x + size · direction); l1 takes u itself.
void step(Active& active, const Ball& ball, bool first) {
  const at::Tensor length = spread(active.size, active.x).to(active.x.scalar_type());
  const at::Tensor way =
      by_share(steepest(active.g, ball.norm, active.share).mul(length), ball.share);
  const at::Tensor u = project(active.x.add(way), active.x0, ball);
  at::Tensor next = u;
  if (ball.norm != Norm::kL1 && !first) {
    const at::Tensor coast = active.x.sub(active.last).mul(0.25);
    next = project(active.x.add(u.sub(active.x).mul(0.75)).add(coast), active.x0, ball);
  }
  active.last = active.x;
  active.x = next;
}

void remember(Active& active) {
  active.rises = active.rises.add(active.loss.gt(active.before).to(at::kDouble));
  const at::Tensor better = active.loss.gt(active.best);  // [m]
  active.best = at::where(better, active.loss, active.best);
  active.x_best = at::where(spread(better, active.x), active.x, active.x_best);
  active.g_best = at::where(spread(better, active.x), active.g, active.g_best);
}

void return_to_best(Active& active, const at::Tensor& which) {
  active.x = at::where(spread(which, active.x), active.x_best, active.x);
  active.g = at::where(spread(which, active.x), active.g_best, active.g);
}

// linf and l2: halves the step where too few steps helped, or nothing did since the last check.
void check_progress(Active& active, int64_t period) {
  const at::Tensor few = active.rises.le(0.75 * static_cast<double>(period));
  const at::Tensor stuck = active.halved.logical_not().logical_and(active.checked.ge(active.best));
  active.halved = few.logical_or(stuck);
  active.checked = active.best;
  active.size = at::where(active.halved, active.size.div(2), active.size);
  active.rises = at::zeros_like(active.rises);
  return_to_best(active, active.halved);
}

// l1: follows the sparsity of the best point.
void check_sparsity(Active& active, double eps) {
  const auto d = static_cast<double>(active.x0.numel() / active.x0.size(0));
  const at::Tensor now = distance(active.x_best, active.x0, Norm::kL0);  // [m]
  const at::Tensor sparser = now.div(active.sparsity).lt(0.95);
  active.share = now.div(1.5 * d);
  active.size = at::where(sparser, at::full_like(active.size, eps), active.size.div(1.5))
                    .clamp(eps / 10, eps);
  active.sparsity = now;
  return_to_best(active, sparser);
}
int64_t part_of(int64_t steps, double share) {
  return std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(steps)));
}

// One run from active.x, in a ball that may be the judge's or larger.
void ascend_from(Oracle& oracle, Active& active, const Settings& settings, const Ball& ball,
                 int64_t steps) {
  if (!look_around(oracle, active, settings)) return;
  const bool sparse = ball.norm == Norm::kL1;
  const auto d = static_cast<double>(active.x0.numel() / active.x0.size(0));
  active.last = active.x_best = active.x;
  active.g_best = active.g;
  active.best = active.checked = active.loss;
  active.size = at::full_like(active.loss, sparse ? ball.eps : 2 * ball.eps);
  active.rises = at::zeros_like(active.loss);
  active.halved = at::ones_like(active.loss, at::kBool);
  if (sparse) {
    const at::Tensor moved = distance(active.x, active.x0, Norm::kL0);
    active.share = moved.div(1.5 * d);
    active.sparsity = moved.clamp_min(1);
  }
  int64_t period = part_of(steps, sparse ? 0.04 : 0.22);
  for (int64_t i = 1, since = 1; i <= steps; ++i, ++since) {
    step(active, ball, i == 1);
    if (i == steps && settings.eot == 1 && !sparse) {
      oracle.labels(active.x, active.rows);  // nothing uses the last gradient
      return;
    }
    active.before = active.loss;
    if (!look_around(oracle, active, settings)) return;
    remember(active);
    if (since < period) continue;
    since = 0;
    if (sparse) {
      check_sparsity(active, ball.eps);
    } else {
      check_progress(active, period);
      period = std::max(period - part_of(steps, 0.03), part_of(steps, 0.06));
    }
  }
}

void run_once(Oracle& oracle, Active& active, const Settings& settings, const Ball& ball) {
  oracle.start_ascent(active.rows);
  if (ball.norm != Norm::kL1) return ascend_from(oracle, active, settings, ball, settings.steps);
  const int64_t wide = settings.steps * 3 / 10;
  for (int factor = 3; factor >= 1; --factor) {
    const Ball wider{ball.norm, factor * ball.eps, ball.lo, ball.hi};
    const Untraced outside(oracle, factor > 1 ? 0 : active.rows.size(0));
    if (factor < 3) active.x = project(active.x_best, active.x0, wider);
    ascend_from(oracle, active, settings, wider, factor > 1 ? wide : settings.steps - 2 * wide);
    active.keep(oracle.undecided(active.rows));
    if (active.rows.size(0) == 0) return;
  }
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const at::Tensor all = at::arange(block.size(), at::kLong);
  const int64_t targets = std::min(settings.targets, oracle.classes() - 1);
  const at::Tensor ranks = targets > 0 ? labels_by_rank(oracle) : at::Tensor();
  for (int64_t restart = 0; restart < settings.restarts; ++restart) {
    for (int64_t rank = 0; rank < std::max<int64_t>(targets, 1); ++rank) {
      const at::Tensor left = oracle.undecided(all);
      if (left.size(0) == 0) return oracle.best();
      Active active{.rows = all, .x0 = block.x, .x = block.x, .y = block.y};
      active.target = targets > 0 ? ranks.select(1, rank + 1) : block.target;
      active.keep(left);
      const std::vector<uint64_t> keys = keys_of(block, left);
      active.x = ball.norm == Norm::kL1 ? far_point(active.x0, keys, restart, rank, rng, ball)
                                        : surface_point(active.x0, keys, restart, rank, rng, ball);
      const bool first = restart == 0 && rank == 0;
      if (first && settings.from_corpus) start_at_points(block, ball, left, &active.x);
      run_once(oracle, active, settings, ball);
    }
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const Settings settings{
      .steps = params.integer("steps", 100, {1, 100000}, "gradient steps of one run"),
      .restarts = params.integer("restarts", 1, {1, 10000},
                                 "runs from different random starts, on what is still robust"),
      .targets = params.integer("targets", 0, {0, 100000},
                                "untargeted goal: run once towards each of this many runner-up "
                                "labels (AutoAttack: 9); 0: away from the true label"),
      .eot = params.integer("eot", 1, {1, 10000},
                            "randomised models: gradients averaged in each step (AutoAttack: 20)"),
      .from_corpus = read_init(params),
      .loss = loss_kind(params.choice("loss", "ce", loss_names(), "loss to ascend")),
  };
  if (settings.targets > 0 && threat.goal == Goal::kTargeted) {
    params.fail("targets", "targets picks labels to run towards; a targeted goal has its own");
  }
  const int64_t runs = settings.restarts * std::max<int64_t>(settings.targets, 1) * settings.eot;
  const int64_t extra = threat.norm == Norm::kL1 ? 2 : 0;
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = runs * (settings.steps + 1 + extra) + (settings.targets > 0 ? 1 : 0),
           .gradients = runs * (settings.steps + 1 + extra)}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "apgd",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "projected gradient ascent that chooses its own step size (AutoAttack's first)",
      .paper =
          "Croce, Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of "
          "Diverse Parameter-free Attacks, ICML 2020, arXiv:2003.01690",
      .cost = "restarts * max(targets, 1) * eot * (steps + 1) forwards, about as many gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::apgd

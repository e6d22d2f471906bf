// PGD: projected steepest ascent on a loss, from random points of the ball.
//
// Paper: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
// Adversarial Attacks", ICLR 2018, arXiv:1706.06083, §2.1; momentum: Dong et al., "Boosting
// Adversarial Attacks with Momentum", CVPR 2018, arXiv:1710.06081, Algorithm 1; l1 steps: Tramèr,
// Boneh, "Adversarial Training and Robustness for Multiple Perturbations", NeurIPS 2019,
// arXiv:1904.13000, Algorithm 1 (SLIDE). Transfer variants: `nesterov` and `scale_copies`, Lin et
// al., ICLR 2020, arXiv:1908.06281 (NI, SI); `diverse_prob`, Xie et al., CVPR 2019,
// arXiv:1803.06978 (DI); `translation_kernel`, Dong et al., CVPR 2019, arXiv:1904.02884 (TI).
// Reference: jeromerony/adversarial-library adv_lib/attacks/projected_gradient_descent.py;
// variants: Trustworthy-AI-Group/TransferAttack transferattack/gradient, input_transformation.
// Deviations: a sample is done at its first success, and later restarts run for the others only;
// the last iterate is tried as well; projections onto l2 and l1 are exact on ball ∩ box; for l1 the
// number of entries that a step moves falls from top_share · d to 1 halfway, since a fixed share
// cannot reach the vertices where an l1 ball is widest; the cotangent is scaled to 1, so that a
// saturated softmax does not zero the gradient; `nesterov` looks ahead by a steepest step along the
// velocity (the paper: by the velocity itself), projected so that it may count as an adversarial,
// and copies are scaled and padded towards 0 or the end of the box next to it. The clean input is
// the first iterate without a random start. Where `diverse_prob` replaces iterates, they are tried
// too, after each step. Cost per sample, at most: restarts · (steps · eot · scale_copies + 1)
// forwards (with diverse_prob + steps), restarts · steps · eot · scale_copies gradients.
#include <optional>

#include "attacks/math/diversity.h"
#include "attacks/math/look.h"
#include "attacks/math/momentum.h"
#include "attacks/math/points.h"
#include "attacks/math/projection.h"
#include "attacks/math/random_point.h"
#include "attacks/math/rows.h"
#include "harness/model/attack.h"

namespace assay::attacks::pgd {
namespace {

struct Settings {
  int64_t steps;
  int64_t restarts;
  int64_t eot;
  std::optional<double> step_size;
  bool random_start;
  bool from_corpus;
  double momentum;
  bool nesterov;
  Diversity diversity;
  double top_share;
  LossKind loss;
};

// The samples that are still worth paying for, and their iterates.
struct Active {
  at::Tensor rows;      // [m] their block rows
  at::Tensor x0;        // [m, ...] clean
  at::Tensor x;         // [m, ...] iterate
  at::Tensor y;         // [m]
  at::Tensor target;    // [m], or undefined
  at::Tensor velocity;  // [m, ...], or undefined

  // Keeps the given indices [k]; nothing is copied if that is all of them.
  void keep(const at::Tensor& indices) {
    if (indices.size(0) == rows.size(0)) return;
    for (at::Tensor* tensor : {&rows, &x0, &x, &y, &target, &velocity}) {
      if (tensor->defined()) *tensor = tensor->index_select(0, indices);
    }
  }
};

// The mean of `eot` looks at x.
std::optional<Look> look_at(Oracle& oracle, const at::Tensor& x, const Active& active,
                            const Settings& settings, const Rng& rng, int64_t restart,
                            int64_t step) {
  if (settings.diversity.none()) {
    return look_often(oracle, x, active.rows, active.y, active.target, settings.loss, settings.eot);
  }
  return mean_look(settings.eot, [&](int64_t draw, const at::Tensor& keep) {
    const Untraced again(oracle, draw == 0 ? active.rows.size(0) : 0);
    return look_around(oracle, kept_of(x, keep), kept_of(active.rows, keep),
                       kept_of(active.y, keep), kept_of(active.target, keep), settings.loss,
                       settings.diversity, rng, restart, step * settings.eot + draw);
  });
}

// One restart. Returns early once every sample is decided.
void climb(Oracle& oracle, Active& active, const Settings& settings, const Ball& ball,
           const Rng& rng, int64_t restart) {
  const double size =
      settings.step_size.value_or(2.5 * ball.eps / static_cast<double>(settings.steps));
  const int64_t d = row_length(active.x0);
  oracle.start_ascent(active.rows);
  for (int64_t step = 0; step < settings.steps; ++step) {
    const int64_t top = top_entries(settings.top_share, d, step, settings.steps);
    at::Tensor x = active.x;  // [m, ...] where the gradient is taken
    if (settings.nesterov && active.velocity.defined()) {
      x = ascend(x, active.velocity, active.x0, size * settings.momentum, top, ball);
    }
    const std::optional<Look> seen = look_at(oracle, x, active, settings, rng, restart, step);
    if (!seen) return;
    active.keep(seen->keep);
    at::Tensor gradient = seen->gradient;  // [m, ...]
    if (settings.momentum > 0) {
      active.velocity = coast(active.velocity, gradient, settings.momentum);
      gradient = active.velocity;
    }
    active.x = ascend(active.x, gradient, active.x0, size, top, ball);
    const bool last = step + 1 == settings.steps;
    if (!last && settings.diversity.diverse_prob == 0) continue;
    oracle.labels(active.x, active.rows);  // no look shows these
    active.keep(oracle.undecided(active.rows));
    if (active.rows.size(0) == 0) return;
  }
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  check_images(settings.diversity, block.x);
  const Ball ball = ball_of(oracle.threat());
  const at::Tensor all = at::arange(block.size(), at::kLong);
  for (int64_t restart = 0; restart < settings.restarts; ++restart) {
    const at::Tensor left = oracle.undecided(all);
    if (left.size(0) == 0) break;
    Active active{all, block.x, block.x, block.y, block.target, {}};
    active.keep(left);
    if (settings.random_start) {
      active.x = random_point(active.x0, keys_of(block, left), restart, 0, rng, ball);
    }
    if (settings.from_corpus && restart == 0) start_at_points(block, ball, left, &active.x);
    climb(oracle, active, settings, ball, rng, restart);
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  Settings settings{
      .steps = params.integer("steps", 40, {1, 100000}, "gradient steps of one restart"),
      .restarts = params.integer("restarts", 1, {1, 10000},
                                 "runs from different random starts; the later ones only for "
                                 "samples that are still robust"),
      .eot = params.integer("eot", 1, {1, 10000},
                            "randomised models: gradients averaged in each step"),
      .step_size = params.optional_number(
          "step_size", {1e-12, 1e12}, "length of a step in the norm; absent: 2.5 * eps / steps"),
      .random_start = params.boolean("random_start", true,
                                     "start at a random point of the ball, not the clean input"),
      .from_corpus = read_init(params),
      .momentum = params.number("momentum", 0, {0, 10},
                                "decay of accumulated gradients (MI-FGSM uses 1); 0: none"),
      .nesterov = params.boolean("nesterov", false,
                                 "with momentum: take the gradient one step ahead (NI-FGSM)"),
      .diversity = read_diversity(params),
      .top_share = params.number("top_share", 0.01, {0, 1},
                                 "l1: share of entries that the first step moves (SLIDE: 1 - q); "
                                 "falls to one entry halfway"),
      .loss = loss_kind(params.choice("loss", "ce", loss_names(), "loss to ascend")),
  };
  if (!settings.random_start && settings.restarts > 1) {
    params.fail("restarts", "restarts is " + std::to_string(settings.restarts) +
                                ", but without random_start every restart is the same; set "
                                "random_start: true or restarts: 1");
  }
  if (settings.nesterov && settings.momentum == 0) {
    params.fail("nesterov",
                "nesterov looks ahead along the momentum, but momentum is 0; set "
                "momentum: 1");
  }
  const int64_t looks = settings.steps * settings.eot * settings.diversity.scale_copies;
  const int64_t tried = settings.diversity.diverse_prob > 0 ? settings.steps : 1;
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.restarts * (looks + tried), .gradients = settings.restarts * looks}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "pgd",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "projected gradient ascent from random starts",
      .paper =
          "Madry, Makelov, Schmidt, Tsipras, Vladu: Towards Deep Learning Models "
          "Resistant to Adversarial Attacks, ICLR 2018, arXiv:1706.06083",
      .cost =
          "restarts * (steps * eot * scale_copies + 1) forwards (with diverse_prob + steps), "
          "restarts * steps * eot * scale_copies gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::pgd

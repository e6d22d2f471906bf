// Transfer: adversarials crafted on another model, tried on the candidate.
//
// Papers: Papernot, McDaniel, Goodfellow, "Transferability in Machine Learning", 2016,
// arXiv:1605.07277; momentum (MI), Dong et al., CVPR 2018, arXiv:1710.06081, Algorithm 1; diverse
// inputs (DI), Xie et al., CVPR 2019, arXiv:1803.06978.
// Reference: Trustworthy-AI-Group/TransferAttack transferattack/gradient/mifgsm.py.
// Deviations: the ascent on the source never stops at a success there, since confidence transfers;
// steps are the steepest of each norm, not signs alone; points on the way are tried too where
// `queries` allows them; a file of adversarials is tried as it is, projected into the ball.
// Cost per sample, at most: queries forwards of the candidate (if absent, 1, and 16 for the points
// of a file or cell); steps · scale_copies forwards and gradients of the source, which are not
// counted.
#include <algorithm>

#include "attacks/math/diversity.h"
#include "attacks/math/look.h"
#include "attacks/math/momentum.h"
#include "attacks/math/nearest.h"
#include "attacks/math/points.h"
#include "attacks/math/rows.h"
#include "harness/model/attack.h"

namespace assay::attacks::transfer {
namespace {

struct Settings {
  int64_t steps;
  int64_t queries;  // of crafted points
  int64_t points;   // of a file or cell, to be tried
  std::optional<double> step_size;
  double momentum;
  Diversity diversity;
  LossKind loss;
};

// True after as many steps as the queries are to be spread over: the last one among them.
bool is_tried(const Settings& settings, int64_t step) {
  return (step + 1) * settings.queries / settings.steps > step * settings.queries / settings.steps;
}

void craft(Oracle& oracle, Oracle& source, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const double size =
      settings.step_size.value_or(2.5 * ball.eps / static_cast<double>(settings.steps));
  const int64_t d = row_length(block.x);
  at::Tensor rows = at::arange(block.size(), at::kLong);
  at::Tensor x = block.x, x0 = block.x, y = block.y, target = block.target, velocity;
  for (int64_t step = 0; step < settings.steps; ++step) {
    const std::optional<Look> seen =
        look_around(source, x, rows, y, target, settings.loss, settings.diversity, rng, 0, step);
    if (!seen) return;  // the source failed on all of them
    keep_rows(seen->keep, {&rows, &x, &x0, &y, &target, &velocity});
    velocity = coast(velocity, seen->gradient, settings.momentum);
    x = ascend(x, velocity, x0, size, top_entries(kTopShare, d, step, settings.steps), ball);
    if (!is_tried(settings, step)) continue;
    oracle.labels(x, rows);
    const at::Tensor left = oracle.undecided(rows);
    if (left.size(0) == 0) return;
    keep_rows(left, {&rows, &x, &x0, &y, &target, &velocity});
  }
}

Bound bind(Params& params, const ThreatModel&) {
  const int64_t steps = params.integer("steps", 40, {1, 100000}, "gradient steps on the source");
  const std::optional<int64_t> queries =
      params.optional_integer("queries", {1, 100000},
                              "points tried on the candidate: the last one, and others evenly "
                              "spread over the steps; or the "
                              "first of a file or cell; absent: 1, and 16 of a file or cell");
  const Settings settings{
      .steps = steps,
      .queries = queries.value_or(1),
      .points = std::min(queries.value_or(kMostPoints), kMostPoints),
      .step_size = params.optional_number(
          "step_size", {1e-12, 1e12}, "length of a step in the norm; absent: 2.5 * eps / steps"),
      .momentum = params.number("momentum", 1, {0, 10}, "decay of accumulated gradients; 0: none"),
      .diversity = read_diversity(params),
      .loss = loss_kind(params.choice("loss", "ce", loss_names(), "loss to ascend on the source")),
  };
  params.text("source", "",
              "where the points come from: `baseline`, a TorchScript file, or a safetensors file "
              "of adversarials (keys cell/sample)");
  if (settings.queries > settings.steps) {
    params.fail("queries", "queries is " + std::to_string(settings.queries) +
                               ", more than steps (" + std::to_string(settings.steps) +
                               "), which is how many points there are");
  }
  return {[settings](Oracle& oracle, const Block& block, const Rng& rng) {
            check_images(settings.diversity, block.x);
            std::optional<Oracle> source = oracle.source();
            if (source) {
              craft(oracle, *source, rng, settings);
            } else {
              try_points(oracle, block, ball_of(oracle.threat()), settings.points);
            }
            return oracle.best();
          },
          {.queries = queries.value_or(kMostPoints), .gradients = 0}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "transfer",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "crafts adversarials on another model and tries them",
      .paper =
          "Dong, Liao, Pang, Su, Zhu, Hu, Li: Boosting Adversarial Attacks with Momentum, CVPR "
          "2018, arXiv:1710.06081",
      .cost =
          "queries forwards (absent: 1, and up to 16 points of a file or cell); steps * "
          "scale_copies "
          "gradients of a source model, not counted",
      .taxonomy = {{"atlas", "AML.T0043.003"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::transfer

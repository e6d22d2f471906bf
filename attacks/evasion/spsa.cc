// SPSA: Adam along gradients that probes of random signs estimate from scores.
//
// Paper: Uesato, O'Donoghue, van den Oord, Kohli, "Adversarial Risk and the Dangers of Evaluating
// Against Weak Attacks", ICML 2018, arXiv:1802.05666, Algorithm 1.
// Reference: cleverhans-lab/cleverhans cleverhans/torch/attacks/spsa.py.
// Deviations: probes surround the current point (the reference adds the clean input twice and
// leaves the current point out); they are cut at the box and count for where they end; each probe
// is a point that may break the sample; a random start is uniform in the ball.
// Cost per sample, at most: queries forwards, no gradients.
#include "attacks/math/adam.h"
#include "attacks/math/climb.h"
#include "attacks/math/projection.h"
#include "attacks/math/random_point.h"
#include "harness/model/attack.h"

namespace assay::attacks::spsa {
namespace {

struct Settings {
  Climb climb;
  double step_size;
  bool random_start;
};

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const at::Tensor start =
      settings.random_start ? random_point(block.x, block.ids, -1, 0, rng, ball) : block.x;
  Adam adam(at::zeros(block.x.sizes(), at::kDouble));  // by block row; decided ones idle
  climb(oracle, rng, settings.climb, start,
        [&](const at::Tensor& x, const at::Tensor& gradient, const at::Tensor& rows) {
          const at::Tensor all = at::zeros_like(adam.mean).index_copy_(0, rows, gradient);
          const at::Tensor up = adam.direction(all).index_select(0, rows).mul(settings.step_size);
          return project(x.to(at::kDouble).add(up).to(x.scalar_type()),
                         block.x.index_select(0, rows), ball);
        });
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  const double whole = threat.hi - threat.lo;
  Settings settings;
  settings.climb.signs = true;
  settings.climb.queries =
      params.integer("queries", 10000, {1, 10000000}, "hard budget for each sample");
  settings.climb.pairs =
      params.integer("pairs", 128, {1, 1000000}, "probes up and down of each estimate");
  settings.climb.sigma = params
                             .optional_number("sigma", {1e-12, 1e12},
                                              "what a probe adds to or takes from each entry; "
                                              "absent: 1 % of the box")
                             .value_or(0.01 * whole);
  settings.step_size =
      params.optional_number("step_size", {1e-12, 1e12}, "Adam's rate; absent: 1 % of the box")
          .value_or(0.01 * whole);
  settings.random_start = params.boolean("random_start", true,
                                         "start at a random point of the ball, not the clean "
                                         "input");
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.climb.queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "spsa",
      .family = Family::kEvasion,
      .access = Access::kScore,
      .norms = {Norm::kLinf, Norm::kL2},
      .targeted = true,
      .summary = "Adam along gradients that probes of random signs estimate from scores",
      .paper =
          "Uesato, O'Donoghue, van den Oord, Kohli: Adversarial Risk and the Dangers of Evaluating "
          "Against Weak Attacks, ICML 2018, arXiv:1802.05666",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::spsa

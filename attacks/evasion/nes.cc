// NES: PGD by gradients that normal probes estimate from scores.
//
// Paper: Ilyas, Engstrom, Athalye, Lin, "Black-box Adversarial Attacks with Limited Queries and
// Information", ICML 2018, arXiv:1804.08598, Algorithm 1 and §2.
// Reference: thu-ml/ares ares/attack/nes.py.
// Deviations: the margin is the loss, whatever the goal; probes are cut at the box and count for
// where they end; each probe is a point that may break the sample; the step falls along a cosine
// over the budget (the reference may halve it where the loss stands still).
// Cost per sample, at most: queries forwards, no gradients.
#include "attacks/math/climb.h"
#include "attacks/math/nearest.h"
#include "attacks/math/projection.h"
#include "harness/model/attack.h"

namespace assay::attacks::nes {
namespace {

struct Settings {
  Climb climb;
  double step_size;
};

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const int64_t steps = settings.climb.queries / (2 * settings.climb.pairs + 1) + 1;
  int64_t step = 0;
  climb(oracle, rng, settings.climb, block.x,
        [&](const at::Tensor& x, const at::Tensor& gradient, const at::Tensor& rows) {
          const double size = settings.step_size * cosine(step++, steps);
          return ascend(x, gradient.to(x.scalar_type()), block.x.index_select(0, rows), size, 0,
                        ball);
        });
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel& threat) {
  Settings settings;
  settings.climb.queries =
      params.integer("queries", 10000, {1, 10000000}, "hard budget for each sample");
  settings.climb.pairs =
      params.integer("pairs", 50, {1, 1000000}, "probes up and down of each estimate");
  settings.climb.sigma =
      params
          .optional_number("sigma", {1e-12, 1e12},
                           "standard deviation of a probe's entries; absent: 2 % of the box")
          .value_or(0.02 * (threat.hi - threat.lo));
  settings.step_size = params
                           .optional_number("step_size", {1e-12, 1e12},
                                            "length of the first step in the norm; absent: eps / 5")
                           .value_or(threat.eps.value_or(1) / 5);
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.climb.queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "nes",
      .family = Family::kEvasion,
      .access = Access::kScore,
      .norms = {Norm::kLinf, Norm::kL2},
      .targeted = true,
      .summary = "projected steps along gradients that normal probes estimate from scores",
      .paper =
          "Ilyas, Engstrom, Athalye, Lin: Black-box Adversarial Attacks with Limited Queries and "
          "Information, ICML 2018, arXiv:1804.08598",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::nes

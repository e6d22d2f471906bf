// Corpus: tries the adversarials that earlier runs found on other models. What broke the incumbent
// is the first thing to try on its successor, and costs a forward.
//
// Paper: transfer of adversarials between models, Papernot, McDaniel, Goodfellow, "Transferability
// in Machine Learning", 2016, arXiv:1605.07277.
// Reference: none; the idea is a fuzzer's regression corpus.
// Deviations: points are projected into the ball first, so that what an attack found at another
// radius or in another norm counts as well.
// Cost per sample, at most: 16 forwards, one for each point that the corpus has of it.
#include "attacks/math/points.h"
#include "harness/model/attack.h"

namespace assay::attacks::corpus {
namespace {

Bound bind(Params&, const ThreatModel&) {
  return {[](Oracle& oracle, const Block& block, const Rng&) {
            try_points(oracle, block, ball_of(oracle.threat()));
            return oracle.best();
          },
          {.queries = kMostPoints, .gradients = 0}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "corpus",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "tries what earlier runs found on other models",
      .paper =
          "Papernot, McDaniel, Goodfellow: Transferability in Machine Learning: from Phenomena to "
          "Black-Box Attacks using Adversarial Samples, 2016, arXiv:1605.07277",
      .cost = "a forward for each point known of the sample, at most 16",
      .taxonomy = {{"atlas", "AML.T0043.003"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::corpus

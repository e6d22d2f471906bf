// Gap: what a model classifies rightly it has seen.
//
// Paper: Yeom, Giacomelli, Fredrikson, Jha, "Privacy Risk in Machine Learning: Analyzing the
// Connection to Overfitting", CSF 2018, arXiv:1709.01604, Adversary 1 (bounded loss, 0/1).
// Deviations: none. Its advantage is the gap between training and test accuracy. It has two scores,
// and records that tie are claimed together: where more non-members are classified rightly than a
// false positive rate allows, the true positive rate there is 0.
// Cost per record: 1 forward, of which the label is used.
#include "harness/model/attack.h"

namespace assay::attacks::gap {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "gap",
      .family = Family::kMembership,
      .access = Access::kLabel,
      .norms = {},
      .summary = "what is classified rightly counts as a member: the baseline of all others",
      .paper =
          "Yeom, Giacomelli, Fredrikson, Jha: Privacy Risk in Machine Learning: Analyzing the "
          "Connection to Overfitting, CSF 2018, arXiv:1709.01604",
      .cost = "1 forward",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params&, const ThreatModel&) {
    Bound bound;
    bound.inference.infer = [](const Outputs& outputs, const Rng&) {
      const at::Tensor labels = outputs.logits[0].narrow(0, 0, outputs.audited).argmax(1);
      return labels.eq(outputs.labels.narrow(0, 0, outputs.audited)).to(at::kDouble);
    };
    return bound;
  };
  return attack;
}

}  // namespace assay::attacks::gap

// Loss: a small loss speaks for a member.
//
// Paper: Yeom, Giacomelli, Fredrikson, Jha, "Privacy Risk in Machine Learning: Analyzing the
// Connection to Overfitting", CSF 2018, arXiv:1709.01604, Adversary 2.
// Reference: privacytrustlab/ml_privacy_meter attacks.py (LOSS).
// Deviations: the threshold is swept, where the paper fixes the mean training loss; losses below
// 1e-16 keep their order. `shadows` gives each class a threshold of its own (Song & Mittal 2021).
// Cost per record: views forwards.
#include "attacks/math/confidence.h"
#include "attacks/math/membership.h"
#include "harness/model/attack.h"

namespace assay::attacks::loss {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "loss",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .summary = "a small cross-entropy speaks for a member",
      .paper =
          "Yeom, Giacomelli, Fredrikson, Jha: Privacy Risk in Machine Learning: Analyzing the "
          "Connection to Overfitting, CSF 2018, arXiv:1709.01604",
      .cost = "views forwards; shadows on request",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    return Bound{.inference = confidence_attack(params, log_likelihood)};
  };
  return attack;
}

}  // namespace assay::attacks::loss

// Entropy: an output that is sure of itself speaks for a member, whatever its label.
//
// Paper: Song & Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models",
// USENIX Security 2021, arXiv:2003.10595, section 3.2 (after Shokri et al. 2017).
// Reference: inspire-group/membership-inference-evaluation membership_inference_attacks.py.
// Deviations: logarithms are taken of logits, where the reference clamps probabilities at 1e-30;
// thresholds are one for all classes, swept, unless `shadows` are there to learn them from.
// Cost per record: views forwards.
#include "attacks/math/confidence.h"
#include "attacks/math/membership.h"
#include "harness/model/attack.h"

namespace assay::attacks::entropy {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "entropy",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .summary = "a small entropy of the output speaks for a member, whatever the label",
      .paper =
          "Song, Mittal: Systematic Evaluation of Privacy Risks of Machine Learning Models, "
          "USENIX Security 2021, arXiv:2003.10595",
      .cost = "views forwards; shadows on request",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    // Σ p log p
    const Signal signal = [](const at::Tensor& logits, const at::Tensor&) {
      const at::Tensor log_p = log_probabilities(logits).of;
      return log_p.exp().mul(log_p).sum(-1);
    };
    return Bound{.inference = confidence_attack(params, signal)};
  };
  return attack;
}

}  // namespace assay::attacks::entropy

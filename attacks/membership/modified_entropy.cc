// Modified entropy: small where the output is sure of the right label, and only there.
//
// Paper: Song & Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models",
// USENIX Security 2021, arXiv:2003.10595, equation 7.
// Reference: inspire-group/membership-inference-evaluation membership_inference_attacks.py.
// Deviations: log p and log(1 − p) are taken of logits, exactly, where the reference clamps
// probabilities at 1e-30 and 1 − p rounds to 0; thresholds are one for all classes, swept, unless
// `shadows` are there to learn them from.
// Cost per record: views forwards.
#include "attacks/math/confidence.h"
#include "attacks/math/membership.h"
#include "harness/model/attack.h"

namespace assay::attacks::modified_entropy {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "modified_entropy",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .summary = "an output that is sure of the right label speaks for a member",
      .paper =
          "Song, Mittal: Systematic Evaluation of Privacy Risks of Machine Learning Models, "
          "USENIX Security 2021, arXiv:2003.10595",
      .cost = "views forwards; shadows on request",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    // (1 − p_y) log p_y + Σ_{i≠y} p_i log(1 − p_i)
    const Signal signal = [](const at::Tensor& logits, const at::Tensor& labels) {
      const LogProbabilities log_p = log_probabilities(logits);
      const at::Tensor all = log_p.of.exp().mul(log_p.complement);
      const at::Tensor right =
          at_labels(log_p.complement, labels).exp().mul(at_labels(log_p.of, labels));
      return all.scatter(-1, labels.unsqueeze(-1).expand_as(all.narrow(-1, 0, 1)), 0)
          .sum(-1)
          .add(right);
    };
    return Bound{.inference = confidence_attack(params, signal)};
  };
  return attack;
}

}  // namespace assay::attacks::modified_entropy

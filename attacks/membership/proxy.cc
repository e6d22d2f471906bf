// Proxy: the loss, read from its other side: how much of the non-members' tail of large losses the
// members lack. It predicts, without a shadow, the true positive rate that LiRA would reach.
//
// Paper: Dodd, Krčo, Shilov, de Montjoye, "The Tail Tells All: Estimating Model-Level Membership
// Inference Vulnerability Without Reference Models", 2025, arXiv:2510.19773: the true negative rate
// of the loss attack at a low false negative rate.
// Deviations: none. It is an estimate of a model, not an attack on a record: a record's score is
// that of `loss`, and so are AUC and advantage. The gate reads `tail` for tpr_at_fpr_X, and gives
// the share of non-members whose loss is above that of all but X of the members.
// Cost per record: views forwards.
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::proxy {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "proxy",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .summary = "predicts LiRA's true positive rate from the tails of the losses, without shadows",
      .paper =
          "Dodd, Krco, Shilov, de Montjoye: The Tail Tells All: Estimating Model-Level Membership "
          "Inference Vulnerability Without Reference Models, 2025, arXiv:2510.19773",
      .cost = "views forwards",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Inference inference;
    inference.views = views_param(params, 1);
    params.choice(
        "tail", "non_members", {"non_members", "members"},
        "what tpr_at_fpr_X is read from: non_members, whose loss is above that of all but "
        "X of the members, as in the paper; members, as of `loss`");
    inference.infer = [](const Outputs& outputs, const Rng&) {
      return log_likelihood(outputs.logits, outputs.labels).mean(0).narrow(0, 0, outputs.audited);
    };
    return Bound{.inference = inference};
  };
  return attack;
}

}  // namespace assay::attacks::proxy

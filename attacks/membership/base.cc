// BASE: a record's log-likelihood above that of the average reference model.
//
// Paper: Lassila, Östman, Ngo, Graell i Amat, "Practical Bayes-Optimal Membership Inference
// Attacks", NeurIPS 2025, arXiv:2505.24089.
// Reference: aidotse/LeakPro, attacks/mia_attacks/base.py.
// Deviations: views are averaged. Online, the score is the logarithm of RMIA's ratio. Offline the
// references' part is multiplied by `factor`, 0.33 in the reference.
// Cost per record: views forwards of the candidate and of each shadow.
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::base {
namespace {

at::Tensor infer(const Outputs& outputs, double temperature, double factor) {
  const Signal log_p = [temperature](const at::Tensor& logits, const at::Tensor& labels) {
    return log_likelihood(logits.div(temperature), labels);
  };
  const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
  // Offline, no shadow has seen an audited record.
  const at::Tensor all = at::ones({outputs.shadows, outputs.audited}, at::kBool);
  const at::Tensor usual = log_mean_exp(of_shadows(outputs, log_p, false), all);  // [A, R]
  return log_p(outputs.logits.narrow(1, 0, outputs.audited), labels).sub(usual.mul(factor)).mean(0);
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  inference.views = views_param(params, 1);
  inference.shadows =
      shadow_params(params, {.fallback = 8, .references = true, .what = "reference models"});
  const double temperature =
      params.number("temperature", 2, {1e-3, 1e3}, "divides the logits before the softmax");
  const double factor = params.number(
      "factor", 0.33, {0, 1}, "offline: weight of the references, none of which saw the record");
  if (inference.shadows.online) {
    params.refuse("factor", "`factor` goes with `mode: offline`; online, references weigh in full");
  }
  inference.infer = [temperature, factor = inference.shadows.online ? 1 : factor](
                        const Outputs& outputs, const Rng&) {
    return infer(outputs, temperature, factor);
  };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "base",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "log-likelihood above the mean likelihood of reference models",
      .paper =
          "Lassila, Ostman, Ngo, Graell i Amat: Practical Bayes-Optimal Membership Inference "
          "Attacks, NeurIPS 2025, arXiv:2505.24089",
      .cost = "views forwards; shadows are trained once",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::base

// Attack-R: the confidence of a record against that of reference models that have not seen it.
//
// Paper: Ye, Maddi, Murakonda, Bindschaedler, Shokri, "Enhanced Membership Inference Attacks
// against Machine Learning Models", CCS 2022, arXiv:2111.09679, section 4.4 (Attack R).
// Reference: RPI-DSPlab/MIAE, reference attack; ml_privacy_meter, ReferenceMetric of version 1.
// Deviations: the score is the share of reference models that are less sure than the candidate, an
// equal one counting a half. S models give S + 1 shares, and all records whose share is 1 would be
// one tie, often larger than any false positive rate of interest; ties are broken by how far the
// candidate's log-odds lie above the references', in their pooled standard deviation, which
// changes the order of no two shares. Views are averaged in log-odds first.
// Cost per record: views forwards of the candidate and of each shadow.
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::attack_r {
namespace {

at::Tensor infer(const Outputs& outputs) {
  const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
  const at::Tensor out = outputs.in.narrow(1, 0, outputs.audited).logical_not();  // [S, R]
  const at::Tensor mine =
      log_odds(outputs.logits.narrow(1, 0, outputs.audited), labels).mean(0, true);  // [1, R]
  const at::Tensor theirs = of_shadows(outputs, log_odds, false).mean(1, true);      // [S, 1, R]
  const at::Tensor below = theirs.lt(mine).to(at::kDouble).add(theirs.le(mine)).div(2).squeeze(1);
  const at::Tensor share = at::where(out, below, 0).sum(0).div(out.sum(0));  // [R]
  const Moments references = moments(theirs, out, Spreads::kPooled);
  const at::Tensor away = mine.sub(references.centre).div(references.spread)[0];
  return break_ties(share, away, outputs.shadows);
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "attack_r",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "share of shadow models that have not seen the record and are less sure of it",
      .paper =
          "Ye, Maddi, Murakonda, Bindschaedler, Shokri: Enhanced Membership Inference Attacks "
          "against Machine Learning Models, CCS 2022, arXiv:2111.09679",
      .cost = "views forwards; shadows are trained once",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Inference inference;
    inference.views = views_param(params, 1);
    inference.shadows = shadow_params(
        params,
        {.fallback = 8, .offline = 2, .online = 4, .references = true, .what = "reference models"});
    inference.infer = [](const Outputs& outputs, const Rng&) { return infer(outputs); };
    return Bound{.inference = inference};
  };
  return attack;
}

}  // namespace assay::attacks::attack_r

// Attack-P: the loss of a record against losses of a population the model has not seen.
//
// Paper: Ye, Maddi, Murakonda, Bindschaedler, Shokri, "Enhanced Membership Inference Attacks
// against Machine Learning Models", CCS 2022, arXiv:2111.09679, section 4.3 (Attack P).
// Reference: privacytrustlab/ml_privacy_meter, PopulationMetric of version 1.
// Deviations: the score is the share of the population with a larger loss, 1 less the threshold's
// level alpha, and ties within it are broken by the confidence itself; the population of a record
// is its own class, unless `per_class: false` or the pool lacks the class.
// Cost per record: views forwards, and as many for each record of the pool.
#include <algorithm>

#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"
#include "harness/suite/error.h"

namespace assay::attacks::attack_p {
namespace {

at::Tensor infer(const Outputs& outputs, bool per_class) {
  const at::Tensor values = log_odds(outputs.logits, outputs.labels).mean(0);  // [R]
  const int64_t population = values.size(0) - outputs.audited;
  if (population == 0) throw Error("`pool` has no records beside those that are audited");
  const at::Tensor mine = values.narrow(0, 0, outputs.audited);
  const at::Tensor theirs = values.narrow(0, outputs.audited, population);
  at::Tensor shares = share_below(theirs, mine);
  if (!per_class) return break_ties(shares, mine, population);
  // One step for all: what breaks ties in a small class must not outweigh a share of a large one.
  int64_t largest = 1;
  for (int64_t c = 0; c < outputs.logits.size(2); ++c) {
    const at::Tensor labels = outputs.labels.eq(c);
    const at::Tensor rows = labels.narrow(0, 0, outputs.audited).nonzero().squeeze(1);
    const at::Tensor reference =
        theirs.masked_select(labels.narrow(0, outputs.audited, population));
    if (rows.size(0) == 0) continue;
    const bool lacking = reference.size(0) == 0;
    largest = std::max(largest, lacking ? population : reference.size(0));
    if (lacking) continue;
    shares.index_copy_(0, rows, share_below(reference, mine.index_select(0, rows)));
  }
  return break_ties(shares, mine, largest);
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "attack_p",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "share of unseen records of the class with a larger loss",
      .paper =
          "Ye, Maddi, Murakonda, Bindschaedler, Shokri: Enhanced Membership Inference Attacks "
          "against Machine Learning Models, CCS 2022, arXiv:2111.09679",
      .cost = "views forwards, and as many for each record of the pool",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Inference inference;
    inference.population = true;
    inference.views = views_param(params, 1);
    const bool per_class = params.boolean(
        "per_class", true, "compare a record with those of its class; else with all of the pool");
    inference.infer = [per_class](const Outputs& outputs, const Rng&) {
      return infer(outputs, per_class);
    };
    return Bound{.inference = inference};
  };
  return attack;
}

}  // namespace assay::attacks::attack_p

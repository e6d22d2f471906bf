// Copycat CNN: a surrogate learns the bare labels of records that need not be of the model's kind.
//
// Paper: Correia-Silva, Berriel, Badue, de Souza, Oliveira-Santos, "Copycat CNN: Stealing Knowledge
// by Persuading Confession with Random Non-Labeled Data", IJCNN 2018, arXiv:1806.05476, section 3.
// Reference: jeiks/Stealing_DL_Models.
// Deviations: the surrogate starts from fresh weights and not from ImageNet's; its inputs are not
// augmented; no record is sent twice, so what is beyond the pool is not spent. A label that an
// answer leaves open (equal shares, or all rounded to 0) is drawn among those it leaves.
// Cost: budget queries; one training.
#include "attacks/math/extraction_params.h"
#include "attacks/math/pool_order.h"
#include "harness/model/attack.h"

namespace assay::attacks::copycat {
namespace {

Theft extract(Victim& victim, const Pool& pool, const FreshSurrogate& fresh, const Rng& rng) {
  const at::Tensor x = pool.read(affordable(pool, rng, victim));
  Surrogate surrogate = fresh(0);
  victim.query(x);
  const at::Tensor labels = victim.labels();
  surrogate.fit(x, at::one_hot(labels, victim.classes()).to(at::kDouble));
  return {.surrogate = surrogate.save(), .findings = {}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "copycat",
      .family = Family::kExtraction,
      .access = Access::kLabel,
      .norms = {},
      .targeted = false,
      .pool = true,
      .surfaces = {Surface::Kind::kLabel, Surface::Kind::kProbabilities, Surface::Kind::kLogits,
                   Surface::Kind::kTopK, Surface::Kind::kRounded},
      .summary = "trains a surrogate on the labels that records of another problem get",
      .paper =
          "Correia-Silva, Berriel, Badue, de Souza, Oliveira-Santos: Copycat CNN: Stealing "
          "Knowledge by Persuading Confession with Random Non-Labeled Data, IJCNN 2018, "
          "arXiv:1806.05476",
      .cost = "budget queries and one training for each budget and seed",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Extraction extraction = surrogate_params(params, {100, 1000, 10000}, surrogate_recipe());
    extraction.extract = extract;
    return Bound{.extraction = extraction};
  };
  return attack;
}

}  // namespace assay::attacks::copycat

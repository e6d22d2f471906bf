// Knockoff Nets: sends natural inputs and trains a surrogate on what comes back.
//
// Paper: Orekondy, Schiele, Fritz, "Knockoff Nets: Stealing Functionality of Black-Box Models",
// CVPR 2019, arXiv:1812.02766, section 4 (random strategy).
// Reference: tribhuvanesh/knockoffnets knockoff/adversary/{transfer,train}.py.
// Deviations: records are drawn without replacement until the pool is spent, then nothing more is
// sent: an answer does not change, and a second one tells nothing. Adam in place of SGD.
// Cost: budget queries; one training.
#include <algorithm>
#include <numeric>

#include "attacks/math/extraction_params.h"
#include "harness/model/attack.h"

namespace assay::attacks {
namespace {

// Positions of the pool in an order drawn by the seed.
std::vector<int64_t> shuffled(const Pool& pool, const Rng& rng) {
  const at::Tensor keys = rng.uniform(pool.ids, {}, 0, 0);  // [n]
  std::vector<int64_t> order(pool.ids.size());
  std::iota(order.begin(), order.end(), 0);
  const double* key = keys.const_data_ptr<double>();
  std::sort(order.begin(), order.end(), [key, &pool](int64_t a, int64_t b) {
    return std::pair(key[a], pool.ids[static_cast<size_t>(a)]) <
           std::pair(key[b], pool.ids[static_cast<size_t>(b)]);
  });
  return order;
}

Theft extract(Victim& victim, const Pool& pool, const FreshSurrogate& fresh, const Rng& rng) {
  std::vector<int64_t> order = shuffled(pool, rng);
  order.resize(static_cast<size_t>(std::min(victim.left(), pool.size())));
  const at::Tensor x = pool.read(order);
  Surrogate surrogate = fresh(0);
  surrogate.fit(x, targets_of(victim.query(x), victim.surface()));
  return {.surrogate = surrogate.save(), .findings = {}};
}

}  // namespace

Attack knockoff() {
  Attack attack;
  attack.info = {
      .name = "knockoff",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .pool = true,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded, Surface::Kind::kLabel},
      .summary = "sends records of the pool and trains a surrogate on the answers",
      .paper =
          "Orekondy, Schiele, Fritz: Knockoff Nets: Stealing Functionality of Black-Box Models, "
          "CVPR 2019, arXiv:1812.02766",
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

}  // namespace assay::attacks

// Last layer: where a model has more classes than its last hidden layer is wide, its logits lie in
// a space of that width, and the space is the layer: its weights W come out up to an invertible map
// of the hidden units, W·G, which no answer tells, since W·h = (W·G)·(G⁻¹·h). Units that no query
// switches on, as ReLU leaves them, have no part in the space, and are not counted.
//
// Paper: Carlini et al., "Stealing Part of a Production Language Model", ICML 2024,
// arXiv:2403.06634, sections 4.1 and 4.2; Finlayson, Ren, Swayamdipta, "Logits of API-Protected
// LLMs Leak Proprietary Information", COLM 2024, arXiv:2403.09539.
// Deviations: rows are taken less their mean, which takes a bias out of the rank; a width is named
// only where the gap between singular values is a factor of 100.
// Cost: budget queries, of which more than width + 1 are needed; one singular value decomposition
// of a [budget, classes] matrix.
#include <limits>

#include "attacks/math/answers.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/head_span.h"
#include "attacks/math/pool_order.h"
#include "attacks/math/unit_box.h"
#include "harness/model/attack.h"

namespace assay::attacks::last_layer {
namespace {

// Answers to records of the pool, which fill the space as the model's training did, or to uniform
// noise where there is none.
at::Tensor answers_of(Victim& victim, const Pool& pool, const Rng& rng) {
  if (pool.size() == 0) {
    return ask(victim, uniform_points(victim, victim.left(), rng, 1)).answers;
  }
  return victim.query(pool.read(affordable(pool, rng, victim)));
}

Theft extract(Victim& victim, const Pool& pool, const Rng& rng) {
  const at::Tensor answers = answers_of(victim, pool, rng);
  // Logits as the head gives them; all else is a softmax, or known up to a constant in each row.
  const bool plain = victim.surface().kind == Surface::Kind::kLogits &&
                     victim.spec().output == ModelSpec::Output::kLogits;
  const at::Tensor logits = plain ? answers : centred_logits(answers, victim.surface());
  const double precision = victim.dtype() == at::kDouble
                               ? std::numeric_limits<double>::epsilon()
                               : static_cast<double>(std::numeric_limits<float>::epsilon());
  const HeadSpan span = head_span(logits, !plain, precision);
  if (span.width == 0) return {.surrogate = "", .findings = {{"full_rank", 1}, {"gap", span.gap}}};
  return {.surrogate = "",
          .findings = {{"full_rank", 0},
                       {"gap", span.gap},
                       {"hidden_width", static_cast<double>(span.width)},
                       {"rms", span.rms}},
          .head = span.head};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "last_layer",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits},
      .summary = "finds the width of the last hidden layer, where there are more classes than that",
      .paper =
          "Carlini et al.: Stealing Part of a Production Language Model, ICML 2024, "
          "arXiv:2403.06634",
      .cost = "budget queries; more than the width + 1 are needed",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Extraction extraction = budget_params(params, {1000});
    extraction.surrogate = false;
    extraction.extract = [](Victim& victim, const Pool& pool, const FreshSurrogate&,
                            const Rng& rng) { return extract(victim, pool, rng); };
    return Bound{.extraction = extraction};
  };
  return attack;
}

}  // namespace assay::attacks::last_layer

// Data-free model extraction (DFME): a generator is trained for inputs on which surrogate and
// victim differ, by zeroth-order estimates of the gradient, and the surrogate learns the answers.
//
// Paper: Truong, Maini, Walls, Papernot, "Data-Free Model Extraction", CVPR 2021,
// arXiv:2011.14779, Algorithm 1, section 3.3 (l1 loss, logits recovered from probabilities).
// Reference: cake-lab/datafree-model-extraction dfme/{train,approximate_gradients,network/gan}.py.
// Deviations: the generator has a quarter of the channels, and is dense for inputs that are no
// images; logits of the surrogate are centred as the victim's are, since those of a softmax or a
// sigmoid have no level of their own; SGD's momentum is Nesterov's; learning rates fall by the
// queries spent, not by epochs; the batch shrinks where the budget is small; queries that do not
// pay for an iteration go to the surrogate. Cost: budget queries; for each row of a batch and
// iteration, directions + 1 + surrogate_steps.
#include "attacks/math/data_free.h"
#include "harness/model/attack.h"

namespace assay::attacks {
namespace {

// Three times × 0.3.
double steps_down(double share) {
  double factor = 1;
  for (const double step : {0.1, 0.3, 0.5}) factor *= share < step ? 1 : 0.3;
  return factor;
}

}  // namespace

Attack dfme() {
  Attack attack;
  attack.info = {
      .name = "dfme",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded},
      .summary = "sends what a generator makes where surrogate and victim differ; needs no data",
      .paper =
          "Truong, Maini, Walls, Papernot: Data-Free Model Extraction, CVPR 2021, "
          "arXiv:2011.14779",
      .cost = "budget queries, and a generator and a surrogate trained on the way",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    const Recipe surrogate = {.architecture = "auto",
                              .batch = 256,
                              .optimizer = "sgd",
                              .learning_rate = 0.1,
                              .weight_decay = 5e-4};
    const Recipe generator = {.optimizer = "adam", .learning_rate = 1e-4};
    return Bound{.extraction = data_free(
                     params, {10000, 100000}, surrogate,
                     {.kind = Disagreement::kL1, .generator = generator, .schedule = steps_down},
                     "at first; times 0.3 after 10, 30 and 50 % of the budget")};
  };
  return attack;
}

}  // namespace assay::attacks

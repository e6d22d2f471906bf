// Data-free model extraction (DFME): a generator is trained for inputs on which surrogate and
// victim differ, by zeroth-order estimates of the gradient, and the surrogate learns the answers.
//
// Paper: Truong, Maini, Walls, Papernot, "Data-Free Model Extraction", CVPR 2021,
// arXiv:2011.14779, Algorithm 1, section 3.3 (l1 loss, logits recovered from probabilities).
// Reference: cake-lab/datafree-model-extraction dfme/{train,approximate_gradients,network/gan}.py.
// Deviations, which make thousands of queries do what took the paper's millions: the generator's
// rate is 0.01 (paper: 1e-4), and both rates fall as a cosine by the queries spent (by steps, by
// epochs: most of a small budget would be spent at rates too low to move); the surrogate learns the
// generator's batch as well, and earlier queries again (`replay_steps: 0` for the paper's); the
// batch shrinks where the budget is small. The generator has a quarter of the channels, and is
// dense for inputs that are no images; logits of the surrogate are centred as the victim's are,
// since those of a softmax or a sigmoid have no level of their own; SGD's momentum is Nesterov's;
// queries that do not pay for an iteration go to the surrogate; flat answers are sharpened, by the
// first batch of them.
// Cost: budget queries; for each row of a batch and iteration, directions + surrogate_steps.
#include "attacks/math/data_free.h"
#include "harness/model/attack.h"

namespace assay::attacks::dfme {

Attack make() {
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
    const Recipe generator = {.optimizer = "adam", .learning_rate = 0.01};
    return Bound{.extraction = data_free(params, {2000, 10000, 50000}, surrogate,
                                         {.kind = Disagreement::kL1, .generator = generator})};
  };
  return attack;
}

}  // namespace assay::attacks::dfme

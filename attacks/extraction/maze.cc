// MAZE: like dfme with a Kullback-Leibler loss and ten directions for each estimate of a gradient.
//
// Paper: Kariyappa, Prakash, Qureshi, "MAZE: Data-Free Model Stealing Attack Using Zeroth-Order
// Gradient Estimation", CVPR 2021, arXiv:2005.03161, Algorithm 1 (without partial data).
// Reference: sanjaykariyappa/MAZE src/attacks/{maze,attack_utils}.py.
// Deviations: the generator's rate is 0.1 (paper: 1e-4), for budgets of thousands of queries and
// not millions; replay draws from every batch that the surrogate learnt, where the reference keeps
// the last one of each iteration; the rest as in dfme.cc but for the centring.
// Cost: budget queries; for each row of a batch and iteration, directions + surrogate_steps.
#include "attacks/math/data_free.h"
#include "harness/model/attack.h"

namespace assay::attacks::maze {

Attack make() {
  Attack attack;
  attack.info = {
      .name = "maze",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded},
      .summary =
          "needs no data: a generator seeks where surrogate and victim differ, by many directions",
      .paper =
          "Kariyappa, Prakash, Qureshi: MAZE: Data-Free Model Stealing Attack Using "
          "Zeroth-Order Gradient Estimation, CVPR 2021, arXiv:2005.03161",
      .cost = "budget queries, and a generator and a surrogate trained on the way",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    const Recipe surrogate = {.architecture = "auto",
                              .batch = 128,
                              .optimizer = "sgd",
                              .learning_rate = 0.1,
                              .weight_decay = 5e-4};
    const DataFree settings = {
        .kind = Disagreement::kKl,
        .noise = 100,
        .directions = 10,
        .generator = {.optimizer = "sgd", .learning_rate = 0.1, .weight_decay = 5e-4}};
    return Bound{.extraction = data_free(params, {2000, 10000, 50000}, surrogate, settings)};
  };
  return attack;
}

}  // namespace assay::attacks::maze

// MAZE: like dfme with a Kullback-Leibler loss, ten directions for each estimate of a gradient, and
// a surrogate that also learns from earlier queries again.
//
// Paper: Kariyappa, Prakash, Qureshi, "MAZE: Data-Free Model Stealing Attack Using Zeroth-Order
// Gradient Estimation", CVPR 2021, arXiv:2005.03161, Algorithm 1 (without partial data).
// Reference: sanjaykariyappa/MAZE src/attacks/{maze,attack_utils}.py.
// Deviations: those of dfme.cc but for the centring; replay draws from every batch that the
// surrogate learnt, where the reference keeps the last one of each iteration.
// Cost: budget queries; for each row of a batch and iteration, directions + surrogate_steps.
#include <cmath>
#include <numbers>

#include "attacks/math/data_free.h"
#include "harness/model/attack.h"

namespace assay::attacks {
namespace {

double cosine(double share) { return (1 + std::cos(std::numbers::pi * share)) / 2; }

}  // namespace

Attack maze() {
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
          "needs no data: a generator seeks where surrogate and victim differ, by many "
          "directions; earlier queries are replayed",
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
    DataFree settings = {
        .kind = Disagreement::kKl,
        .noise = 100,
        .directions = 10,
        .reuse = true,
        .replay_steps = 10,
        .generator = {.optimizer = "sgd", .learning_rate = 1e-4, .weight_decay = 5e-4},
        .schedule = cosine};
    settings.replay_steps =
        params.integer("replay_steps", settings.replay_steps, {0, 1000},
                       "of the surrogate on earlier queries, for each step of the generator");
    return Bound{.extraction = data_free(params, {10000, 100000}, surrogate, settings,
                                         "at first; falls as a cosine over the budget")};
  };
  return attack;
}

}  // namespace assay::attacks

// Equation solving: of a linear model, every answer is an equation in its weights.
//
// Paper: Tramèr, Zhang, Juels, Reiter, Ristenpart, "Stealing Machine Learning Models via Prediction
// APIs", USENIX Security 2016, arXiv:1609.02943, sections 4.1.1 and 4.1.2.
// Reference: ftramer/Steal-ML regression/.
// Deviations: log-probabilities less their mean are affine in the input, so that the classes of a
// softmax layer are solved for together, by linear least squares on all queries, where the paper
// descends a loss. An answer that leaves something open (rounded, top-k, noisy) is an interval: in
// turn, the nearest point in it is taken as the answer and the equations are solved.
// Cost: budget queries, of which d + 1 are needed where answers are exact; one singular value
// decomposition of a [budget, d + 1] matrix.
#include <algorithm>

#include "attacks/math/answers.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/least_squares.h"
#include "attacks/math/unit_box.h"
#include "harness/model/attack.h"

namespace assay::attacks {
namespace {

// Turns between answers and equations, where answers leave something open.
constexpr int64_t kTurns = 200;
// Where answers are intervals, so many for each unknown tell whether the model is affine.
constexpr int64_t kIntervals = 10;
// What the fit may leave of an affine model's answers, as a share of how much they vary: turns
// between intervals and equations end before they meet. Networks leave 0.07 and more of rounded
// answers.
constexpr double kExact = 0.01;
constexpr double kOpen = 0.05;

double rms(const at::Tensor& x) { return x.square().mean().sqrt().item<double>(); }

Theft extract(Victim& victim, const Rng& rng) {
  const int64_t m = victim.left();
  const Answered asked = ask(victim, uniform_points(victim, m, rng, 0));
  const at::Tensor points = at::cat({asked.points, at::ones({m, 1}, at::kDouble)}, 1);  // [m, d+1]
  const LeastSquares equations(points);
  const Brackets brackets = brackets_of(asked.answers, victim.surface());
  at::Tensor wanted = centred_logits(asked.answers, victim.surface());  // [m, K]
  at::Tensor solution, fit;                                             // [d+1, K], [m, K]
  double residual = 0;
  for (int64_t turn = 0; turn < kTurns; ++turn) {
    solution = equations.solve(wanted);
    fit = points.matmul(solution);
    wanted = centred(brackets.nearest(fit));
    const double before = residual;
    residual = rms(wanted.sub(fit));
    if (brackets.exact() || residual == before) break;
  }
  const int64_t d = points.size(1) - 1;
  const Dense layer = {solution.narrow(0, 0, d).t(), solution[d]};
  std::map<std::string, double> findings = {
      {"rank", static_cast<double>(equations.rank())},
      {"residual", residual},
  };
  // As many unknowns as equations fit anything, and intervals bend to many more.
  if (m > equations.rank() * (brackets.exact() ? 1 : kIntervals)) {
    const double share = brackets.exact() ? kExact : kOpen;
    findings["affine"] = explains(wanted, equations.rank(), residual, share) ? 1 : 0;
  }
  return {.surrogate = dense_network(victim.spec(), {in_box(layer, victim.spec())}),
          .findings = std::move(findings)};
}

}  // namespace

Attack equation_solving() {
  Attack attack;
  attack.info = {
      .name = "equation_solving",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded},
      .summary = "solves for the weights of a linear model, whose answers are equations in them",
      .paper =
          "Tramèr, Zhang, Juels, Reiter, Ristenpart: Stealing Machine Learning Models via "
          "Prediction APIs, USENIX Security 2016, arXiv:1609.02943",
      .cost = "budget queries; inputs + 1 suffice where answers are exact",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Extraction extraction = protocol_params(params, {100, 1000, 10000});
    extraction.extract = [](Victim& victim, const Pool&, const FreshSurrogate&, const Rng& rng) {
      return extract(victim, rng);
    };
    return Bound{.extraction = extraction};
  };
  return attack;
}

}  // namespace assay::attacks

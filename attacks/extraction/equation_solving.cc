// Equation solving: of a linear model, every answer is an equation in its weights.
//
// Paper: Tramèr, Zhang, Juels, Reiter, Ristenpart, "Stealing Machine Learning Models via Prediction
// APIs", USENIX Security 2016, arXiv:1609.02943, sections 4.1.1 and 4.1.2.
// Reference: ftramer/Steal-ML regression/.
// Deviations: log-probabilities less their mean are affine in the input, so that the classes of a
// softmax layer are solved for together, by linear least squares on all queries, where the paper
// descends a loss. An answer that leaves something open (rounded, top-k, noisy) is an interval: in
// turn, the nearest point in it is taken as the answer and the equations are solved. Half of the
// queries are dark and light rather than uniform noise, on which all hidden units of a network may
// keep one state.
// Cost: budget queries, of which d + 1 are needed where answers are exact; one singular value
// decomposition of a [budget, d + 1] matrix.
#include <algorithm>
#include <optional>

#include "attacks/math/answers.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/least_squares.h"
#include "attacks/math/unit_box.h"
#include "harness/model/attack.h"

namespace assay::attacks::equation_solving {
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
// What else it may leave, as a share of what the best constant does, since wide intervals are met
// by all that is nearly constant: of the distance to them, and of the labels that they decide.
// Networks that meet them left 0.07 and more of the one or 0.035 and more of the other.
constexpr double kDistance = 0.1;
constexpr double kMisses = 0.03;

double rms(const at::Tensor& x) { return x.square().mean().sqrt().item<double>(); }

struct Fit {
  int64_t rank = 0;     // unknowns for each class
  at::Tensor solution;  // [p, K]
  at::Tensor wanted;    // [m, K]: the answers, centred; the nearest in their intervals
  at::Tensor fit;       // [m, K]
  double residual = 0;
};

// In turn solves points [m, p] for the answers, and takes the nearest to that as the answers.
Fit solve(const at::Tensor& points, const Brackets& brackets, const at::Tensor& start) {
  const LeastSquares equations(points);
  Fit found{.rank = equations.rank(), .wanted = start};
  for (int64_t turn = 0; turn < kTurns; ++turn) {
    found.solution = equations.solve(found.wanted);
    found.fit = points.matmul(found.solution);
    found.wanted = centred(brackets.nearest(found.fit));
    const double before = found.residual;
    found.residual = rms(found.wanted.sub(found.fit));
    if (brackets.exact() || found.residual == before) break;
  }
  return found;
}

// Whether a fit gives the labels back that intervals decide; nullopt where they decide too few.
std::optional<bool> gives_labels(const Fit& found, const Brackets& brackets) {
  const at::Tensor rows = brackets.decided().nonzero().squeeze(1);
  const at::Tensor labels = brackets.least.index_select(0, rows).argmax(1);
  const at::Tensor counts = at::bincount(labels, {}, found.fit.size(1));
  const int64_t rare = rows.size(0) - counts.max().item<int64_t>();  // wrong, of the best constant
  const at::Tensor told = found.fit.index_select(0, rows).argmax(1);
  const auto wrong = static_cast<double>(told.ne(labels).sum().item<int64_t>());
  if (wrong > kMisses * static_cast<double>(std::max(rare, found.rank))) return false;
  return rare > found.rank ? std::optional(true) : std::nullopt;
}

// Whether the model is affine, if the answers tell: as many unknowns as equations fit anything, and
// intervals bend to many more.
std::optional<bool> is_affine(const Fit& found, const Brackets& brackets, const at::Tensor& start) {
  const int64_t m = found.fit.size(0);
  if (m <= found.rank * (brackets.exact() ? 1 : kIntervals)) return std::nullopt;
  if (brackets.exact()) return explains(found.wanted, found.rank, found.residual, kExact);
  if (!explains(found.wanted, found.rank, found.residual, kOpen)) return false;
  const double constant = solve(at::ones({m, 1}, at::kDouble), brackets, start).residual;
  // Where a constant meets them all, labels alone tell.
  const double least = 1e-9 * rms(found.wanted);
  if (constant > least && found.residual > kDistance * constant) return std::nullopt;
  return gives_labels(found, brackets);
}

Theft extract(Victim& victim, const Rng& rng) {
  const int64_t m = victim.left();
  const Answered asked = ask(victim, at::cat({uniform_points(victim, m - m / 2, rng, 0),
                                              scattered_points(victim, m / 2, rng, 1)}));
  const at::Tensor points = at::cat({asked.points, at::ones({m, 1}, at::kDouble)}, 1);  // [m, d+1]
  const Brackets brackets = brackets_of(asked.answers, victim.surface());
  const at::Tensor start = centred_logits(asked.answers, victim.surface());  // [m, K]
  const Fit found = solve(points, brackets, start);
  const int64_t d = points.size(1) - 1;
  const Dense layer = {found.solution.narrow(0, 0, d).t(), found.solution[d]};
  std::map<std::string, double> findings = {
      {"rank", static_cast<double>(found.rank)},
      {"residual", found.residual},
  };
  const std::optional<bool> affine = is_affine(found, brackets, start);
  if (affine) findings["affine"] = *affine ? 1 : 0;
  return {.surrogate = dense_network(victim.spec(), {in_box(layer, victim.spec())}),
          .findings = std::move(findings)};
}

}  // namespace

Attack make() {
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

}  // namespace assay::attacks::equation_solving

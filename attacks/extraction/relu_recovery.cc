// ReLU recovery: the weights of a network with one hidden ReLU layer, from where its outputs bend.
//
// Papers: Jagielski, Carlini, Berthelot, Kurakin, Papernot, "High Accuracy and High Fidelity
// Extraction of Neural Networks", USENIX Security 2020, arXiv:1909.01838, section 4; Carlini,
// Jagielski, Mironov, "Cryptanalytic Extraction of Neural Network Models", CRYPTO 2020,
// arXiv:2003.04884, section 4.
// Reference: Trusted-AI/adversarial-robustness-toolbox
// art/attacks/extraction/functionally_equivalent_extraction.py.
// Deviations: the gradients on both sides of a kink are compared, which gives all weights of a
// neuron with their signs but one, rather than second differences along each axis, which give none;
// all classes are taken together, so that a change of gradient of rank 1 shows a single neuron. The
// last signs are solved for: a neuron that is turned leaves a linear term. Neurons that never
// switch inside the box are such a term for good, and the surrogate has it. Every width is sought,
// until lines bring nothing new and nothing is left of the answers; while something is, lines go on
// from the points that it is left at. Where answers are rounded to float32 (u = 2⁻²⁴ of logits of
// size z), a gradient from a step s is off by about u·z / s and a neuron by 1e-3 to 1e-2; a step is
// no longer than planes are apart. So all weights are solved for together at last, from that start:
// N answers of K − 1 free logits leave an error of about u·z · √(weights / (N (K − 1))), below the
// rounding itself.
// Cost: about 2 (inputs + 1) queries for each neuron, 15 for each kink on a line, and
// 2 (inputs + width + 1) at last; a singular value decomposition of a matrix of that many rows.
// float32: as far as they are left, 4 weights / (K − 1) further ones, and Gauss–Newton steps on
// all. Of other models all of the budget.
#include <algorithm>
#include <limits>

#include "attacks/math/answers.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/least_squares.h"
#include "attacks/math/relu_layer.h"
#include "attacks/math/relu_neurons.h"
#include "attacks/math/unit_box.h"
#include "harness/model/attack.h"

namespace assay::attacks::relu_recovery {
namespace {

constexpr int64_t kNoiseProbes = 9;
constexpr int64_t kLeastLine = 32;  // queries worth starting on a line with
constexpr int64_t kTries = 3;       // step sizes at a kink
constexpr int64_t kMore = 4;        // equations for each weight that is refined
constexpr int64_t kMisses = 8;      // points that lines begin at, of those answered otherwise
constexpr double kWhole = 0.01;     // of how much answers vary, all that a whole network leaves
constexpr double kExact = 4;        // times the noise: all that noise leaves of a residual

// Draws of uniform numbers.
constexpr int64_t kLines = 0;  // and each line after it has a restart of its own
constexpr int64_t kSpread = 1;

class Recovery {
 public:
  Recovery(Victim& victim, const Rng& rng, int64_t patience)
      : victim_(victim), rng_(rng), patience_(patience) {
    for (const int64_t side : victim.spec().shape) d_ *= side;
  }

  Theft run() {
    if (victim_.left() > reserve() + kNoiseProbes) {
      measure_noise();
      search(patience_, {});
    }
    ReluLayer fit = settle();
    // Where something is left, a plane that few lines cross is missing.
    for (int64_t patience = patience_; !whole(fit) && can_search(); patience *= 2) {
      search(patience, misses(fit));
      fit = settle();
    }
    return theft(fit);
  }

 private:
  // Enough to solve for the last layer and a linear term.
  int64_t reserve() const { return 2 * (d_ + 1 + static_cast<int64_t>(neurons_.size())); }

  // Outputs [m, K], each row less its mean. `keep`: as equations.
  std::pair<at::Tensor, at::Tensor> probe(const at::Tensor& points, bool keep) {
    const Answered asked = ask(victim_, points);
    const at::Tensor outputs = centred_logits(asked.answers, victim_.surface());
    if (keep) {
      points_.push_back(asked.points);
      outputs_.push_back(outputs);
    }
    return {asked.points, outputs};
  }

  // Along no axis' plane, a change of slope has a share of every weight.
  at::Tensor scattered(int64_t m, int64_t draw) const {
    return scattered_points(victim_, m, rng_.stage(kLines), draw);
  }

  // A segment between two of them, or from `start` if there is one.
  Crossing line(int64_t number, const at::Tensor& start = {}) const {
    const at::Tensor ends = scattered(2, number);
    const at::Tensor first = start.defined() ? start : ends[0];
    return {first, ends[1].sub(first), {}};
  }

  // Second differences on a stretch that is too short to bend often.
  void measure_noise() {
    const Crossing segment = line(-1);
    const at::Tensor places = at::arange(kNoiseProbes, at::kDouble).mul(1e-4).add(0.5);
    const at::Tensor z =
        probe(segment.origin.add(places.unsqueeze(1).mul(segment.direction)), true).second;
    const int64_t n = kNoiseProbes - 2;
    const at::Tensor bends = z.narrow(0, 0, n).sub(z.narrow(0, 1, n), 2).add(z.narrow(0, 2, n));
    const double least = 4 * std::numeric_limits<double>::epsilon() * z.abs().max().item<double>();
    noise_ = std::max(bends.abs().amax(1).median().item<double>(), least);
  }

  int64_t allowance() const { return victim_.left() - reserve(); }
  bool can_search() const { return allowance() >= 2 * (d_ + 1) + kLeastLine; }

  // Until so many lines in a row meet no unknown kink. The first ones begin at `starts`.
  void search(int64_t patience, const std::vector<at::Tensor>& starts) {
    size_t begun = 0;
    for (int64_t quiet = 0; quiet < patience;) {
      if (!can_search()) return;
      Crossing crossing = line(lines_++, begun < starts.size() ? starts[begun++] : at::Tensor());
      const std::vector<Kink> kinks = find_kinks(
          [&](const at::Tensor& places) {
            return probe(crossing.origin.add(places.unsqueeze(1).mul(crossing.direction)), true)
                .second;
          },
          {.noise = noise_, .budget = allowance() - 2 * (d_ + 1)});
      quiet += 1;
      for (const Kink& kink : kinks) {
        crossing.kink = kink;
        const bool known = std::any_of(neurons_.begin(), neurons_.end(), [&](const Neuron& neuron) {
          return explains(neuron, crossing, noise_);
        });
        if (known) continue;
        if (!look(crossing)) return;
        quiet = 0;
      }
    }
  }

  // False where the budget ends.
  bool look(const Crossing& crossing) {
    const int64_t tries = std::min(kTries, (victim_.left() - reserve() - 2) / (2 * (d_ + 1)));
    if (tries < 1) return false;
    Neuron neuron;
    const auto ask_once = [this](const at::Tensor& points) { return probe(points, false); };
    if (!recover_neuron(ask_once, crossing, noise_, tries, &neuron)) return true;
    const bool twin = std::any_of(neurons_.begin(), neurons_.end(),
                                  [&](const Neuron& other) { return same_plane(neuron, other); });
    if (!twin) neurons_.push_back(neuron);
    return true;
  }

  // The network that the neurons found make of all answers, and of some from all over the cube.
  ReluLayer settle() {
    const int64_t spread = std::min(victim_.left(), 2 * reserve());
    if (spread > 0) probe(uniform_points(victim_, spread, rng_.stage(kSpread), settled_++), true);
    return refine(fit_neurons(neurons_, at::cat(points_), at::cat(outputs_), noise_));
  }

  bool whole(const ReluLayer& fit) const {
    return fit.residual(at::cat(points_), at::cat(outputs_)) <= kExact * noise_;
  }

  // The points that it is most wrong about.
  std::vector<at::Tensor> misses(const ReluLayer& fit) const {
    const at::Tensor points = at::cat(points_);
    const at::Tensor wrong = fit(points).sub(at::cat(outputs_)).abs().amax(1);  // [n]
    const auto [values, rows] = wrong.topk(std::min(kMisses, wrong.size(0)));
    return points.index_select(0, rows).unbind(0);
  }

  // What noise did to the neurons, one by one, is undone by solving for all of them together, on
  // further points. It is no better where neurons are unknown.
  ReluLayer refine(const ReluLayer& found) {
    if (whole(found)) return found;
    const int64_t unknown = found.weights.numel() + found.coefficients.numel();
    const int64_t each = std::max<int64_t>(victim_.classes() - 1, 1);  // equations of a query
    const int64_t more = std::min(victim_.left(), kMore * unknown / each + 1);
    if (more > 0) probe(scattered(more, -1 - settled_), true);
    const ReluLayer better = refined(found, at::cat(points_), at::cat(outputs_));
    return whole(better) ? better : found;
  }

  Theft theft(const ReluLayer& fit) const {
    const std::vector<Dense> layers = dense_layers(fit, victim_.spec());
    const int64_t rank = layers.size() < 2 ? 0 : layers[0].second.size(0) - fit.weights.size(0);
    Theft theft;
    theft.surrogate = dense_network(victim_.spec(), layers);
    const at::Tensor outputs = at::cat(outputs_);
    const double residual = fit.residual(at::cat(points_), outputs);
    theft.findings = {{"hidden_width", static_cast<double>(neurons_.size())},
                      {"linear_rank", static_cast<double>(rank)},
                      {"residual", residual}};
    const int64_t unknowns = d_ + 1 + static_cast<int64_t>(neurons_.size());
    if (outputs.size(0) > unknowns) {
      theft.findings["one_hidden_layer"] = explains(outputs, unknowns, residual, kWhole) ? 1 : 0;
    }
    return theft;
  }

  Victim& victim_;
  const Rng rng_;
  const int64_t patience_;
  int64_t d_ = 1;
  double noise_ = 0;
  int64_t lines_ = 0, settled_ = 0;  // that were looked along; how often
  std::vector<Neuron> neurons_;
  std::vector<at::Tensor> points_, outputs_;  // equations for the last layer
};

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "relu_recovery",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits},
      .summary = "recovers the weights of a network with one hidden ReLU layer from its kinks",
      .paper =
          "Jagielski, Carlini, Berthelot, Kurakin, Papernot: High Accuracy and High Fidelity "
          "Extraction of Neural Networks, USENIX Security 2020, arXiv:1909.01838",
      .cost = "at most budget queries; about (2 * inputs + 20) * width are needed",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = [](Params& params, const ThreatModel&) {
    Extraction extraction = protocol_params(params, {1000, 10000, 100000});
    const int64_t patience = params.integer("patience", 20, {1, 1e6},
                                            "lines in a row on which no unknown kink is met, to "
                                            "stop after if the answers are explained");
    extraction.extract = [patience](Victim& victim, const Pool&, const FreshSurrogate&,
                                    const Rng& rng) {
      return Recovery(victim, rng, patience).run();
    };
    return Bound{.extraction = extraction};
  };
  return attack;
}

}  // namespace assay::attacks::relu_recovery

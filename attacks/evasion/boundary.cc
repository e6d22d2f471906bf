// Boundary Attack: a random walk on the broken side of the decision boundary that comes ever nearer
// to the clean input, by labels alone.
//
// Paper: Brendel, Rauber, Bethge, "Decision-Based Adversarial Attacks: Reliable Attacks Against
// Black-Box Machine Learning Models", ICLR 2018, arXiv:1712.04248, Algorithm 1.
// Reference: bethgelab/foolbox foolbox/attacks/boundary_attack.py (version 3), whose rules adapt
// the steps. Deviations: each sample draws its own directions (the reference shares them over a
// batch); the start is bisected to the boundary; steps that have shrunk to nothing start over at
// their first size rather than end the attack, so that the budget is used; queries are the budget,
// not steps; where only levels count, every tenth step tries the end of the ball on its way too or,
// without eps, every 300th what rounding leaves of points just beyond the boundary.
// Cost per sample, at most: queries forwards, no gradients. Without eps it finds the smallest
// distance; with eps it stops at the first broken point inside the ball.
#include "attacks/math/boundary.h"

#include <cmath>
#include <vector>

#include "attacks/math/look.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"
#include "harness/model/ball.h"

namespace assay::attacks::boundary {
namespace {

// Every so many steps the sphere is tried too, and both outcomes count for the sizes of steps.
constexpr int64_t kEvery = 10;
// Outcomes that a rate is taken of.
constexpr int64_t kSphericalWindow = 100;
constexpr int64_t kSourceWindow = 30;
// A source step below this has converged.
constexpr double kConverged = 1e-7;

struct Settings {
  int64_t queries;
  double spherical_step;
  double source_step;
  double adaptation;
  int64_t starts;
};

// The last outcomes, up to a number of them.
class Rate {
 public:
  explicit Rate(int64_t window) : outcomes_(static_cast<size_t>(window)) {}

  void add(bool success) {
    hits_ += (success ? 1 : 0) - (full() && outcomes_[next_] ? 1 : 0);
    outcomes_[next_] = success;
    next_ = (next_ + 1) % outcomes_.size();
    count_ += full() ? 0 : 1;
  }
  bool full() const { return count_ == outcomes_.size(); }
  double value() const { return static_cast<double>(hits_) / static_cast<double>(count_); }
  void clear() { next_ = count_ = 0, hits_ = 0; }

 private:
  std::vector<bool> outcomes_;
  size_t next_ = 0, count_ = 0;
  int64_t hits_ = 0;
};

// The steps of one sample, relative to its distance.
struct Steps {
  double spherical, source;
  Rate on_sphere{kSphericalWindow};
  Rate nearer{kSourceWindow};

  // Grows both while half of the sphere around is broken, for the boundary looks flat at this
  // scale, and shrinks them where little of it is. So does the step towards x0 by its own success.
  void learn(bool sphere, bool candidate, const Settings& settings) {
    on_sphere.add(sphere);
    nearer.add(candidate);
    if (const double factor = factor_of(on_sphere, 0.5, 0.2, settings.adaptation); factor != 1) {
      spherical *= factor;
      source *= factor;
    }
    source *= factor_of(nearer, 0.25, 0.1, settings.adaptation);
    if (source >= kConverged) return;
    spherical = settings.spherical_step;
    source = settings.source_step;
  }

 private:
  static double factor_of(Rate& rate, double high, double low, double adaptation) {
    if (!rate.full() || (rate.value() <= high && rate.value() >= low)) return 1;
    const double factor = rate.value() > high ? adaptation : 1 / adaptation;
    rate.clear();
    return factor;
  }
};

double clip(double v, const ThreatModel& threat) {
  return v < threat.lo ? threat.lo : v > threat.hi ? threat.hi : v;
}

// One step from x around x0: a point on the sphere through x, and one from there towards x0. eta
// [d] comes in normal and is used up.
template <typename T>
void propose(const T* x0, const T* x, double* eta, const Steps& steps, T* sphere, T* candidate,
             int64_t d, const ThreatModel& threat) {
  double away = 0, along = 0, size = 0;
  for (int64_t j = 0; j < d; ++j) {
    const double source = double{x0[j]} - double{x[j]};
    away += source * source;
    along += source * eta[j];
  }
  for (int64_t j = 0; j < d; ++j) {
    eta[j] -= along / away * (double{x0[j]} - double{x[j]});
    size += eta[j] * eta[j];
  }
  away = std::sqrt(away);
  const double scale = size > 0 ? steps.spherical * away / std::sqrt(size) : 0;
  const double shrink = std::sqrt(steps.spherical * steps.spherical + 1);
  double left = 0;
  for (int64_t j = 0; j < d; ++j) {
    const double source = double{x0[j]} - double{x[j]};
    eta[j] = clip(double{x0[j]} + (scale * eta[j] - source) / shrink, threat);
    left += (double{x0[j]} - eta[j]) * (double{x0[j]} - eta[j]);
  }
  left = std::sqrt(left);
  // To the length wanted, whatever the box has cut already.
  const double share = left > 0 ? std::fmax(steps.source * away + left - away, 0) / left : 0;
  for (int64_t j = 0; j < d; ++j) {
    sphere[j] = static_cast<T>(eta[j]);
    const double to = eta[j] + std::fmin(share, 1) * (double{x0[j]} - eta[j]);
    candidate[j] = static_cast<T>(clip(to, threat));
  }
}

// One step of every sample of the fringe.
void walk(Oracle& oracle, Fringe& fringe, std::vector<Steps>& steps, int64_t step, const Rng& rng,
          const Settings& settings) {
  const int64_t m = fringe.rows.size(0);
  const int64_t d = row_length(fringe.x);
  const at::Tensor x = fringe.x.contiguous();
  const at::Tensor x0 = fringe.x0.contiguous();
  const at::Tensor eta =
      free_part(rng.normal(keys_of(oracle.block(), fringe.rows), x.sizes().slice(1), 0, step),
                oracle.threat().fixed)
          .contiguous();
  const at::Tensor sphere = at::empty_like(x);
  const at::Tensor candidate = at::empty_like(x);
  const int64_t* rows = fringe.rows.const_data_ptr<int64_t>();
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < m; ++i) {
      propose(x0.const_data_ptr<T>() + i * d, x.const_data_ptr<T>() + i * d,
              eta.data_ptr<double>() + i * d, steps[static_cast<size_t>(rows[i])],
              sphere.data_ptr<T>() + i * d, candidate.data_ptr<T>() + i * d, d, oracle.threat());
    }
  });
  const at::Tensor broken = breaks(oracle, candidate, fringe.rows);  // [m]
  const at::Tensor paying = able(oracle, fringe.rows, 1);            // [k]
  if (step % kEvery == 0 && paying.size(0) > 0) {
    const at::Tensor around =
        breaks(oracle, sphere.index_select(0, paying), fringe.rows.index_select(0, paying));  // [k]
    for (int64_t k = 0; k < paying.size(0); ++k) {
      const int64_t i = paying.const_data_ptr<int64_t>()[k];
      steps[static_cast<size_t>(rows[i])].learn(around.const_data_ptr<bool>()[k],
                                                broken.const_data_ptr<bool>()[i], settings);
    }
  }
  // By construction the candidate is nearer, but for rounding.
  const at::Tensor nearer =
      distance(candidate, fringe.x0, Norm::kL2).lt(distance(x, fringe.x0, Norm::kL2));
  const at::Tensor moved = broken.logical_and(nearer).nonzero().squeeze(1);
  fringe.x = x.clone().index_copy_(0, moved, candidate.index_select(0, moved));
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  Fringe fringe = noise_start(oracle, rng, settings.starts);
  if (fringe.rows.size(0) == 0) return oracle.best();
  const at::Tensor share =
      at::full({fringe.rows.size(0)}, settings.source_step, at::kDouble);  // [m]
  fringe.x = bisect(oracle, fringe.x0, fringe.x, fringe.rows, share);
  std::vector<Steps> steps(static_cast<size_t>(oracle.block().size()),
                           Steps{settings.spherical_step, settings.source_step});
  for (int64_t step = 1;; ++step) {
    retire(oracle, fringe, 1);
    if (fringe.rows.size(0) == 0) return oracle.best();
    walk(oracle, fringe, steps, step, rng, settings);
    // Before their steps have adapted, all samples stand still.
    const bool adapted = step % (kEvery * kSourceWindow) == 0;
    if (adapted) oracle.count_step(fringe.rows);
    if (oracle.threat().eps ? step % kEvery == 0 : adapted) try_rounded(oracle, fringe);
  }
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .queries = params.integer("queries", 25000, {1, 10000000}, "hard budget for each sample"),
      .spherical_step = params.number("spherical_step", 0.01, {1e-6, 1},
                                      "first step along the sphere around the clean input, as a "
                                      "share of the distance"),
      .source_step = params.number("source_step", 0.01, {1e-6, 1},
                                   "first step towards the clean input, as a share of the "
                                   "distance"),
      .adaptation = params.number("adaptation", 1.5, {1, 100}, "factor by which steps adapt"),
      .starts = starts_param(params),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "boundary",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kL2},
      .nearest_without_eps = true,
      .targeted = true,
      .summary = "random walk along the decision boundary towards the clean input, by labels alone",
      .paper =
          "Brendel, Rauber, Bethge: Decision-Based Adversarial Attacks: Reliable Attacks Against "
          "Black-Box Machine Learning Models, ICLR 2018, arXiv:1712.04248",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::boundary

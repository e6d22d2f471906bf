// Noise: random points of the ball. What holds against this need not hold against anything else;
// what does not is not robust at all.
//
// Paper: Carlini et al., "On Evaluating Adversarial Robustness", 2019, arXiv:1902.06705, §4.7 (try
// random noise, 10,000 draws); Gaussian noise in l2: Ford et al., ICML 2019, arXiv:1901.10513.
// Reference: bethgelab/foolbox foolbox/attacks/additive_noise.py (repeated noise).
// Deviations: uniform draws for linf are uniform in ball ∩ box, not clipped; Gaussian draws have
// standard deviation eps / 2 and are clipped to the ball for linf, and are scaled to length eps for
// l2; a sample is done with the first batch of draws that breaks it.
// Cost per sample, at most: draws forwards, in batches of up to 64 draws of one sample.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "attacks/math/projection.h"
#include "attacks/math/random_point.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::noise {
namespace {

struct Settings {
  int64_t draws;
  bool gaussian;
};

// Draws of one forward: a formula of the input's size alone, since a batch is paid for as a whole.
int64_t batch_size(int64_t d) { return std::clamp<int64_t>((int64_t{1} << 20) / d, 1, 64); }

// `count` points around x0 [1, ...]: [count, ...].
at::Tensor gaussian_points(const at::Tensor& x0, uint64_t sample, int64_t count, int64_t batch,
                           const Rng& rng, const Ball& ball) {
  std::vector<int64_t> sizes = x0.sizes().vec();
  sizes[0] = count;
  const std::array<uint64_t, 1> key{sample};
  const at::Tensor z =
      free_part(rng.normal(key, sizes, batch, 0).squeeze(0), ball.fixed);  // [count, ...] float64
  const at::Tensor v =
      ball.norm == Norm::kL2 ? z.div(length_or_one(z)).mul(ball.eps) : z.mul(0.5 * ball.eps);
  const at::Tensor centre = x0.expand(sizes);
  return project(v.add(centre).to(x0.scalar_type()), centre, ball);
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const int64_t size = batch_size(row_length(block.x));
  for (int64_t i = 0; i < block.size(); ++i) {
    const at::Tensor x0 = block.x.narrow(0, i, 1);
    const uint64_t sample = block.ids[static_cast<size_t>(i)];
    const at::Tensor row = at::full({1}, i, at::kLong);
    for (int64_t batch = 0; batch * size < settings.draws; ++batch) {
      if (oracle.undecided(row).size(0) == 0) break;
      const int64_t count = std::min(size, settings.draws - batch * size);
      const at::Tensor x = settings.gaussian
                               ? gaussian_points(x0, sample, count, batch, rng, ball)
                               : random_points(x0, sample, count, batch, 0, rng, ball);
      oracle.labels(x, row.expand({count}).contiguous());
    }
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .draws = params.integer("draws", 10000, {1, 100000000}, "random points of each sample"),
      .gaussian = params.choice("distribution", "uniform", {"uniform", "gaussian"},
                                "uniform in the ball; gaussian: linf, std eps / 2, clipped; l2, a "
                                "random direction at distance eps") == "gaussian",
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.draws, .gradients = 0}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "noise",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {Norm::kLinf, Norm::kL2},
      .targeted = true,
      .summary = "random points of the ball, as a floor that every attack must beat",
      .paper =
          "Carlini, Athalye, Papernot, Brendel, Rauber, Tsipras, Goodfellow, Madry, Kurakin: On "
          "Evaluating Adversarial Robustness, 2019, arXiv:1902.06705",
      .cost = "draws forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::noise

// Spatial: rotations and shifts on a grid, the worst of them for each sample.
//
// Paper: Engstrom, Tran, Tsipras, Schmidt, Madry, "Exploring the Landscape of Spatial Robustness",
// ICML 2019, arXiv:1712.02779, §3.2 (grid search; 31 angles up to 30 degrees, 5 shifts of each axis
// up to 3 of 28 or 32 pixels).
// Reference: MadryLab/adversarial_spatial spatial_attack.py, resnet.py.
// Deviations: by labels alone, so that the first grid point that breaks a sample counts, not the
// one of largest loss; large angles and shifts come first, as they break most; what comes in from
// beyond the edges is the box's lower end; the largest shift grows with the image.
// Cost per sample, at most: angles · shifts² forwards, in batches of up to 32 points of one sample.
#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "attacks/math/motion.h"
#include "attacks/math/rows.h"
#include "harness/model/attack.h"

namespace assay::attacks::spatial {
namespace {

struct Settings {
  double angle;
  int64_t angles;
  std::optional<double> shift;
  int64_t shifts;
  int64_t points() const { return angles * shifts * shifts; }
};

// `count` values from -most to most, evenly, the largest first; a single one is 0.
std::vector<double> spaced(double most, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    // Symmetric to the last bit: the middle of an odd count is 0.
    const auto place = static_cast<double>(2 * i - (count - 1));
    values.push_back(count == 1 ? 0 : most * place / static_cast<double>(count - 1));
  }
  std::stable_sort(values.begin(), values.end(),
                   [](double a, double b) { return std::abs(a) > std::abs(b); });
  return values;
}

// The paper's 3 pixels of 28 or 32 and 24 of 224.
double default_shift(int64_t side) {
  return std::max(1.0, std::round(static_cast<double>(side) * 3 / 28));
}

std::vector<Motion> grid(const Settings& settings, int64_t height, int64_t width) {
  const double down = settings.shift.value_or(default_shift(height));
  const double right = settings.shift.value_or(default_shift(width));
  std::vector<Motion> motions;
  for (const double angle : spaced(settings.angle, settings.angles)) {
    for (const double i : spaced(down, settings.shifts)) {
      for (const double j : spaced(right, settings.shifts)) motions.push_back({angle, i, j});
    }
  }
  return motions;
}

// Points of one forward: a formula of the input's size alone, since a batch is paid for as a whole.
size_t batch_size(int64_t d) {
  return static_cast<size_t>(std::clamp<int64_t>((int64_t{1} << 20) / d, 1, 32));
}

Candidates run(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const std::vector<Motion> motions = grid(settings, block.x.size(2), block.x.size(3));
  const size_t size = batch_size(row_length(block.x));
  for (int64_t i = 0; i < block.size(); ++i) {
    const at::Tensor row = at::full({1}, i, at::kLong);
    std::span<const Motion> left = motions;
    while (!left.empty() && oracle.undecided(row).size(0) > 0) {
      const std::span<const Motion> batch = left.first(std::min(size, left.size()));
      left = left.subspan(batch.size());
      const at::Tensor x = moved(block.x[i], batch, threat.lo).clamp_(threat.lo, threat.hi);
      oracle.labels(x, row.expand({x.size(0)}).contiguous());
    }
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .angle = params.number("angle", 30, {0, 180}, "largest rotation in degrees, either way"),
      .angles = params.integer("angles", 31, {1, 3601}, "rotations tried; 1 for none"),
      .shift = params.optional_number("shift", {0, 1e6},
                                      "largest shift in pixels, either way; by default 3/28 of "
                                      "the side, rounded"),
      .shifts = params.integer("shifts", 5, {1, 1001}, "shifts tried along each axis; 1 for none"),
  };
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = settings.points()}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "spatial",
      .family = Family::kEvasion,
      .access = Access::kLabel,
      .norms = {},
      .unbounded = true,
      .images = true,
      .targeted = true,
      .summary = "every rotation and shift of a grid: the worst of them counts",
      .paper =
          "Engstrom, Tran, Tsipras, Schmidt, Madry: Exploring the Landscape of Spatial "
          "Robustness, ICML 2019, arXiv:1712.02779",
      .cost = "angles * shifts^2 forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::spatial

// Random numbers of the gate's bootstraps: a counter, so that a rerun repeats its draws.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "harness/suite/splitmix.h"

namespace assay {

class Draws {
 public:
  explicit Draws(uint64_t seed) : counter_(mix64(seed)) {}

  /// In (0, 1).
  double uniform() {
    return (static_cast<double>(mix64(counter_ += kGolden) >> 11) + 0.5) * 0x1.0p-53;
  }

  /// Box & Muller (1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  /// Marsaglia & Tsang (ACM TOMS 26, 2000); shape > 0, scale 1.
  double gamma(double shape) {
    if (shape == 1) return -std::log(uniform());
    if (shape < 1) return gamma(shape + 1) * std::pow(uniform(), 1 / shape);
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    while (true) {
      const double z = normal();
      const double root = 1 + c * z;
      if (root <= 0) continue;
      const double v = root * root * root;
      if (std::log(uniform()) < z * z / 2 + d - d * v + d * std::log(v)) return d * v;
    }
  }

 private:
  uint64_t counter_;
};

}  // namespace assay

// Counter-based random numbers: a draw depends on its key alone, never on order, batch or thread.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace assay {

/// Philox4x32-10 (Salmon et al., SC 2011): four words for a counter and a key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Random numbers keyed by seed, attack and stage; every draw adds sample, restart and step.
/// Two draws with equal keys are equal: give each purpose its own `step` or `stage`.
class Rng {
 public:
  Rng(uint64_t seed, std::string_view attack, uint64_t stage);

  /// Another stream of the same seed and attack.
  Rng stage(uint64_t stage) const;

  /// Uniform in [0, 1), float64 [rows, ...shape]: row i depends on samples[i], restart and step.
  at::Tensor uniform(std::span<const uint64_t> samples, at::IntArrayRef shape, int64_t restart,
                     int64_t step) const;
  /// Standard normal, float64 [rows, ...shape].
  at::Tensor normal(std::span<const uint64_t> samples, at::IntArrayRef shape, int64_t restart,
                    int64_t step) const;
  /// Integers in [0, bound), int64 [rows, ...shape], unbiased to 2^-53 · bound.
  at::Tensor integers(std::span<const uint64_t> samples, int64_t bound, at::IntArrayRef shape,
                      int64_t restart, int64_t step) const;
  /// One uniform number in [0, 1).
  double uniform(uint64_t sample, int64_t restart, int64_t step) const;

 private:
  uint64_t seed_;
  uint64_t attack_;
  uint64_t stage_;
};

}  // namespace assay

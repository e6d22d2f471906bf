// Random numbers as a counter. Private to this room.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "harness/suite/splitmix.h"

namespace assay {

/// The draw number `counter` of a seed.
inline uint64_t random_bits(uint64_t seed, uint64_t counter) {
  return mix64(mix64(seed + kGolden) + counter * kGolden);
}

/// Uniform in [0, 1).
inline double random_uniform(uint64_t seed, uint64_t counter) {
  return static_cast<double>(random_bits(seed, counter) >> 11) * 0x1p-53;
}

/// 0 … n − 1 in a random order (Fisher–Yates), unbiased to n · 2^-53.
inline std::vector<int64_t> shuffled(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  for (int64_t i = n - 1; i > 0; --i) {
    const double draw = random_uniform(seed, static_cast<uint64_t>(i));
    const auto j = static_cast<size_t>(draw * static_cast<double>(i + 1));
    std::swap(order[static_cast<size_t>(i)], order[j]);
  }
  return order;
}

}  // namespace assay

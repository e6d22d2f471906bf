// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): what makes a counter a stream of random words.
#pragma once

#include <cstdint>

namespace assay {

/// The step of its counter.
inline constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

/// Scrambles a word; a bijection, which leaves 0 as it is.
inline uint64_t mix64(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

}  // namespace assay

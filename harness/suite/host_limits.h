// What a suite says of the machine alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace assay {

/// Keys of `run` that say what the machine may spend. They change no verdict, and are no part of
/// what a suite is known by (Suite::sha256).
inline constexpr std::array<const char*, 2> kHostLimits = {"time_limit", "memory_limit"};

/// Bytes that a run needs for program and model, and on top of that for each worker: block_size()
/// bounds its activations by that.
inline constexpr int64_t kProgramMemory = int64_t{1} << 30;
inline constexpr int64_t kWorkerMemory = int64_t{512} << 20;

/// Workers that so many bytes have room for, at least 1.
inline int workers_within(int64_t memory) {
  return static_cast<int>(
      std::clamp<int64_t>((memory - kProgramMemory) / kWorkerMemory, 1, 1 << 20));
}

}  // namespace assay

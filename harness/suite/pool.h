// A thief's pool that is no data set.
#pragma once

#include "harness/suite/suite.h"

namespace assay {

/// The `pool` of an extraction entry whose records are uniform in the box, unless the suite has a
/// data set of that name.
inline constexpr const char* kNoisePool = "noise";

/// True if the pool of an extraction entry is that.
inline bool sends_noise(const Suite& suite, const AttackSpec& spec) {
  const auto pool = spec.sets.find("pool");
  return pool != spec.sets.end() && !suite.data.contains(pool->second);
}

}  // namespace assay

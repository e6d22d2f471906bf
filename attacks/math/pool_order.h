// Orders in which a thief sends the records that he has.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/model/extraction.h"

namespace assay::attacks {

/// All positions of the pool, shuffled by `rng` and `draw`: by the records' contents, whatever
/// their order. [n]
std::vector<int64_t> shuffled(const Pool& pool, const Rng& rng, int64_t draw = 0);

/// The first so many of them that the victim still answers.
std::vector<int64_t> affordable(const Pool& pool, const Rng& rng, const Victim& victim);

}  // namespace assay::attacks

// A thief's queries through the suite's monitors. Private to this room.
#pragma once

#include <vector>

#include "harness/model/victim.h"
#include "harness/run/audit.h"

namespace assay {

/// What the suite's monitors make of all that was asked of `victim` by the thief with that seed,
/// alone and among benign queries: a row for each.
std::vector<Monitored> replay_all(const Suite& suite, const Audit& audit, const Model& model,
                                  const Victim& victim, int64_t seed);

}  // namespace assay

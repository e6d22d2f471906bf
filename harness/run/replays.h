// A thief's queries through the suite's monitors. Private to this room.
#pragma once

#include <string>
#include <vector>

#include "harness/model/victim.h"
#include "harness/run/audit.h"

namespace assay {

/// What the suite's monitors make of all that was asked of `victim`, alone and among benign
/// queries: a line of text for each.
std::string replay_all(const Suite& suite, const Audit& audit, const Model& model,
                       const Victim& victim);

/// These lines as rows of evidence, of the thief with that seed. Throws Error for one that is none.
std::vector<Monitored> parse_replay(const std::string& text, int64_t seed);

}  // namespace assay

// Runs that end by themselves after the clean pass.
#pragma once

#include <string>

#include "harness/record/evidence.h"

namespace assay {

/// Leaves the clean pass alone and says why the run ended there. What the store or other shards had
/// of later units goes, so that the evidence does not depend on it.
void end_at_clean_pass(Evidence* evidence, const std::string& reason);

}  // namespace assay

// Membership cells across shards: each leaves its logits, and the merge scores them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/record/evidence.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"

namespace assay {

/// Puts what a merge needs into a shard's folder: scoring.json and, under outputs/, logits by their
/// SHA-256. `side` is "" for the candidate, "baseline_" for the incumbent.
void keep_for_merge(const std::filesystem::path& folder, const std::string& side,
                    const Suite& suite, const Plan& plan, const Evidence& evidence,
                    const Store& store);

/// Adds the scores of cells whose other units are all there. `folders` are those of the shards.
void score_merged(const std::vector<std::string>& folders, const std::string& side,
                  const Suite& suite, const std::vector<Attack>& attacks, Evidence* evidence);

}  // namespace assay

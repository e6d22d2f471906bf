// A run in parts: which part this is, and what each leaves for the merge to score.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/record/evidence.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"

namespace assay {

/// Part `index` of `count`; the default is a whole run. Part 0 of 1 holds all, and yet is a part:
/// it measures, and its merge decides.
struct Shard {
  int64_t index = 0;
  int64_t count = 1;
  bool is_part = false;
};

/// Of `i/n`, i counted from 0, or of "". Throws Error for any other text.
Shard parse_shard(const std::string& text);
/// `i/n`, or "" of a whole run.
std::string to_text(const Shard& shard);

/// Puts what a merge needs into a shard's folder: scoring.json and, under outputs/, logits by their
/// SHA-256. `side` is "" for the candidate, "baseline_" for the incumbent.
void keep_for_merge(const std::filesystem::path& folder, const std::string& side,
                    const Suite& suite, const Plan& plan, const Evidence& evidence,
                    const Store& store);

/// Adds the scores of cells whose other units are all there. `folders` are those of the shards.
void score_merged(const std::vector<std::string>& folders, const std::string& side,
                  const Suite& suite, const std::vector<Attack>& attacks, Evidence* evidence);

}  // namespace assay

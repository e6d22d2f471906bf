// What is left of a run that ended before it measured anything.
#pragma once

#include <filesystem>
#include <optional>

#include "harness/record/evidence.h"

namespace assay {

/// unmeasured.jsonl: evidence without cells and units. `ended_early` says why the candidate was
/// refused, or `interrupted` what kept the machine from looking at it.
void write_unmeasured(const std::filesystem::path& folder, const Evidence& evidence);
std::optional<Evidence> read_unmeasured(const std::filesystem::path& folder);
void remove_unmeasured(const std::filesystem::path& folder);

}  // namespace assay

// The folder of a run that begins, or goes on.
#pragma once

#include <filesystem>

#include "harness/record/evidence.h"

namespace assay {

/// `latest` beside the folder points at it.
void point_latest(const std::filesystem::path& folder);
/// Goes on only with the same suite, model and data. Throws Error naming what differs.
void check_resume(const std::filesystem::path& folder, const Header& header);
/// True if the folder holds evidence of exactly these units.
bool is_planned(const std::filesystem::path& folder, const Header& header);

}  // namespace assay

// The folder of a run that begins, or goes on.
#pragma once

#include <filesystem>
#include <string>

#include "harness/record/evidence.h"
#include "harness/record/run_facts.h"

namespace assay {

/// True if the folder holds evidence of a run that was planned.
bool has_evidence(const std::filesystem::path& folder);

/// The folder that receives everything: `out`, or a new one in runs/ if that is empty, named after
/// the suite and when it `started`. Throws Error for one in use, unless a run is to go on there.
std::filesystem::path prepare_folder(const std::string& out, bool resume, const std::string& suite,
                                     const std::string& started);

/// `latest` beside the folder points at it.
void point_latest(const std::filesystem::path& folder);
/// Goes on only with the same suite, model and data, as the same shard, and told of a baseline or
/// not as before. Throws Error naming what differs. Of `header` only what run_header() tells is
/// looked at.
void check_resume(const std::filesystem::path& folder, const Header& header, const RunFacts& facts);
/// True if the folder holds evidence that stays until there is better: of exactly these units, or
/// of a finished run but for points that the corpus has gained since, from this run too. Throws
/// Error naming what differs where the incumbent or the shares of eps are others, or where all was
/// measured and the plan has other units, which would take their place: another source of a
/// transfer, other code of an attack. An incomplete run goes on with what is there now.
bool holds_plan(const std::filesystem::path& folder, const Header& planned, const RunFacts& facts);

}  // namespace assay

// run.json: what one invocation knew and evidence does not hold.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace assay {

/// Facts of one invocation, kept in run.json beside the evidence.
struct RunFacts {
  std::string baseline;  ///< as given: "", "none", or a path
  std::string baseline_sha256;
  std::string started;  ///< UTC, ISO 8601
  double wall_s = 0;
  int workers = 0;
  std::string suite;             ///< the suite's file, as given
  std::string shard;             ///< "i/n", or "" for a whole run
  std::vector<std::string> set;  ///< what replaced parts of the suite, as given
  /// Why adversarials that were to be saved are not, which leaves the run incomplete; each reason
  /// of a merge's shards once. Empty where all are.
  std::set<std::string> unsaved;
  /// Why not every report of a run that ended could be written, which leaves it incomplete until
  /// `assay report` writes them; else "".
  std::string unreported;
};
void write_run_facts(const std::filesystem::path& folder, const RunFacts& facts);
/// Defaults where the folder has none (evidence from elsewhere).
RunFacts read_run_facts(const std::filesystem::path& folder);

/// What the run was told of an incumbent: `without a baseline`, `with --baseline none` or `against
/// a baseline`.
std::string told_of_baseline(const RunFacts& facts);

}  // namespace assay

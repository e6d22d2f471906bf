// A run folder's evidence, judged again.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "harness/cli/adversarials.h"
#include "harness/gate/decision.h"
#include "harness/record/evidence.h"
#include "harness/record/run_facts.h"
#include "harness/suite/suite.h"

namespace assay {

struct Judged {
  Evidence evidence;
  std::optional<Evidence> baseline;
  RunFacts facts;
  Suite suite;
  Decision decision;
  bool shard = false;  ///< a part of a run, which only measures
};

/// The incumbent's evidence, or null.
inline const Evidence* incumbent_of(const Judged& judged) {
  return judged.baseline ? &*judged.baseline : nullptr;
}

/// Throws Error (kUsage) for a file in a run folder's place, such as its evidence alone.
void require_folder(const std::filesystem::path& folder);

/// The suite that evidence was made with.
Suite suite_of(const Evidence& evidence, const RunFacts& facts);

/// Fills in the decision on suite, evidence, baseline, and whether adversarials are saved and
/// reports written.
void judge(Judged* judged);

/// Reads a run folder and judges it, one whose run ended before it measured anything included.
Judged judge_folder(const std::filesystem::path& folder);

/// Shows the table of a run in `folder`, and the folder.
void print_judged(const Judged& judged, const std::filesystem::path& folder);

/// Saves these in the folder. Where the machine cannot, the run is incomplete: that is told on
/// stderr, stands in the facts, and is judged.
void save_adversarials(Judged* judged, const std::filesystem::path& folder,
                       const Adversarials& adversarials);

using ChoosePictures = std::function<std::vector<Picture>()>;

/// Pictures of these adversarials, as far as the test set is still where the suite says and still
/// the same.
std::vector<Picture> pictures_of(const Judged& judged, const Adversarials& adversarials);

/// Writes all reports into the folder; without pictures, and a line on stderr, where choosing them
/// fails.
void write_all_reports(const Judged& judged, const std::filesystem::path& folder,
                       const ChoosePictures& choose);
/// The same of a run whose evidence the folder just received. Where the machine cannot write them
/// all, the run is incomplete, unless it is refused: that is told on stderr, in those that it can
/// write, and in the facts, never in evidence, which is whole without them.
void write_first_reports(Judged* judged, const std::filesystem::path& folder,
                         const ChoosePictures& choose);

}  // namespace assay

// A run folder's evidence, judged again.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

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
};

/// Throws Error (kUsage) for a file in a run folder's place, such as its evidence alone.
void require_folder(const std::filesystem::path& folder);

/// The suite that evidence was made with.
Suite suite_of(const Evidence& evidence, const RunFacts& facts);

/// Fills in the decision on suite, evidence and baseline.
void judge(Judged* judged);

/// Reads a run folder and judges it, one whose run ended before it measured anything included.
Judged judge_folder(const std::filesystem::path& folder);

/// Shows the table of a run in `folder`, and the folder.
void print_judged(const Judged& judged, const std::filesystem::path& folder);

/// Writes all reports into the folder, with pictures of these adversarials as far as the test set
/// is still where the suite says and still the same.
void write_all_reports(const Judged& judged, const std::filesystem::path& folder,
                       const std::function<Adversarials()>& adversarials);

}  // namespace assay

#include "harness/cli/judged.h"

#include <iostream>

#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/monitor/monitor.h"
#include "harness/record/unmeasured.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNoPictures = "assay: the report goes without pictures: ";

Report report_of(const Judged& judged) {
  Report report;
  report.suite = &judged.suite;
  report.evidence = &judged.evidence;
  report.baseline = judged.baseline ? &*judged.baseline : nullptr;
  report.decision = &judged.decision;
  report.baseline_path = judged.facts.baseline;
  report.started = judged.facts.started;
  report.wall_s = judged.facts.wall_s;
  report.workers = judged.facts.workers;
  return report;
}

// The test set, for pictures, if it is still where the suite says and still the same.
std::unique_ptr<Dataset> open_test(const Judged& judged) {
  const auto test = judged.suite.data.find("test");
  if (test == judged.suite.data.end()) return nullptr;
  try {
    return std::make_unique<Dataset>(Dataset::open(test->second, judged.suite.model));
  } catch (const Error& error) {
    std::cerr << kNoPictures << error.what() << std::endl;
    return nullptr;
  }
}

}  // namespace

void require_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_directory(folder, error)) return;
  throw Error(folder.string() + " is a file; name the run folder, which holds more of the run");
}

Suite suite_of(const Evidence& evidence, const RunFacts& facts) {
  Suite suite = restore_suite(evidence.header.suite, evidence.header.suite_folder,
                              infos_of(with_ensemble(attack_table())), monitor_infos());
  if (!facts.suite.empty()) suite.file = facts.suite;
  suite.baseline = facts.baseline;
  return suite;
}

void judge(Judged* judged) {
  judged->decision =
      decide_run(judged->suite, judged->evidence, judged->baseline ? &*judged->baseline : nullptr);
}

Judged judge_folder(const fs::path& folder) {
  require_folder(folder);
  Judged judged;
  if (std::optional<Evidence> unmeasured = read_unmeasured(folder)) {
    judged.evidence = std::move(*unmeasured);
    judged.facts = read_run_facts(folder);
    judged.suite = suite_of(judged.evidence, judged.facts);
    judged.decision = decide_unmeasured(judged.evidence);
    return judged;
  }
  judged.evidence = read_evidence(folder);
  judged.baseline = read_baseline(folder);
  judged.facts = read_run_facts(folder);
  judged.suite = suite_of(judged.evidence, judged.facts);
  judge(&judged);
  return judged;
}

void print_judged(const Judged& judged, const fs::path& folder) {
  print_summary(report_of(judged), folder);
}

void write_all_reports(const Judged& judged, const fs::path& folder) {
  Report report = report_of(judged);
  try {
    const Adversarials adversarials = read_adversarials(folder / kAdversarialsFile);
    if (!adversarials.empty()) {
      const std::unique_ptr<Dataset> dataset = open_test(judged);
      report.pictures =
          choose_pictures(judged.evidence, judged.decision, adversarials, dataset.get(), 12);
    }
  } catch (const Error& error) {
    std::cerr << kNoPictures << error.what() << std::endl;
  }
  write_reports(folder, report);
  print_summary(report, folder);
}

}  // namespace assay

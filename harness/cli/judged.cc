#include "harness/cli/judged.h"

#include <iostream>

#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/monitor/monitor.h"
#include "harness/record/unmeasured.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

Report report_of(const Judged& judged) {
  Report report;
  report.suite = &judged.suite;
  report.evidence = &judged.evidence;
  report.baseline = incumbent_of(judged);
  report.shard = judged.shard;
  report.decision = &judged.decision;
  report.baseline_path = judged.facts.baseline;
  report.set = judged.facts.set;
  report.part = judged.facts.shard;
  report.started = judged.facts.started;
  report.wall_s = judged.facts.wall_s;
  report.workers = judged.facts.workers;
  return report;
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
  judged->decision = decide_run(judged->suite, judged->evidence, incumbent_of(*judged));
  Decision& decision = judged->decision;
  std::vector<std::string> lacks(judged->facts.unsaved.begin(), judged->facts.unsaved.end());
  if (!judged->facts.unreported.empty()) lacks.push_back(judged->facts.unreported);
  for (const std::string& reason : lacks) {
    const bool first = decision.outcome != Outcome::kIncomplete;
    decision.reason = (first ? "the run is incomplete: " : decision.reason + "; ") + reason;
    decision.outcome = Outcome::kIncomplete;
  }
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
  const std::string& recorded = judged.facts.baseline_sha256;
  if (judged.baseline && !recorded.empty() && judged.baseline->header.model.sha256 != recorded) {
    throw Error(folder.string() + ": its baseline.jsonl is of the model " +
                judged.baseline->header.model.sha256.substr(0, 12) +
                "…, and the run was held against " + recorded.substr(0, 12) +
                "…; put the run's own file back");
  }
  judged.suite = suite_of(judged.evidence, judged.facts);
  judge(&judged);
  return judged;
}

void print_judged(const Judged& judged, const fs::path& folder) {
  print_summary(report_of(judged), folder);
}

void save_adversarials(Judged* judged, const fs::path& folder, const Adversarials& adversarials) {
  try {
    write_adversarials(folder / kAdversarialsFile, adversarials);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kIncomplete) throw;
    std::cerr << "assay: the adversarials are not saved, which leaves the run incomplete: "
              << error.what() << std::endl;
    judged->facts.unsaved.insert(error.what());
    judge(judged);
  }
}

std::vector<Picture> pictures_of(const Judged& judged, const Adversarials& adversarials) {
  const auto test = judged.suite.data.find("test");
  if (adversarials.arrays.empty() || test == judged.suite.data.end()) return {};
  const Dataset dataset = Dataset::open(test->second, judged.suite.model);
  return choose_pictures(judged.evidence, judged.decision, adversarials, dataset);
}

void write_all_reports(const Judged& judged, const fs::path& folder, const ChoosePictures& choose) {
  Report report = report_of(judged);
  try {
    report.pictures = choose();
  } catch (const std::exception& error) {
    std::cerr << "assay: the report goes without pictures: " << error.what() << std::endl;
  }
  write_reports(folder, report);
}

void write_first_reports(Judged* judged, const fs::path& folder, const ChoosePictures& choose) {
  std::string fault;
  const auto write = [&fault](const std::function<void()>& part) {
    try {
      part();
    } catch (const Error& error) {
      if (error.code() != ExitCode::kIncomplete) throw;
      fault = error.what();
    }
  };
  write([&] { write_all_reports(*judged, folder, choose); });
  if (fault.empty()) return;
  std::cerr << "assay: not every report is written: " << fault << std::endl;
  judged->shard = false;  // it is not done
  const Outcome outcome = judged->decision.outcome;
  if (outcome == Outcome::kRefused || outcome == Outcome::kIncomplete) return;
  judged->facts.unreported = fault;
  judge(judged);
  remove_reports(folder);  // makes room on a full disk for what commands judge by
  write([&] { write_run_facts(folder, judged->facts); });
  write([&] { write_all_reports(*judged, folder, choose); });
}

}  // namespace assay

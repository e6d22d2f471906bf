#include "harness/cli/judged.h"

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
  report.baseline = judged.baseline ? &*judged.baseline : nullptr;
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

void write_all_reports(const Judged& judged, const fs::path& folder,
                       const std::function<Adversarials()>& adversarials) {
  Report report = report_of(judged);
  report.pictures = pictures_if_any([&]() -> std::vector<Picture> {
    const Adversarials saved = adversarials();
    const auto test = judged.suite.data.find("test");
    if (saved.arrays.empty() || test == judged.suite.data.end()) return {};
    const Dataset dataset = Dataset::open(test->second, judged.suite.model);
    return choose_pictures(judged.evidence, judged.decision, saved, dataset);
  });
  write_reports(folder, report);
}

}  // namespace assay

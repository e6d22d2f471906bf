// assay merge, gate, report: evidence judged again, without a model.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/cli/shard.h"
#include "harness/gate/decision.h"
#include "harness/monitor/monitor.h"
#include "harness/record/files.h"
#include "harness/record/safetensors.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// A run folder, judged.
struct Judged {
  Evidence evidence;
  std::optional<Evidence> baseline;
  RunFacts facts;
  Suite suite;
  Decision decision;
};

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
  Judged judged;
  judged.evidence = read_evidence(folder);
  judged.baseline = read_baseline(folder);
  judged.facts = read_run_facts(folder);
  judged.suite = suite_of(judged.evidence, judged.facts);
  judge(&judged);
  return judged;
}

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
    std::cerr << "assay: the report goes without pictures: " << error.what() << std::endl;
    return nullptr;
  }
}

void write_all_reports(const Judged& judged, const fs::path& folder) {
  Report report = report_of(judged);
  const Adversarials adversarials = read_adversarials(fs::path(folder) / kAdversarialsFile);
  if (!adversarials.empty()) {
    const std::unique_ptr<Dataset> dataset = open_test(judged);
    report.pictures =
        choose_pictures(judged.evidence, judged.decision, adversarials, dataset.get(), 12);
  }
  write_reports(folder, report);
  print_summary(report, folder);
}

// The exit code of one cell by itself: its rules, its evidence and its faults.
ExitCode gate_cell(const Judged& judged, const std::string& name) {
  std::vector<std::string> names;
  const CellResult* cell = nullptr;
  for (const CellResult& each : judged.decision.cells) {
    names.push_back(each.name);
    if (each.name == name) cell = &each;
  }
  if (cell == nullptr) throw Error("no cell `" + name + "` in this run" + suggest(name, names));
  using Verdict = RuleResult::Verdict;
  bool fail = cell->samples.error > 0, inconclusive = false;
  size_t rules = 0;
  for (const RuleResult& rule : judged.decision.rules) {
    if (rule.cell != name) continue;
    ++rules;
    fail = fail || rule.verdict == Verdict::kFail;
    inconclusive = inconclusive || rule.verdict == Verdict::kInconclusive;
    const bool flags = rule.kind == RuleSpec::Kind::kFlagsClear;
    std::cout << name << "  " << rule.metric << ' '
              << (flags ? "clear"
                        : std::string(to_string(rule.kind)) + ' ' + number_text(rule.limit))
              << ": " << to_string(rule.verdict) << (rule.reason.empty() ? "" : ", " + rule.reason)
              << (rule.hint.empty() ? "" : " (" + rule.hint + ")") << std::endl;
  }
  if (cell->samples.error > 0) {
    std::cout << name << "  the model failed "
              << (cell->extraction ? "under the queries of " : "on ") << cell->samples.error
              << (cell->extraction ? " extractions" : " samples") << std::endl;
  }
  if (rules == 0) std::cout << name << "  no rule covers this cell" << std::endl;
  if (!cell->complete && judged.evidence.ended_early.empty()) return ExitCode::kIncomplete;
  if (fail) return ExitCode::kFail;
  if (!cell->complete || judged.decision.outcome == Outcome::kIncomplete) {
    std::cout << name << "  the run ended before this cell did" << std::endl;
    return ExitCode::kIncomplete;
  }
  return inconclusive ? ExitCode::kInconclusive : ExitCode::kPass;
}

ExitCode gate(const std::string& folder, const std::string& cell) {
  const Judged judged = judge_folder(folder);
  if (!cell.empty()) return gate_cell(judged, cell);
  const Report report = report_of(judged);
  print_summary(report, folder);
  return exit_code(judged.decision.outcome);
}

ExitCode report(const std::string& folder) {
  const Judged judged = judge_folder(folder);
  write_all_reports(judged, folder);
  return exit_code(judged.decision.outcome);
}

// The shards' adversarials in one file.
void merge_adversarials(const std::vector<std::string>& folders, const fs::path& out) {
  std::map<std::string, NamedArray> arrays;
  for (const std::string& folder : folders) {
    const fs::path file = fs::path(folder) / "adversarials.safetensors";
    if (!fs::exists(file)) continue;
    for (NamedArray& array : parse_safetensors(read_bytes(file), file.string())) {
      arrays.emplace(array.name, std::move(array));
    }
  }
  std::vector<NamedArray> list;
  for (auto& [name, array] : arrays) list.push_back(std::move(array));
  write_durably(out / "adversarials.safetensors", to_safetensors(list));
}

ExitCode merge_folders(const std::vector<std::string>& folders, const std::string& out) {
  std::error_code error;
  if (fs::exists(out) && (!fs::is_directory(out) || !fs::is_empty(out, error))) {
    throw Error("--out " + out + " is not an empty folder");
  }
  std::vector<Evidence> shards, baselines;
  RunFacts facts;
  for (const std::string& folder : folders) {
    shards.push_back(read_evidence(folder));
    if (std::optional<Evidence> baseline = read_baseline(folder)) {
      baselines.push_back(std::move(*baseline));
    }
    const RunFacts each = read_run_facts(folder);
    if (each.started.empty()) continue;  // killed before it wrote them
    if (!facts.started.empty() && each.baseline_sha256 != facts.baseline_sha256) {
      throw Error(folder + " was run against another baseline than " + folders[0]);
    }
    facts.baseline = each.baseline;
    facts.suite = each.suite;
    facts.baseline_sha256 = each.baseline_sha256;
    facts.started = facts.started.empty() ? each.started : std::min(facts.started, each.started);
    facts.wall_s = std::max(facts.wall_s, each.wall_s);
    facts.workers += each.workers;
  }
  Judged judged;
  judged.evidence = merge(shards);
  judged.facts = facts;
  judged.suite = suite_of(judged.evidence, facts);
  const std::vector<Attack> attacks = with_ensemble(attack_table());
  enter_worker();
  score_merged(folders, "", judged.suite, attacks, &judged.evidence);
  judged.evidence = merge({judged.evidence});  // puts the scores in their places
  if (!baselines.empty()) {
    judged.baseline = merge(baselines);
    score_merged(folders, "baseline_", judged.suite, attacks, &*judged.baseline);
    judged.baseline = merge({*judged.baseline});
  }
  judge(&judged);
  write_evidence(out, judged.evidence);
  if (judged.baseline) write_baseline(out, *judged.baseline);
  write_run_facts(out, facts);
  merge_adversarials(folders, out);
  write_all_reports(judged, out);
  return exit_code(judged.decision.outcome);
}

}  // namespace

Command add_gate(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  auto cell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("gate", "judge a run's evidence again, without model or data");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  command->add_option("--cell", *cell, "only this cell's rules")->type_name("NAME");
  return {command, [folder, cell] { return gate(*folder, *cell); }};
}

Command add_report(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("report", "write a run's reports again, from its evidence");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  return {command, [folder] { return report(*folder); }};
}

Command add_merge(CLI::App& app) {
  auto folders = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("merge", "unite the shards of a run, and decide");
  command->add_option("dirs", *folders, "the shards' run folders")->required()->type_name("");
  command->add_option("--out", *out, "new folder for the whole run")->required()->type_name("DIR");
  return {command, [folders, out] { return merge_folders(*folders, *out); }};
}

}  // namespace assay

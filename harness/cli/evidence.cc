// assay gate, report: evidence judged again, without a model.
#include <iostream>
#include <set>

#include "harness/cli/commands.h"
#include "harness/cli/judged.h"

namespace assay {
namespace {

// The exit code of one cell by itself: its rules, its evidence and its faults.
ExitCode gate_cell(const Judged& judged, const CellResult& cell) {
  const std::string& name = cell.name;
  using Verdict = RuleResult::Verdict;
  bool fail = cell.samples.error > 0, inconclusive = false;
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
  if (cell.samples.error > 0) {
    std::cout << name << "  the model failed "
              << (cell.extraction ? "under the queries of " : "on ") << cell.samples.error
              << (cell.extraction ? " extractions" : " samples") << std::endl;
  }
  if (rules == 0) std::cout << name << "  no rule covers this cell" << std::endl;
  const bool unfinished = !cell.complete && judged.evidence.ended_early.empty();
  if (fail && !unfinished) return ExitCode::kFail;
  if (unfinished || judged.decision.outcome == Outcome::kIncomplete) {
    std::cout << name << "  " << judged.decision.reason << std::endl;
    return ExitCode::kIncomplete;
  }
  if (!cell.complete) {
    // Trying again would end there again.
    std::cout << name << "  not run: " << judged.evidence.ended_early << std::endl;
    return ExitCode::kInconclusive;
  }
  return inconclusive ? ExitCode::kInconclusive : ExitCode::kPass;
}

// All cells that the selector covers, the gravest code of all (contracts §5).
ExitCode gate_cells(const Judged& judged, const std::string& selector) {
  std::vector<std::string> names;
  std::set<ExitCode> codes;
  for (const CellResult& cell : judged.decision.cells) {
    names.push_back(cell.name);
    if (selects(selector, cell.name)) codes.insert(gate_cell(judged, cell));
  }
  for (const ExitCode code : {ExitCode::kIncomplete, ExitCode::kFail, ExitCode::kInconclusive}) {
    if (codes.contains(code)) return code;
  }
  if (codes.empty()) {
    throw Error("no cell `" + selector + "` in this run" + suggest(selector, names));
  }
  return ExitCode::kPass;
}

ExitCode gate(const std::string& folder, const std::string& cell) {
  const Judged judged = judge_folder(folder);
  const bool measured = !judged.evidence.header.cells.empty();
  if (!cell.empty() && measured) return gate_cells(judged, cell);
  print_judged(judged, folder);
  return exit_code(judged.decision.outcome);
}

ExitCode report(const std::string& folder) {
  Judged judged = judge_folder(folder);
  const ChoosePictures choose = [&] {
    return pictures_of(judged,
                       read_adversarials(std::filesystem::path(folder) / kAdversarialsFile));
  };
  if (judged.facts.unreported.empty()) {
    write_all_reports(judged, folder, choose);
  } else {  // they are what is missing
    judged.facts.unreported.clear();
    judge(&judged);
    write_first_reports(&judged, folder, choose);
    write_run_facts(folder, judged.facts);
  }
  print_judged(judged, folder);
  return exit_code(judged.decision.outcome);
}

}  // namespace

Command add_gate(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  auto cell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("gate", "judge a run's evidence again, without model or data");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  command
      ->add_option("--cell", *cell, "only the rules of this cell, or of those that a glob covers")
      ->type_name("NAME");
  return {command, [folder, cell] { return gate(*folder, *cell); }};
}

Command add_report(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("report", "write a run's reports again, from its evidence");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  return {command, [folder] { return report(*folder); }};
}

}  // namespace assay

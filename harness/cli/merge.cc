// assay merge: shards → one run, judged.
#include <algorithm>
#include <iostream>
#include <tuple>

#include "harness/cli/adversarials.h"
#include "harness/cli/commands.h"
#include "harness/cli/judged.h"
#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/cli/shard.h"
#include "harness/record/differences.h"
#include "harness/record/early_end.h"
#include "harness/record/files.h"
#include "harness/record/unmeasured.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The shards' adversarials.
Adversarials saved_in(const std::vector<std::string>& folders) {
  std::vector<Adversarials> parts;
  for (const std::string& folder : folders) {
    const fs::path file = fs::path(folder) / kAdversarialsFile;
    parts.push_back(read_adversarials(file));
    for (const ArrayInfo& array : parts.back().arrays) {
      if (dtype_size(array.dtype) > 0) continue;
      throw Error(file.string() + ": array `" + array.name + "`: dtype `" + array.dtype +
                  "` is unknown");
    }
  }
  return unite(std::move(parts));
}

// What the shards' folders hold.
struct Shards {
  std::vector<Evidence> measured;
  std::vector<Evidence> unmeasured;
  std::vector<Evidence> baselines;
  RunFacts facts;
};

Shards read_shards(const std::vector<std::string>& folders) {
  Shards shards;
  RunFacts& facts = shards.facts;
  std::string first;  // the folder that `facts` come from
  for (const std::string& folder : folders) {
    require_folder(folder);
    if (std::optional<Evidence> unmeasured = read_unmeasured(folder)) {
      shards.unmeasured.push_back(std::move(*unmeasured));
    } else {
      shards.measured.push_back(read_evidence(folder));
    }
    if (std::optional<Evidence> baseline = read_baseline(folder)) {
      shards.baselines.push_back(std::move(*baseline));
    }
    const RunFacts each = read_run_facts(folder);
    if (each.started.empty()) continue;  // killed before it wrote them
    if (first.empty()) {
      first = folder;
    } else if (told_of_baseline(each) != told_of_baseline(facts)) {
      throw Error(folder + " was run " + told_of_baseline(each) + ", " + first + " " +
                  told_of_baseline(facts) + "; run all shards with one --baseline");
    }
    // Known once the incumbent is.
    const bool known = !each.baseline_sha256.empty() && !facts.baseline_sha256.empty();
    if (known && each.baseline_sha256 != facts.baseline_sha256) {
      throw Error(folder + " was run against another baseline than " + first);
    }
    facts.baseline = each.baseline;
    facts.suite = each.suite;
    facts.set = each.set;
    facts.unsaved.insert(each.unsaved.begin(), each.unsaved.end());
    if (!each.baseline_sha256.empty()) facts.baseline_sha256 = each.baseline_sha256;
    facts.started = facts.started.empty() ? each.started : std::min(facts.started, each.started);
    facts.wall_s = std::max(facts.wall_s, each.wall_s);
    facts.workers += each.workers;
  }
  return shards;
}

// A shard that measured nothing must be of the same run all the same.
void check_same_run(const Header& a, const Header& b) {
  std::string difference = suite_difference(a, b);
  if (difference.empty() && a.model.sha256 != b.model.sha256) difference = "model_sha256";
  if (!difference.empty()) throw Error("the shards are not of one run: " + difference);
}

// A shard whose candidate was refused refuses the run; so does, as long as there is nothing else,
// one that measured nothing leave it unmeasured. Nullopt where the others tell more.
std::optional<Evidence> merge_unmeasured(Shards* shards) {
  if (shards->unmeasured.empty()) return std::nullopt;
  const Evidence* chosen = nullptr;
  for (const Evidence& each : shards->unmeasured) {
    check_same_run(shards->unmeasured.front().header, each.header);
    const auto rank = [](const Evidence& of) {
      return std::tuple(of.ended_early.empty(), of.ended_early, of.interrupted);
    };
    if (chosen == nullptr || rank(each) < rank(*chosen)) chosen = &each;
  }
  if (shards->measured.empty()) return *chosen;
  check_same_run(shards->measured.front().header, chosen->header);
  if (!chosen->ended_early.empty()) return *chosen;
  for (const Evidence& each : shards->unmeasured) {
    Evidence nothing;
    nothing.header = shards->measured.front().header;
    nothing.interrupted = each.interrupted;
    shards->measured.push_back(std::move(nothing));
  }
  return std::nullopt;
}

// As a whole run ends that fails a rule on clean accuracy.
bool end_early(Judged* judged) {
  const Evidence* baseline = incumbent_of(*judged);
  if (baseline != nullptr && (!baseline->complete() || !baseline->interrupted.empty()))
    return false;
  Evidence clean = judged->evidence;
  end_at_clean_pass(&clean, "");
  const std::string reason = clean_pass_failure(judged->suite, clean, baseline);
  if (reason.empty()) return false;
  end_at_clean_pass(&judged->evidence, reason);
  return true;
}

// Unites scores, incumbent and candidate, and decides. True if the run ends at its clean pass.
bool merge_measured(const std::vector<std::string>& folders, const Shards& shards, Judged* judged) {
  judged->evidence = merge(shards.measured);
  judged->facts = shards.facts;
  judged->suite = suite_of(judged->evidence, judged->facts);
  const std::vector<Attack> attacks = with_ensemble(attack_table());
  enter_worker();
  if (!shards.baselines.empty()) {
    judged->baseline = merge(shards.baselines);
    score_merged(folders, "baseline_", judged->suite, attacks, &*judged->baseline);
    judged->baseline = merge({*judged->baseline});
  }
  const bool ended = end_early(judged);
  if (!ended) {
    score_merged(folders, "", judged->suite, attacks, &judged->evidence);
    judged->evidence = merge({judged->evidence});  // puts the scores in their places
  } else {
    judged->facts.unsaved.clear();  // of cells that are not there any more
  }
  judge(judged);
  return ended;
}

void fill_folder(const fs::path& out, const Adversarials& saved, Judged* judged) {
  make_folder(out);
  const Evidence& evidence = judged->evidence;
  if (evidence.header.cells.empty()) {
    write_unmeasured(out, evidence);
    write_run_facts(out, judged->facts);
  } else {
    save_adversarials(judged, out, saved);
    write_run_facts(out, judged->facts);
    if (judged->baseline) write_baseline(out, *judged->baseline);
    write_evidence(out, evidence);  // last: what it holds is judged with the others
  }
  write_first_reports(judged, out, [&] { return pictures_of(*judged, saved); });
}

ExitCode merge_folders(const std::vector<std::string>& folders, const std::string& out) {
  std::error_code error;
  const auto require_empty = [&] {
    if (fs::exists(out) && (!fs::is_directory(out) || !fs::is_empty(out, error))) {
      throw Error("--out " + out + " is not an empty folder");
    }
  };
  require_empty();
  Shards shards = read_shards(folders);
  Judged judged;
  Adversarials saved;
  if (std::optional<Evidence> unmeasured = merge_unmeasured(&shards)) {
    judged.evidence = std::move(*unmeasured);
    judged.facts = shards.facts;
    judged.suite = suite_of(judged.evidence, judged.facts);
    judged.facts.unsaved.clear();
    judged.decision = decide_unmeasured(judged.evidence);
  } else if (!merge_measured(folders, shards, &judged)) {
    saved = saved_in(folders);
  }
  require_empty();  // still: on a failure all that is there goes
  try {
    fill_folder(out, saved, &judged);
  } catch (const Error& failed) {
    for (const fs::directory_entry& entry : fs::directory_iterator(out, error)) {
      fs::remove_all(entry, error);  // so that the same command may try again
    }
    const bool fault = failed.code() == ExitCode::kIncomplete;
    if (judged.decision.outcome != Outcome::kRefused || !fault) throw;
    std::cerr << "assay: no report is written: " << failed.what() << std::endl;
    return ExitCode::kRefused;  // whatever else went wrong
  }
  print_judged(judged, out);
  return exit_code(judged.decision.outcome);
}

}  // namespace

Command add_merge(CLI::App& app) {
  auto folders = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("merge", "unite the shards of a run, and decide");
  command->add_option("dirs", *folders, "the shards' run folders")->required()->type_name("");
  command->add_option("--out", *out, "new folder for the whole run")->required()->type_name("DIR");
  return {command, [folders, out] { return merge_folders(*folders, *out); }};
}

}  // namespace assay

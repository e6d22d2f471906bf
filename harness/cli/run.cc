// assay run: suite → evidence, decision and reports.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/progress.h"
#include "harness/cli/run_folder.h"
#include "harness/cli/session.h"
#include "harness/cli/shard.h"
#include "harness/cli/supervise.h"
#include "harness/gate/decision.h"
#include "harness/record/corpus.h"
#include "harness/record/files.h"
#include "harness/suite/digest.h"
#include "harness/suite/version.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string suite;
  Overrides overrides;
  std::string out;
  std::string store = ".assay";
  int workers = 0;
  bool resume = false;
  std::string shard;
  std::string save = "regressed";
};

struct Shard {
  int64_t index = 0;
  int64_t count = 1;
};

// "i/n", with i counted from 0.
Shard parse_shard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const char* end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, shard.index);
  if (first == std::errc() && slash != end && *slash == '/') {
    const auto [last, second] = std::from_chars(slash + 1, end, shard.count);
    if (second == std::errc() && last == end && shard.count >= 1 && shard.count <= 1000 &&
        shard.index >= 0 && shard.index < shard.count) {
      return shard;
    }
  }
  throw Error("--shard is `" + text + "`; write i/n with 0 <= i < n <= 1000, e.g. 0/4");
}

// The folder that receives everything, created; refuses one that is in use.
fs::path prepare_folder(const Options& options, const Suite& suite, const std::string& started) {
  if (options.out.empty()) {
    if (options.resume) throw Error("--resume needs --out, the folder of the run to go on with");
    std::string stamp;
    for (const char c : started) {
      if (c != '-' && c != ':') stamp += c;
    }
    fs::path folder = fs::path("runs") / (stamp + "-" + suite.name);
    for (int i = 2; fs::exists(folder); ++i) {
      folder = fs::path("runs") / (stamp + "-" + suite.name + "-" + std::to_string(i));
    }
    make_folder(folder);
    return folder;
  }
  const fs::path folder = options.out;
  std::error_code error;
  if (fs::exists(folder) && !fs::is_directory(folder)) {
    throw Error("--out " + folder.string() + " is a file, not a folder");
  }
  if (!options.resume && fs::exists(folder) && !fs::is_empty(folder, error)) {
    throw Error("--out " + folder.string() +
                " is not empty; name another folder, or go on with it by --resume");
  }
  make_folder(folder);
  return folder;
}

// The incumbent's evidence and where it came from.
struct Baseline {
  std::optional<Evidence> evidence;
  std::string sha256;
};

class Run {
 public:
  explicit Run(const Options& options) : options_(options), shard_(parse_shard(options.shard)) {
    started_ = utc_now();
  }

  ExitCode run(const Attempt& attempt);

 private:
  RunOptions run_options(ProgressBar* bar);
  Evidence measure(Subject* subject, bool is_incumbent, const Evidence* baseline);
  Baseline read_baseline_evidence();
  Baseline measure_baseline();
  ExitCode finish(const Evidence& evidence, const Baseline& baseline);
  ExitCode refused(const Error& error);
  Report report_of(const Evidence& evidence, const Baseline& baseline, const Decision& decision);
  bool is_model(const std::string& path) const;

  const Options& options_;
  const Shard shard_;
  std::string started_;
  const Clock::time_point start_ = Clock::now();
  int workers_ = 1;
  bool computed_ = false;  ///< a unit that the store did not have
  std::unique_ptr<Session> session_;
  std::unique_ptr<Store> store_;
  fs::path folder_;
};

RunOptions Run::run_options(ProgressBar* bar) {
  RunOptions options;
  options.workers = workers_;
  options.shard = shard_.index;
  options.shards = shard_.count;
  const double limit = session_->suite.run.time_limit_s;
  options.stop = [this, limit]() -> std::string {
    if (const std::string signal = caught_signal(); !signal.empty()) return "stopped by " + signal;
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    if (limit > 0 && elapsed > limit)
      return "the time limit of " + duration_text(limit) + " is over";
    return "";
  };
  options.crashes = session_->crashes;
  options.progress = [this, bar](const Progress& progress) {
    bar->update(progress);
    computed_ = computed_ || progress.computed > 0;
  };
  return options;
}

Evidence Run::measure(Subject* subject, bool is_incumbent, const Evidence* baseline) {
  ProgressBar bar(is_incumbent ? "incumbent" : "candidate");
  RunOptions options = run_options(&bar);
  options.sources = subject->sources();
  const Suite& suite = session_->suite;
  if (!is_incumbent && shard_.count == 1) {
    options.after_clean = [&suite, baseline](const Evidence& evidence) {
      return clean_pass_failure(suite, evidence, baseline);
    };
  }
  Evidence evidence = run_plan(
      suite, subject->plan(), session_->samples, session_->attacks,
      [subject]() -> const Model& { return subject->model(); }, store_.get(), options);
  if (shard_.count > 1) {
    keep_for_merge(folder_, is_incumbent ? "baseline_" : "", suite, subject->plan(), evidence,
                   *store_);
  }
  return evidence;
}

// A run folder or evidence file is read; anything else is taken for a model.
bool Run::is_model(const std::string& path) const {
  return !fs::is_directory(path) && fs::path(path).extension() != ".jsonl";
}

// The incumbent's evidence where the suite names some, and nothing where it names a model.
Baseline Run::read_baseline_evidence() {
  Baseline baseline;
  const std::string& path = session_->suite.baseline;
  if (path.empty() || path == "none" || is_model(path)) return baseline;
  baseline.evidence = read_evidence(path);
  if (!baseline.evidence->complete()) {
    const std::string& reason = baseline.evidence->interrupted;
    throw Error("baseline " + path + " is an incomplete run" +
                (reason.empty() ? "" : " (" + reason + ")") + "; finish it with --resume first");
  }
  baseline.sha256 = baseline.evidence->header.model.sha256;
  return baseline;
}

Baseline Run::measure_baseline() {
  Baseline baseline;
  const std::string& path = session_->suite.baseline;
  if (path.empty() || path == "none") return baseline;
  try {
    Subject incumbent(*session_, path, store_.get());
    baseline.sha256 = incumbent.plan().header.model.sha256;
    baseline.evidence = measure(&incumbent, true, nullptr);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kRefused) throw;
    throw Error("baseline: " + std::string(error.what()));
  }
  return baseline;
}

Report Run::report_of(const Evidence& evidence, const Baseline& baseline,
                      const Decision& decision) {
  Report report;
  report.suite = &session_->suite;
  report.evidence = &evidence;
  report.baseline = baseline.evidence ? &*baseline.evidence : nullptr;
  report.decision = &decision;
  report.baseline_path = session_->suite.baseline;
  report.started = started_;
  report.workers = workers_;
  report.wall_s = std::chrono::duration<double>(Clock::now() - start_).count();
  return report;
}

ExitCode Run::refused(const Error& error) {
  Evidence evidence;
  Header& header = evidence.header;
  header.assay = kVersion;
  header.libtorch = session_->platform.libtorch;
  header.cpu_capability = session_->platform.cpu_capability;
  header.device = session_->platform.device;
  header.suite_name = session_->suite.name;
  header.suite_sha256 = session_->suite.sha256;
  header.seed = session_->suite.seed;
  header.suite = session_->suite.effective;
  header.model.path = session_->suite.model.path.string();
  if (fs::is_regular_file(session_->suite.model.path)) {
    header.model.sha256 = sha256_file(session_->suite.model.path);
  }
  const Decision decision = refuse(error.what(), {});
  std::cerr << "assay: the candidate is refused: " << error.what() << std::endl;
  const Report report = report_of(evidence, {}, decision);
  write_reports(folder_, report);
  print_summary(report, folder_);
  return ExitCode::kRefused;
}

ExitCode Run::finish(const Evidence& evidence, const Baseline& baseline) {
  const Evidence* incumbent = baseline.evidence ? &*baseline.evidence : nullptr;
  write_evidence(folder_, evidence);
  if (incumbent) {
    write_baseline(folder_, *incumbent);
  } else {
    remove_baseline(folder_);  // of an attempt that had one
  }
  const Decision decision = decide_run(session_->suite, evidence, incumbent);
  const Save save = options_.save == "all"    ? Save::kAll
                    : options_.save == "none" ? Save::kNone
                                              : Save::kRegressed;
  write_adversarials(folder_, evidence, decision, *store_, save);
  Report report = report_of(evidence, baseline, decision);
  report.shard = shard_.count > 1 && evidence.interrupted.starts_with("shard ");
  report.pictures =
      choose_pictures(evidence, decision, read_adversarials(folder_ / kAdversarialsFile),
                      session_->dataset.get(), 12);
  write_run_facts(folder_, {session_->suite.baseline, baseline.sha256, started_, report.wall_s,
                            workers_, session_->suite.file.string()});
  write_reports(folder_, report);
  if (!evidence.interrupted.empty() && !evidence.interrupted.starts_with("shard ")) {
    std::cerr << "assay: the run is incomplete: " << evidence.interrupted
              << "; go on with it by --resume" << std::endl;
  }
  print_summary(report, folder_);
  if (computed_ && evidence.complete() && (!incumbent || incumbent->complete())) {
    // Whole runs only, and both sides after both were planned: what a run finds is for the next
    // one, however this one was cut into shards or attempts.
    Corpus corpus(store_->folder());
    corpus.add(found_in(evidence, *store_));
    if (incumbent) corpus.add(found_in(*incumbent, *store_));
  }
  // A shard only measures: pass, fail and inconclusive belong to the merge.
  if (shard_.count == 1) return exit_code(decision.outcome);
  return evidence.interrupted.starts_with("shard ") || evidence.complete() ? ExitCode::kPass
                                                                           : ExitCode::kIncomplete;
}

ExitCode Run::run(const Attempt& attempt) {
  catch_signals(attempt.supervisor);
  session_ = std::make_unique<Session>(options_.suite, options_.overrides);
  session_->crashes = attempt.crashes;
  const Suite& suite = session_->suite;
  // Before a folder is taken into use: a mistyped path is mended and tried again.
  if (!fs::exists(suite.model.path)) {
    throw Error("no such model file: " + suite.model.path.string());
  }
  if (!suite.baseline.empty() && suite.baseline != "none" && !fs::exists(suite.baseline)) {
    throw Error("no such baseline: " + suite.baseline +
                "; name a model, a run folder or an evidence file, or `none` for a first run");
  }
  Baseline baseline = read_baseline_evidence();
  workers_ = options_.workers > 0 ? options_.workers : default_workers(suite.run.memory_limit);
  store_ = std::make_unique<Store>(options_.store);
  if (attempt.folder.empty()) {
    folder_ = prepare_folder(options_, suite, started_);
    if (options_.out.empty()) point_latest(folder_);
    keep_folder(attempt, folder_.string());
  } else {
    folder_ = attempt.folder;  // in use since the attempt that a model crashed
  }
  std::optional<Subject> candidate;
  try {
    candidate.emplace(*session_, suite.model.path, store_.get());
  } catch (const Error& error) {
    if (error.code() == ExitCode::kRefused) return refused(error);
    throw;
  }
  if (options_.resume) check_resume(folder_, candidate->plan().header);
  Evidence empty;
  empty.header = candidate->plan().header;
  empty.interrupted = "not finished";
  // What is there already holds until there is better.
  if (!is_planned(folder_, empty.header))
    write_evidence(folder_, empty);  // so that --resume after a kill knows what was being run
  if (!baseline.evidence) baseline = measure_baseline();
  Evidence evidence = std::move(empty);
  if (baseline.evidence && !baseline.evidence->interrupted.empty() &&
      !baseline.evidence->interrupted.starts_with("shard ")) {
    evidence.interrupted = "incumbent: " + baseline.evidence->interrupted;
  } else {
    evidence = measure(&*candidate, false, baseline.evidence ? &*baseline.evidence : nullptr);
  }
  return finish(evidence, baseline);
}

}  // namespace

Command add_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("run", "attack candidate and incumbent, decide, write reports");
  command->add_option("suite", options->suite, "the suite, a YAML file")
      ->required()
      ->type_name("FILE");
  command->add_option("--model", options->overrides.model, "the candidate, not model.path")
      ->type_name("FILE");
  command
      ->add_option("--baseline", options->overrides.baseline,
                   "a model, run folder or evidence file; or none,\nfor a first run")
      ->type_name("X|none");
  command
      ->add_option("--out", options->out,
                   "folder for evidence and reports\n(default runs/<time>-<name>)")
      ->type_name("DIR");
  command->add_option("--store", options->store, "folder of results kept by key")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--workers", options->workers,
                   "threads; by default as many as CPUs, cgroup and\nmemory allow")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
  command
      ->add_option("--set", options->overrides.set,
                   "replace a part of the suite, e.g.\nattacks.pgd.steps=10; may be repeated")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--resume", options->resume, "go on with the run in --out");
  command->add_option("--shard", options->shard, "run part i of n, counted from 0")
      ->type_name("i/n");
  command
      ->add_option("--save-adversarials", options->save,
                   "which go into --out: regressed (default), all, none")
      ->type_name("WHICH")
      ->check(CLI::IsMember({"regressed", "all", "none"}).description(""));
  return {command, [options] {
            // Built before the attempts: they share the time and the folder of its start.
            Run run(*options);
            return supervise([&run](const Attempt& attempt) { return run.run(attempt); });
          }};
}

}  // namespace assay

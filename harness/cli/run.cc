// assay run: suite → evidence, decision and reports.
#include <algorithm>
#include <chrono>
#include <iostream>

#include "harness/cli/adversarials.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/progress.h"
#include "harness/cli/run_folder.h"
#include "harness/cli/session.h"
#include "harness/cli/shard.h"
#include "harness/cli/sources.h"
#include "harness/cli/suite_options.h"
#include "harness/cli/supervise.h"
#include "harness/gate/decision.h"
#include "harness/record/unmeasured.h"
#include "harness/run/run_header.h"
#include "harness/suite/digest.h"

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

// The incumbent's evidence and where it came from.
struct Baseline {
  std::optional<Evidence> evidence;
  std::string sha256;
};

class Run {
 public:
  explicit Run(const Options& options) : options_(options), shard_(parse_shard(options.shard)) {
    started_ = utc_now();
    std::error_code error;  // asked before an attempt makes it
    made_ = options.out.empty() || !fs::exists(options.out, error);
  }

  ExitCode run(const Attempt& attempt);

 private:
  RunOptions run_options(ProgressBar* bar);
  Evidence measure(Subject* subject, bool is_incumbent, const Evidence* baseline);
  Baseline read_baseline_evidence();
  std::unique_ptr<Subject> open(const std::string& path);
  std::unique_ptr<Subject> open_incumbent();
  Baseline measure_baseline(Subject* incumbent);
  ExitCode measure_sides(Baseline baseline);
  void begin(const Evidence& empty, const std::string& baseline_sha256);
  ExitCode finish(const Evidence& evidence, const Baseline& baseline);
  ExitCode end_unmeasured(const Evidence& evidence);
  ExitCode refused(const std::string& reason);
  ExitCode stopped(const std::string& reason);
  Report report_of(const Evidence& evidence, const Baseline& baseline, const Decision& decision);
  RunFacts facts_of(const std::string& baseline_sha256, double wall_s) const;
  bool others_left(const Evidence& evidence) const {
    return evidence.interrupted == shard_reason(shard_.index, shard_.count);
  }
  bool is_cut_off(const Evidence& evidence) const {
    return !evidence.interrupted.empty() && !others_left(evidence);
  }

  const Options& options_;
  const Shard shard_;
  std::string started_;
  const Clock::time_point start_ = Clock::now();
  int workers_ = 1;
  bool computed_ = false;  ///< a unit that the store did not have
  std::unique_ptr<Session> session_;
  std::unique_ptr<Store> store_;
  const Attempt* attempt_ = nullptr;
  fs::path folder_;
  bool made_ = false;      ///< the folder was not there before
  bool reported_ = false;  ///< what fails now costs no report
  Header header_;          ///< what is known of the run before it looks into a model
};

RunOptions Run::run_options(ProgressBar* bar) {
  RunOptions options;
  options.workers = workers_;
  options.shard = shard_.index;
  options.shards = shard_.count;
  const double limit = session_->suite.run.time_limit_s;
  options.stop = [this, limit]() -> std::string {
    if (!session_->failed.empty()) return session_->failed;
    if (const std::string signal = caught_signal(); !signal.empty()) return "stopped by " + signal;
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    return limit > 0 && elapsed > limit ? time_limit_text(limit) : "";
  };
  options.crashes = session_->crashes;
  options.progress = [this, bar](const Progress& progress) {
    bar->update(progress);
    computed_ = computed_ || progress.computed > 0;
  };
  return options;
}

Evidence Run::measure(Subject* subject, bool is_incumbent, const Evidence* baseline) {
  const char* side = is_incumbent ? "incumbent" : "candidate";
  ProgressBar bar(side);
  RunOptions options = run_options(&bar);
  options.sources = subject->sources();
  options.under_way = [this, side](const Unit& unit, bool begins) {
    keep_under_way(*attempt_, unit_text(unit) + " of the " + side, begins);
  };
  const Suite& suite = session_->suite;
  if (!is_incumbent && !shard_.is_part) {
    options.after_clean = [&suite, baseline](const Evidence& evidence) {
      return clean_pass_failure(suite, evidence, baseline);
    };
  }
  Evidence evidence = run_plan(
      suite, subject->plan(), session_->samples, session_->attacks,
      [&]() -> const Model& {
        const std::string loading = "loading the " + std::string(side);
        keep_under_way(*attempt_, loading, true);
        const Model& model = subject->model();
        keep_under_way(*attempt_, loading, false);
        return model;
      },
      store_.get(), options);
  if (shard_.is_part) {
    keep_for_merge(folder_, is_incumbent ? "baseline_" : "", suite, subject->plan(), evidence,
                   *store_);
  }
  return evidence;
}

// The incumbent's evidence where the suite names some, and nothing where it names a model.
Baseline Run::read_baseline_evidence() {
  Baseline baseline;
  const std::string& path = session_->suite.baseline;
  if (path.empty() || path == "none" || is_model(path)) return baseline;
  baseline.evidence = read_whole_run(path);
  baseline.sha256 = baseline.evidence->header.model.sha256;
  return baseline;
}

std::unique_ptr<Subject> Run::open(const std::string& path) {
  keep_under_way(*attempt_, "loading " + path, true);
  auto subject = std::make_unique<Subject>(*session_, path, store_.get());
  keep_under_way(*attempt_, "loading " + path, false);
  return subject;
}

// The incumbent that is to be measured, or null. One that cannot be is the user's error.
std::unique_ptr<Subject> Run::open_incumbent() {
  const std::string& path = session_->suite.baseline;
  if (path.empty() || path == "none" || !is_model(path)) return nullptr;
  try {
    return open(path);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kRefused) throw;
    throw Error("baseline: " + std::string(error.what()));
  }
}

Baseline Run::measure_baseline(Subject* incumbent) {
  Baseline baseline;
  if (incumbent == nullptr) return baseline;
  try {
    baseline.sha256 = incumbent->plan().header.model.sha256;
    baseline.evidence = measure(incumbent, true, nullptr);
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
  report.set = options_.overrides.set;
  report.part = to_text(shard_);
  report.started = started_;
  report.workers = workers_;
  report.wall_s = std::chrono::duration<double>(Clock::now() - start_).count();
  return report;
}

RunFacts Run::facts_of(const std::string& baseline_sha256, double wall_s) const {
  const Suite& suite = session_->suite;
  return {suite.baseline, baseline_sha256,     started_,        wall_s,
          workers_,       suite.file.string(), to_text(shard_), options_.overrides.set};
}

// The reports of a run that measured nothing, and a record of it for commands that judge again.
ExitCode Run::end_unmeasured(const Evidence& evidence) {
  keep_reporting(*attempt_);
  const Decision decision = decide_unmeasured(evidence);
  if (options_.out.empty()) point_latest(folder_);
  write_unmeasured(folder_, evidence);
  const Report report = report_of(evidence, {}, decision);
  write_run_facts(folder_, facts_of("", report.wall_s));
  write_reports(folder_, report);
  reported_ = true;
  print_summary(report, folder_);
  return exit_code(decision.outcome);
}

ExitCode Run::refused(const std::string& reason) {
  std::cerr << "assay: the candidate is refused: " << reason << std::endl;
  Evidence evidence;
  evidence.header = header_;
  evidence.ended_early = reason;
  return end_unmeasured(evidence);
}

// A fault of the machine. What is on the disk by now is told as far as the machine allows.
ExitCode Run::stopped(const std::string& reason) {
  tell_incomplete(reason);
  if (reported_) return ExitCode::kIncomplete;  // it was the adversarials that could not be saved
  try {
    Evidence evidence;
    if (!has_evidence(folder_)) {
      evidence.header = header_;
      evidence.interrupted = reason;
      return end_unmeasured(evidence);
    }
    evidence = read_evidence(folder_);
    // The reports of a finished run stay, and without a store there is nothing to add to others.
    if (evidence.complete() || !store_) return ExitCode::kIncomplete;
    evidence.interrupted = reason;
    Baseline baseline;
    baseline.evidence = read_baseline(folder_);
    baseline.sha256 = read_run_facts(folder_).baseline_sha256;  // known before it was measured
    finish(evidence, baseline);
  } catch (const Error& error) {
    std::cerr << (reported_ ? "assay: the adversarials are not saved: "
                            : "assay: no report is written: ")
              << error.what() << std::endl;
  }
  return ExitCode::kIncomplete;
}

ExitCode Run::finish(const Evidence& evidence, const Baseline& baseline) {
  keep_reporting(*attempt_);
  const Evidence* incumbent = baseline.evidence ? &*baseline.evidence : nullptr;
  write_evidence(folder_, evidence);
  remove_unmeasured(folder_);
  if (incumbent) {
    write_baseline(folder_, *incumbent);
  } else {
    remove_baseline(folder_);  // of an attempt that had one
  }
  const Decision decision = decide_run(session_->suite, evidence, incumbent);
  const Save save = options_.save == "all"    ? Save::kAll
                    : options_.save == "none" ? Save::kNone
                                              : Save::kRegressed;
  Adversarials saved = adversarials_of(evidence, decision, *store_, save);
  Report report = report_of(evidence, baseline, decision);
  report.shard = shard_.is_part && (others_left(evidence) || evidence.complete());
  const Dataset* dataset = session_->dataset.get();
  report.pictures = pictures_if_any([&] {
    return dataset ? choose_pictures(evidence, decision, saved, *dataset) : std::vector<Picture>();
  });
  write_run_facts(folder_, facts_of(baseline.sha256, report.wall_s));
  write_reports(folder_, report);
  // Last: as large as they may be, their fault costs no report.
  write_adversarials(folder_ / kAdversarialsFile, std::move(saved));
  print_summary(report, folder_);
  if (computed_ && evidence.complete() && (!incumbent || incumbent->complete())) {
    keep_in_corpus(evidence, incumbent, *store_);
  }
  // A shard only measures: pass, fail and inconclusive belong to the merge.
  if (!shard_.is_part) return exit_code(decision.outcome);
  return report.shard ? ExitCode::kPass : ExitCode::kIncomplete;
}

// Takes the folder into use, so that --resume after a kill knows what was being run there. What is
// there already holds until there is better.
void Run::begin(const Evidence& empty, const std::string& baseline_sha256) {
  to_text(empty);  // a name that cannot be written is told before the folder is in use
  if (options_.out.empty()) point_latest(folder_);
  const RunFacts facts = facts_of(baseline_sha256, 0);
  check_resume_plan(folder_, empty.header, facts);
  if (is_planned(folder_, empty.header)) return;
  write_run_facts(folder_, facts);
  write_evidence(folder_, empty);
  remove_unmeasured(folder_);
}

ExitCode Run::measure_sides(Baseline baseline) {
  store_ = std::make_unique<Store>(options_.store);
  std::unique_ptr<Subject> incumbent = open_incumbent();
  const std::unique_ptr<Subject> candidate = open(session_->suite.model.path);
  Evidence evidence;
  evidence.header = candidate->plan().header;
  evidence.interrupted = "not finished";
  begin(evidence, incumbent ? incumbent->plan().header.model.sha256 : baseline.sha256);
  if (!baseline.evidence) baseline = measure_baseline(incumbent.get());
  incumbent.reset();
  if (baseline.evidence && is_cut_off(*baseline.evidence)) {
    evidence.interrupted = "incumbent: " + baseline.evidence->interrupted;
  } else {
    evidence = measure(candidate.get(), false, baseline.evidence ? &*baseline.evidence : nullptr);
  }
  if (is_cut_off(evidence)) tell_incomplete(evidence.interrupted);
  return finish(evidence, baseline);
}

ExitCode Run::run(const Attempt& attempt) {
  attempt_ = &attempt;
  catch_signals();
  if (!attempt.failed.empty() && attempt.folder.empty()) {
    throw Error("the run is incomplete: " + attempt.failed, ExitCode::kIncomplete);
  }
  session_ = std::make_unique<Session>(options_.suite, options_.overrides);
  session_->crashes = attempt.crashes;
  session_->failed = attempt.failed;
  const Suite& suite = session_->suite;
  keep_time_limit(attempt, suite.run.time_limit_s);
  check_paths(suite);  // before a folder is taken into use: a mistyped one is mended
  Baseline baseline = read_baseline_evidence();
  workers_ = choose_workers(options_.workers, suite.run.memory_limit);
  if (attempt.folder.empty()) {
    folder_ = prepare_folder(options_.out, options_.resume, suite.name, started_);
    keep_folder(attempt, folder_.string());
  } else {
    folder_ = attempt.folder;  // in use since an attempt that a model crashed
  }
  header_ = run_header(suite, {suite.model.path.string(), sha256_file(suite.model.path)},
                       session_->described, session_->platform, &session_->sets);
  if (options_.resume) check_resume(folder_, header_, to_text(shard_));
  try {
    return measure_sides(std::move(baseline));
  } catch (const Error& error) {
    if (error.code() == ExitCode::kRefused) return refused(error.what());
    if (error.code() == ExitCode::kIncomplete) return stopped(error.what());
    std::error_code in_use;
    if (made_) fs::remove(folder_, in_use);  // only if it is empty
    throw;
  } catch (const std::bad_alloc&) {
    return stopped("out of memory; lower --workers or run.block");
  } catch (const std::exception& error) {
    return stopped("unexpected fault: " + std::string(error.what()));
  }
}

}  // namespace

Command add_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("run", "attack candidate and incumbent, decide, write reports");
  add_suite_options(command, &options->suite, &options->overrides);
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

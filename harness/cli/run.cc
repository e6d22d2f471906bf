// assay run: suite → evidence, decision and reports.
#include <algorithm>
#include <chrono>
#include <iostream>

#include "harness/cli/adversarials.h"
#include "harness/cli/commands.h"
#include "harness/cli/judged.h"
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
  Evidence measure(Subject* subject, bool is_incumbent);
  void read_baseline_evidence();
  std::unique_ptr<Subject> open(const std::string& path);
  std::unique_ptr<Subject> open_incumbent();
  void measure_baseline(Subject* incumbent);
  ExitCode measure_sides();
  void begin();
  ExitCode finish();
  ExitCode end_unmeasured(Evidence evidence);
  ExitCode refused(const std::string& reason);
  ExitCode stopped(const std::string& reason);
  void keep_facts();
  void report(const ChoosePictures& choose);
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
  bool made_ = false;  ///< the folder was not there before
  Judged judged_;
  Header header_;  ///< what is known of the run before it looks into a model
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

Evidence Run::measure(Subject* subject, bool is_incumbent) {
  const char* side = is_incumbent ? "incumbent" : "candidate";
  ProgressBar bar(side);
  RunOptions options = run_options(&bar);
  options.sources = subject->sources();
  options.under_way = [this, side](const Unit& unit, bool begins) {
    keep_under_way(*attempt_, unit_text(unit) + " of the " + side, begins);
  };
  const Suite& suite = session_->suite;
  if (!is_incumbent && !shard_.is_part) {
    options.after_clean = [this, &suite](const Evidence& evidence) {
      return clean_pass_failure(suite, evidence, incumbent_of(judged_));
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
void Run::read_baseline_evidence() {
  const std::string& path = session_->suite.baseline;
  if (path.empty() || path == "none" || is_model(path)) return;
  judged_.baseline = read_whole_run(path);
  judged_.facts.baseline_sha256 = judged_.baseline->header.model.sha256;
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

void Run::measure_baseline(Subject* incumbent) {
  try {
    judged_.baseline = measure(incumbent, true);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kRefused) throw;
    throw Error("baseline: " + std::string(error.what()));
  }
}

void Run::keep_facts() {
  judged_.facts.wall_s = std::chrono::duration<double>(Clock::now() - start_).count();
  write_run_facts(folder_, judged_.facts);
}

void Run::report(const ChoosePictures& choose) {
  write_first_reports(&judged_, folder_, choose);
  print_judged(judged_, folder_);
}

// The reports of a run that measured nothing, and a record of it for commands that judge again.
ExitCode Run::end_unmeasured(Evidence evidence) {
  keep_reporting(*attempt_);
  judged_.evidence = std::move(evidence);
  judged_.baseline.reset();
  const RunFacts before = read_run_facts(folder_);
  judged_.facts.baseline_sha256 = before.baseline_sha256;  // ours is not checked
  judged_.facts.unsaved = before.unsaved;                  // of what was measured there
  judged_.decision = decide_unmeasured(judged_.evidence);
  if (options_.out.empty()) point_latest(folder_);
  write_unmeasured(folder_, judged_.evidence);
  keep_facts();
  report([] { return std::vector<Picture>(); });
  return exit_code(judged_.decision.outcome);
}

ExitCode Run::refused(const std::string& reason) {
  std::cerr << "assay: the candidate is refused: " << reason << std::endl;
  try {
    return end_unmeasured({.header = header_, .ended_early = reason});
  } catch (const Error& error) {
    if (error.code() != ExitCode::kIncomplete) throw;
    std::cerr << "assay: no report is written: " << error.what() << std::endl;
    return ExitCode::kRefused;  // whatever else went wrong
  }
}

// A fault of the machine. What is on the disk by now is told as far as the machine allows.
ExitCode Run::stopped(const std::string& reason) {
  tell_incomplete(reason);
  try {
    if (!has_evidence(folder_)) return end_unmeasured({.header = header_, .interrupted = reason});
    judged_.evidence = read_evidence(folder_);
    // The reports of a finished run stay, and without a store there is nothing to add to others.
    if (judged_.evidence.complete() || !store_) return ExitCode::kIncomplete;
    judged_.evidence.interrupted = reason;
    judged_.baseline = read_baseline(folder_);
    // Known before it was measured.
    judged_.facts.baseline_sha256 = read_run_facts(folder_).baseline_sha256;
    finish();
  } catch (const Error& error) {
    std::cerr << "assay: no report is written: " << error.what() << std::endl;
  }
  return ExitCode::kIncomplete;
}

ExitCode Run::finish() {
  keep_reporting(*attempt_);
  judged_.facts.unsaved.clear();  // of a first try at this
  judged_.facts.unreported.clear();
  judge(&judged_);
  const Save save = options_.save == "all"    ? Save::kAll
                    : options_.save == "none" ? Save::kNone
                                              : Save::kRegressed;
  const Evidence& evidence = judged_.evidence;
  const Evidence* incumbent = incumbent_of(judged_);
  const Adversarials saved = adversarials_of(evidence, judged_.decision, *store_, save);
  // What may make the run incomplete stands in the folder before evidence that may be complete.
  save_adversarials(&judged_, folder_, saved);
  keep_facts();
  if (incumbent) {
    write_baseline(folder_, *incumbent);
  } else {
    remove_baseline(folder_);  // of an attempt that had one
  }
  write_evidence(folder_, evidence);
  remove_unmeasured(folder_);
  const bool whole = evidence.complete() && evidence.interrupted.empty();
  judged_.shard =
      shard_.is_part && (others_left(evidence) || whole) && judged_.facts.unsaved.empty();
  report([&] {
    const Dataset* dataset = session_->dataset.get();
    return dataset ? choose_pictures(evidence, judged_.decision, saved, *dataset)
                   : std::vector<Picture>();
  });
  // Only of a run that is done: with a corpus that it has changed itself it would be another run.
  const bool done = judged_.facts.unsaved.empty() && judged_.facts.unreported.empty() &&
                    evidence.complete() && (!incumbent || incumbent->complete());
  if (done && (computed_ || options_.resume)) {
    keep_in_corpus(evidence, incumbent, *store_);
  }
  // A shard only measures: pass, fail and inconclusive belong to the merge.
  if (!shard_.is_part) return exit_code(judged_.decision.outcome);
  return judged_.shard ? ExitCode::kPass : ExitCode::kIncomplete;
}

// Takes the folder into use, so that --resume after a kill knows what was being run there. What is
// there already holds until there is better.
void Run::begin() {
  const Evidence& empty = judged_.evidence;
  to_text(empty);  // a name that cannot be written is told before the folder is in use
  if (options_.out.empty()) point_latest(folder_);
  if (holds_plan(folder_, empty.header, judged_.facts)) return;
  write_run_facts(folder_, judged_.facts);
  write_evidence(folder_, empty);
  remove_reports(folder_);
  remove_unmeasured(folder_);
}

ExitCode Run::measure_sides() {
  store_ = std::make_unique<Store>(options_.store);
  std::unique_ptr<Subject> incumbent = open_incumbent();
  const std::unique_ptr<Subject> candidate = open(session_->suite.model.path);
  judged_.evidence.header = candidate->plan().header;
  judged_.evidence.interrupted = "not finished";
  if (incumbent) judged_.facts.baseline_sha256 = incumbent->plan().header.model.sha256;
  begin();
  if (incumbent) measure_baseline(incumbent.get());
  incumbent.reset();
  if (judged_.baseline && is_cut_off(*judged_.baseline)) {
    judged_.evidence.interrupted = "incumbent: " + judged_.baseline->interrupted;
  } else {
    judged_.evidence = measure(candidate.get(), false);
  }
  if (is_cut_off(judged_.evidence)) tell_incomplete(judged_.evidence.interrupted);
  return finish();
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
  if (attempt.folder.empty()) warn_of_no_decision(suite);  // not again after a crash
  judged_.suite = suite;
  read_baseline_evidence();
  workers_ = choose_workers(options_.workers, suite.run.memory_limit);
  judged_.facts.baseline = suite.baseline;
  judged_.facts.started = started_;
  judged_.facts.workers = workers_;
  judged_.facts.suite = suite.file.string();
  judged_.facts.shard = to_text(shard_);
  judged_.facts.set = options_.overrides.set;
  if (attempt.folder.empty()) {
    folder_ = prepare_folder(options_.out, options_.resume, suite.name, started_);
    keep_folder(attempt, folder_.string());
  } else {
    folder_ = attempt.folder;  // in use since an attempt that a model crashed
  }
  header_ = run_header(suite, {suite.model.path.string(), sha256_file(suite.model.path)},
                       session_->described, session_->platform, &session_->sets);
  if (options_.resume) check_resume(folder_, header_, judged_.facts);
  try {
    return measure_sides();
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

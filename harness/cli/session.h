// What commands need of suite, data and models, opened once and in the right order.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/crash.h"
#include "harness/model/dataset.h"
#include "harness/model/model.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"
#include "harness/run/run.h"
#include "harness/suite/suite.h"

namespace assay {

/// The torch-free part of each attack.
std::vector<AttackInfo> infos_of(const std::vector<Attack>& attacks);

/// A suite with its drawn samples. Not movable: `samples` points into it.
struct Session {
  /// Loads the suite, opens its data and draws the samples. Every one of them is read once.
  Session(const std::filesystem::path& suite_file, const Overrides& overrides);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::vector<Attack> attacks;
  Suite suite;
  Platform platform;
  std::unique_ptr<Dataset> dataset;  ///< the test set; null where no attack needs one
  Samples samples;
  std::vector<SampleInfo> described;
  SampleScales scales;         ///< the shares of eps that evasion entries name
  RecordSets sets;             ///< what membership cells audit, and train on
  std::vector<Crash> crashes;  ///< of earlier attempts at this run
  std::string failed;          ///< why no model is to be loaded any more; "" if they are

 private:
  void open_test();
  void open_sets();
  std::map<std::string, std::unique_ptr<Dataset>> opened_;  ///< by data name
};

class SourceSet;

/// A model of a session with its plan. What probing finds out is kept in the store, so that a run
/// with nothing left to compute does not load the model.
class Subject {
 public:
  /// Throws Error: kUsage if the file does not exist, else kRefused for one that cannot be judged.
  Subject(const Session& session, const std::filesystem::path& path, Store* store);

  const Plan& plan() const { return plan_; }
  const Model& model();
  /// What its attacks take from elsewhere.
  Sources sources();
  ~Subject();
  Subject(Subject&&) = delete;

 private:
  Model load(const ModelFacts* known) const;

  const Session& session_;
  std::filesystem::path path_;
  std::string sha256_;  ///< of the file
  std::optional<Model> model_;
  ModelFacts facts_;
  std::unique_ptr<SourceSet> sources_;
  Plan plan_;
};

/// Throws Error (kUsage) for a path that is there and is no file: a folder, or a pipe or device,
/// which might be read without end.
void require_file(const std::filesystem::path& path);

/// Throws Error (kUsage) where the suite names a candidate or a baseline that does not exist, or
/// is nothing that can be read.
void check_paths(const Suite& suite);

/// Says on stderr where a suite's run cannot pass, whatever it measures: without rules, or with
/// rules that compare and nothing to compare with.
void warn_of_no_decision(const Suite& suite);

/// True if a baseline's path is taken for a model: it is no folder and no evidence file.
bool is_model(const std::string& path);

/// The evidence of a baseline that is a run. Throws Error (kUsage) for one that is incomplete.
Evidence read_whole_run(const std::string& path);

/// Workers of a run: as many as asked for and the suite's memory_limit (bytes, 0: none) allows, and
/// by default (0) what fits. Says on stderr if that is fewer than asked for.
int choose_workers(int asked, int64_t memory_limit);

/// Refuses a model that some attack of the suite cannot work on (no gradient).
void require_gradients(const Suite& suite, const ModelFacts& facts, const std::string& path);

/// The network that shadows and surrogates of a `model` are copies of, as a suite `wanted` it at
/// `where`; a file's path is relative to the suite. Throws Error where there can be none.
Architecture read_architecture(const Suite& suite, const std::filesystem::path& model,
                               const std::string& wanted, const Where& where);

}  // namespace assay

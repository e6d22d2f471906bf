// Plan → Evidence: oneTBB workers, the store, and nothing computed twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/crash.h"
#include "harness/model/dataset.h"
#include "harness/model/model.h"
#include "harness/record/evidence.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"
#include "harness/suite/suite.h"

namespace assay {

/// What the suite's samples are read from: the drawn indices of a data set, in header order.
struct Samples {
  const Dataset* dataset = nullptr;
  std::vector<int64_t> indices;
};

struct Progress {
  size_t done = 0;      ///< units finished or found in the store
  size_t total = 0;     ///< units of this run (of this shard)
  size_t computed = 0;  ///< of `done`, those that were not in the store
  double elapsed_s = 0;
  double left_s = 0;  ///< as finished units of each kind, or kinds like it, let expect
  std::string cell;   ///< of the unit that finished last
};

/// What attacks take from elsewhere.
struct Sources {
  /// The model that `source` names, as spelt; null where it names points. Called from any worker.
  std::function<const Model*(const std::string& source)> model;
  /// The points known of a sample, in the order to try them: `source` as spelt, or kCorpus.
  /// Undefined or [p, ...shape]. Called from any worker.
  std::function<at::Tensor(const std::string& source, const SampleInfo& sample)> points;
};

struct RunOptions {
  int workers = 1;
  int64_t shard = 0;  ///< which part of the blocks, below `shards`
  int64_t shards = 1;
  /// Of earlier attempts. The units they hit go row by row, without the rows that crashed.
  std::vector<Crash> crashes;
  Sources sources;
  /// Asked between units and before each query: a reason to stop (time limit, signal), or "". Units
  /// in flight are given up then. Called from any worker.
  std::function<std::string()> stop = [] { return std::string(); };
  /// Called after each unit, one call at a time.
  std::function<void(const Progress&)> progress = [](const Progress&) {};
  /// Called as a unit begins and as it ends, from any worker.
  std::function<void(const Unit&, bool begins)> under_way = [](const Unit&, bool) {};
  /// Called once with the evidence of the clean pass; a reason ends the run there.
  std::function<std::string(const Evidence&)> after_clean = [](const Evidence&) {
    return std::string();
  };
};

/// What is said in Evidence::interrupted of a shard that ran all of its part: the rest is others'.
std::string shard_reason(int64_t shard, int64_t shards);

/// Runs what the store does not have and returns all of it. `model` is called (at most once, before
/// the first unit) only if something is left to compute. Faults of the machine end the run with
/// Evidence::interrupted; finished units are in the store.
Evidence run_plan(const Suite& suite, const Plan& plan, const Samples& samples,
                  const std::vector<Attack>& attacks, const std::function<const Model&()>& model,
                  Store* store, const RunOptions& options);

/// Runs one unit of samples. `result_of` gives the results of the units in its `after`, by key.
/// Adversarials go to the store's blobs. Whose result it is, and how long it took, is left to the
/// caller, as by all functions that run a unit.
UnitResult run_unit(const Suite& suite, const Plan& plan, const Unit& unit, const Samples& samples,
                    const std::vector<Attack>& attacks, const Model& model,
                    const std::function<const UnitResult&(const std::string&)>& result_of,
                    const RunOptions& options, Store* store);

/// What one block of an attack costs on this machine, at its dearest and its cheapest.
struct UnitEstimate {
  double robust_s = 0;  ///< nothing breaks
  double broken_s = 0;  ///< everything breaks at the first query
  int64_t memory = 0;   ///< peak bytes of a worker on top of what the process held
};

/// Times an attack on the block x [n, ...]: once in a ball too small for any success, once with
/// labels that the model does not give.
UnitEstimate estimate_unit(const Suite& suite, const Cell& cell, const std::vector<Attack>& attacks,
                           const Model& model, const at::Tensor& x);

/// Seconds of one worker for a membership entry, from one block x [n, ...] and a short training of
/// one shadow. `path` is the candidate's file. Asks `done` once for the key of each training: those
/// that it says true of, as another entry's or the store's, cost nothing, nor do their outputs.
double estimate_audit(const Suite& suite, const AttackSpec& spec,
                      const std::vector<Attack>& attacks, const RecordSets& sets,
                      const Platform& platform, const Model& model, const at::Tensor& x,
                      const std::filesystem::path& path,
                      const std::function<bool(const std::string& key)>& done);

/// The same for an extraction entry, from one block and a short training of one surrogate.
double estimate_heist(const Suite& suite, const AttackSpec& spec,
                      const std::vector<Attack>& attacks, const RecordSets& sets,
                      const Model& model, const at::Tensor& x, const std::filesystem::path& path);

/// Workers that this process may use: affinity, cgroup quota and memory. `memory_limit` in bytes,
/// 0 for none.
int default_workers(int64_t memory_limit);

/// The smaller of `limit` (0 for none), the cgroup's and the machine's memory, in bytes.
int64_t memory_available(int64_t limit);

}  // namespace assay

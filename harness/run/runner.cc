#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>

#include "harness/model/attack_fault.h"
#include "harness/record/early_end.h"
#include "harness/run/outputs.h"
#include "harness/run/pace.h"
#include "harness/run/run.h"
#include "harness/run/score.h"
#include "harness/run/shadows.h"
#include "harness/run/steals.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Every thread of the arena is a worker before it touches a model.
class EnterWorkers : public tbb::task_scheduler_observer {
 public:
  explicit EnterWorkers(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) {
    observe(true);
  }
  ~EnterWorkers() override { observe(false); }
  void on_scheduler_entry(bool) override { enter_worker(); }
};

// The store's rows are numbered within their unit and name no cell, so that runs with other samples
// and names can share them.
UnitResult to_stored(UnitResult result, const Unit& unit, const Plan& plan) {
  // A record's place in its set depends on what other cells take of it, its place by content does
  // not.
  if (!result.scores.empty()) {
    const std::vector<RecordRef>& records = plan.audits[unit.audit].records;
    std::map<std::pair<bool, int64_t>, int64_t> places;
    for (int64_t i = 0; i < plan.audits[unit.audit].audited; ++i) {
      const RecordRef& record = records[static_cast<size_t>(i)];
      places[{record.member, record.position}] = i;
    }
    for (Score& score : result.scores) score.record = places.at({score.member, score.record});
    sort_scores(&result.scores);
  }
  for (Verdict& row : result.rows) row.sample -= unit.begin;
  for (Flag& flag : result.flags) flag.cell.clear();
  result.cell.clear();
  result.index = 0;
  return result;
}

UnitResult from_stored(UnitResult result, const Unit& unit, const Plan& plan, int64_t index) {
  for (Score& score : result.scores) {
    score.record = plan.audits[unit.audit].records[static_cast<size_t>(score.record)].position;
  }
  sort_scores(&result.scores);
  for (Verdict& row : result.rows) row.sample += unit.begin;
  for (Flag& flag : result.flags) flag.cell = unit.cell;
  result.cell = unit.cell;
  result.index = index;
  return result;
}

class Runner {
 public:
  Runner(const Suite& suite, const Plan& plan, const Samples& samples,
         const std::vector<Attack>& attacks, const std::function<const Model&()>& model,
         Store* store, const RunOptions& options)
      : suite_(suite),
        plan_(plan),
        samples_(samples),
        attacks_(attacks),
        model_(model),
        store_(store),
        options_(options),
        allowed_(tbb::global_control::max_allowed_parallelism,
                 static_cast<size_t>(options.workers)),
        arena_(options.workers),
        observer_(arena_) {}

  Evidence run() {
    sort_units();
    run_phase({Unit::Kind::kClean});
    if (std::string reason = end_early(); !reason.empty()) {
      Evidence evidence = hand_over();
      end_at_clean_pass(&evidence, reason);
      return evidence;
    }
    train();
    steal();
    run_phase({Unit::Kind::kBlock, Unit::Kind::kOutputs, Unit::Kind::kBoundary,
               Unit::Kind::kFeatures, Unit::Kind::kTransfer});
    run_phase({Unit::Kind::kScore});
    return hand_over();
  }

 private:
  // What the clean pass alone tells: a reason to end the run here, or "".
  std::string end_early() const {
    if (!interrupted_.empty()) return "";
    Evidence evidence = described();
    for (const Unit* unit : mine_) {
      if (unit->kind != Unit::Kind::kClean) continue;
      const auto found = results_.find(unit->key);
      if (found != results_.end()) evidence.units.push_back(found->second);
    }
    return options_.after_clean(evidence);
  }

  // Keys of this shard's units, and of those of other shards that they build on: these are computed
  // here too, to the same bytes. Scores need the work of all shards.
  std::set<std::string> keys_of_shard() const {
    std::set<std::string> keys;
    for (auto unit = plan_.units.rbegin(); unit != plan_.units.rend(); ++unit) {
      const bool scores = unit->kind == Unit::Kind::kScore;
      const bool mine =
          scores ? options_.shards == 1 : unit->part % options_.shards == options_.shard;
      if (!mine && (scores || !keys.contains(unit->key))) continue;
      keys.insert(unit->key);
      keys.insert(unit->after.begin(), unit->after.end());
    }
    return keys;
  }

  // Which units this shard runs, and which of them the store already has.
  void sort_units() {
    const std::set<std::string> keys = keys_of_shard();
    int64_t index = 0;
    std::string cell;
    for (const Unit& unit : plan_.units) {
      index = unit.cell == cell ? index : 0;
      cell = unit.cell;
      const int64_t place = index++;
      if (!keys.contains(unit.key) || !seen_.insert(unit.key).second) continue;
      mine_.push_back(&unit);
      places_[unit.key] = place;
      if (std::optional<UnitResult> result = store_->get(unit.key)) {
        results_.emplace(unit.key, from_stored(std::move(*result), unit, plan_, place));
      } else {
        pace_.expect(unit, work_of(plan_, unit));
      }
    }
  }

  std::vector<const Unit*> pending_of(const std::set<Unit::Kind>& kinds) const {
    std::vector<const Unit*> pending;
    for (const Unit* unit : mine_) {
      if (kinds.contains(unit->kind) && !results_.contains(unit->key)) pending.push_back(unit);
    }
    return pending;
  }

  // No worker is at work meanwhile: each unit runs in a fork of this process.
  template <typename Run>
  void run_alone(const std::set<Unit::Kind>& kinds, const Run& run) {
    const std::vector<const Unit*> pending = pending_of(kinds);
    if (pending.empty() || !go_on()) return;
    try {
      interrupted_ = run(pending, [this](UnitResult result) {
        const Unit& unit = **std::find_if(
            mine_.begin(), mine_.end(), [&](const Unit* each) { return each->key == result.key; });
        keep(unit, std::move(result));
      });
    } catch (const Error& error) {
      if (error.code() != ExitCode::kIncomplete) throw;
      interrupted_ = error.what();
    }
  }

  void train() {
    run_alone({Unit::Kind::kTrain}, [this](const auto& pending, const auto& done) {
      return train_shadows(suite_, plan_, pending, options_, store_, done);
    });
  }

  void steal() {
    run_alone({Unit::Kind::kSteal, Unit::Kind::kReplay}, [this](const auto& pending,
                                                                const auto& done) {
      return steal_surrogates(suite_, plan_, attacks_, model(), pending, options_, store_, done);
    });
  }

  const Model& model() {
    if (loaded_ == nullptr) loaded_ = &model_();
    return *loaded_;
  }

  void run_phase(const std::set<Unit::Kind>& kinds) {
    const std::vector<const Unit*> pending = pending_of(kinds);
    if (pending.empty() || !go_on()) return;
    const Model* model = kinds.contains(Unit::Kind::kScore) ? nullptr : &this->model();
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next++; i < pending.size(); i = next++) {
        if (!go_on() || !wait_for(*pending[i])) return;
        run_one(*pending[i], model);
        finished_.notify_all();
      }
    };
    arena_.execute([&] {
      tbb::task_group group;
      for (int i = 0; i < options_.workers; ++i) group.run(work);
      group.wait();
    });
    if (failure_) std::rethrow_exception(failure_);
  }

  bool go_on() {
    const std::lock_guard lock(mutex_);
    if (failure_ || !interrupted_.empty()) return false;
    interrupted_ = options_.stop();
    // Who waits for a unit that nobody will run now.
    if (!interrupted_.empty()) finished_.notify_all();
    return interrupted_.empty();
  }

  UnitResult compute(const Unit& unit, const Model* model) {
    const auto start = std::chrono::steady_clock::now();
    UnitResult result = work_on(unit, model);
    result.key = unit.key;
    result.cell = unit.cell;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    result.cost.time_s = took.count();
    return result;
  }

  UnitResult work_on(const Unit& unit, const Model* model) {
    const ResultOf results = [this](const std::string& key) -> const UnitResult& {
      return result_of(key);
    };
    switch (unit.kind) {
      case Unit::Kind::kOutputs:
        return run_outputs(suite_, plan_, unit, *model, results, options_, store_);
      case Unit::Kind::kBoundary:
        return run_boundary(suite_, plan_, unit, attacks_, *model, options_, store_);
      case Unit::Kind::kFeatures:
        return run_features(suite_, plan_, unit, store_);
      case Unit::Kind::kTransfer:
        return run_transfer(suite_, plan_, unit, attacks_, *model, results, options_, store_);
      case Unit::Kind::kScore:
        return run_score(suite_, scoring_of(suite_, plan_, unit), attacks_, results,
                         [this](const std::string& sha) { return store_->get_blob(sha); });
      default:
        return run_unit(suite_, plan_, unit, samples_, attacks_, *model, results, options_, store_);
    }
  }

  void keep(const Unit& unit, UnitResult result) {
    result.index = places_.at(unit.key);
    store_->put(to_stored(result, unit, plan_));
    const std::lock_guard lock(mutex_);
    pace_.finish(unit, work_of(plan_, unit), result.cost.time_s);
    results_.emplace(unit.key, std::move(result));
    ++computed_;
    report(unit);
  }

  void run_one(const Unit& unit, const Model* model) {
    options_.under_way(unit, true);
    try_one(unit, model);
    options_.under_way(unit, false);
  }

  void try_one(const Unit& unit, const Model* model) {
    try {
      std::unique_lock<std::mutex> alone;
      if (model != nullptr && model->facts().random) {
        // TorchScript draws from one generator per process: one unit at a time, seeded by its key.
        alone = std::unique_lock(random_mutex_);
        seed_generator(unit.key);
      }
      keep(unit, compute(unit, model));
    } catch (const AttackFault& fault) {
      const AttackSpec& spec = suite_.attacks[unit.entry];
      const std::lock_guard lock(mutex_);
      if (failure_) return;
      failure_ = std::make_exception_ptr(Error(spec.where, "cell " + unit.cell +
                                                               ": a bug in attack `" + spec.attack +
                                                               "`, or in assay: " + fault.what()));
    } catch (const Error& error) {
      const std::lock_guard lock(mutex_);
      if (error.code() == ExitCode::kIncomplete) {
        if (interrupted_.empty()) interrupted_ = error.what();
      } else if (!failure_) {
        failure_ = std::current_exception();
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      if (interrupted_.empty()) {
        interrupted_ = "unit " + unit.key.substr(0, 12) + " of " +
                       (unit.cell.empty() ? "the clean pass" : unit.cell) +
                       " failed: " + std::string(error.what()).substr(0, 400);
      }
    }
  }

  // Waits for the units that this one builds on: they come earlier, and so are under way. False if
  // the run ends first.
  bool wait_for(const Unit& unit) {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] {
      return failure_ || !interrupted_.empty() ||
             std::all_of(unit.after.begin(), unit.after.end(),
                         [this](const std::string& key) { return results_.contains(key); });
    });
    return !failure_ && interrupted_.empty();
  }

  const UnitResult& result_of(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return results_.at(key);  // never removed or changed
  }

  void report(const Unit& unit) {
    Progress progress;
    progress.done = results_.size();
    progress.total = mine_.size();
    progress.computed = computed_;
    progress.cell = unit.cell;
    progress.left_s = pace_.left_s(options_.workers);
    progress.elapsed_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    options_.progress(progress);
  }

  Evidence described() const {
    Evidence evidence;
    evidence.header = plan_.header;
    evidence.interrupted = interrupted_;
    return evidence;
  }

  // All results, which leave this object: runs are large, and copies of them larger.
  Evidence hand_over() {
    Evidence evidence = described();
    for (const Unit* unit : mine_) {
      const auto found = results_.find(unit->key);
      if (found != results_.end()) evidence.units.push_back(std::move(found->second));
    }
    if (interrupted_.empty() && options_.shards > 1 && !evidence.complete()) {
      evidence.interrupted = shard_reason(options_.shard, options_.shards);
    }
    return evidence;
  }

  const Suite& suite_;
  const Plan& plan_;
  const Samples& samples_;
  const std::vector<Attack>& attacks_;
  const std::function<const Model&()>& model_;
  Store* store_;
  const RunOptions& options_;
  const tbb::global_control allowed_;  // more workers than cores are the user's choice
  tbb::task_arena arena_;
  EnterWorkers observer_;
  const Model* loaded_ = nullptr;
  std::vector<const Unit*> mine_;
  std::set<std::string> seen_;
  std::map<std::string, int64_t> places_;
  std::mutex random_mutex_;
  std::condition_variable finished_;  // a unit has a result, or the run ends
  std::mutex mutex_;                  // guards what follows while workers run
  std::map<std::string, UnitResult> results_;
  size_t computed_ = 0;
  Pace pace_;
  std::string interrupted_;
  std::exception_ptr failure_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

std::string shard_reason(int64_t shard, int64_t shards) {
  return "shard " + std::to_string(shard) + " of " + std::to_string(shards);
}

Evidence run_plan(const Suite& suite, const Plan& plan, const Samples& samples,
                  const std::vector<Attack>& attacks, const std::function<const Model&()>& model,
                  Store* store, const RunOptions& options) {
  return Runner(suite, plan, samples, attacks, model, store, options).run();
}

}  // namespace assay

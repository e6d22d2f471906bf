#include <algorithm>
#include <chrono>
#include <numeric>

#include "harness/run/judge.h"
#include "harness/run/run.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

at::Tensor read_range(const Samples& samples, int64_t begin, int64_t end) {
  return samples.dataset->read(
      std::span(samples.indices)
          .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
}

// Crashes of earlier attempts at one unit. It then goes row by row: a row's result does not depend
// on the others.
class UnitCrashes {
 public:
  UnitCrashes(const std::vector<Crash>& crashes, const std::string& unit)
      : enough_(crashes.size() >= kMost) {
    for (const Crash& crash : crashes) {
      if (crash.work == unit) mine_.push_back(crash);
    }
  }
  bool any() const { return !mine_.empty(); }
  // Why this row of the unit is not tried again, or "".
  std::string reason(int64_t row) const {
    for (const Crash& crash : mine_) {
      if (crash.row == row) return "the model crashed the process (" + crash.signal + ")";
    }
    if (enough_ && any()) {
      return "not tried: the model had crashed the process " + std::to_string(kMost) + " times";
    }
    return "";
  }

 private:
  static constexpr size_t kMost = 32;  // each costs a start of the process
  std::vector<Crash> mine_;
  bool enough_;
};

void blame(const std::string& detail, Verdict* row) {
  row->status = Status::kError;
  row->cause = Cause::kCandidate;
  row->detail = detail;
}

// Labels of clean inputs; a row whose forward fails by itself is the candidate's fault.
void run_clean(const Model& model, const at::Tensor& x, const UnitCrashes& crashes,
               UnitResult* result) {
  const auto label_rows = [&](const at::Tensor& part, int64_t first) {
    const at::Tensor logits = model.judge(part);  // [m, K]
    const at::Tensor labels = logits.argmax(1);
    const at::Tensor finite = logits.isfinite().all(1);
    for (int64_t i = 0; i < part.size(0); ++i) {
      Verdict& row = result->rows[static_cast<size_t>(first + i)];
      if (finite[i].item<bool>()) {
        row.clean = labels[i].item<int64_t>();
        continue;
      }
      blame("the model returned NaN or infinity for the clean input", &row);
    }
  };
  const auto label_each = [&] {
    for (int64_t i = 0; i < x.size(0); ++i) {
      Verdict& row = result->rows[static_cast<size_t>(i)];
      const std::string reason = crashes.reason(i);
      if (!reason.empty()) {
        blame(reason, &row);
        continue;
      }
      try {
        const Working on_row(result->key, i);
        label_rows(x.narrow(0, i, 1), i);
      } catch (const ModelFailure& failure) {
        blame(failure.what(), &row);
      }
    }
  };
  if (crashes.any()) {
    label_each();
  } else {
    try {
      label_rows(x, 0);
    } catch (const ModelFailure&) {
      label_each();
    }
  }
  result->cost.judged += x.size(0);
}

// The rows of a unit that an attack is to work on.
struct Chosen {
  std::vector<int64_t> rows;     // positions in the unit
  std::vector<int64_t> labels;   // their true labels
  std::vector<int64_t> targets;  // targeted goals
};

int64_t target_of(const ThreatModel& threat, const Rng& rng, uint64_t id, int64_t label,
                  int64_t classes, const at::Tensor& clean_logits) {
  switch (threat.target.kind) {
    case Target::Kind::kNext:
      return (label + 1) % classes;
    case Target::Kind::kRandom: {
      const double u = rng.uniform(id, 0, 0);
      const auto offset = static_cast<int64_t>(u * static_cast<double>(classes - 1));
      return (label + 1 + std::min(offset, classes - 2)) % classes;
    }
    case Target::Kind::kLeastLikely:
      return clean_logits.argmin().item<int64_t>();
    default:
      return threat.target.label;
  }
}

// Fills in what is known without an attack, and picks the rows that need one.
Chosen choose_rows(const Suite& suite, const Header& header, const Unit& unit,
                   const ThreatModel& threat, const Model& model, const at::Tensor& x,
                   const std::vector<int64_t>& clean, std::vector<Verdict>* rows) {
  Chosen chosen;
  const Rng rng(suite.seed, "target", 0);
  const bool needs_logits =
      threat.goal == Goal::kTargeted && threat.target.kind == Target::Kind::kLeastLikely;
  for (size_t i = 0; i < rows->size(); ++i) {
    Verdict& row = (*rows)[i];
    const SampleInfo& sample = header.samples[static_cast<size_t>(unit.begin) + i];
    row.clean = clean[i];
    if (row.clean < 0) {
      blame("the model failed on the clean input", &row);
      continue;
    }
    if (row.clean != sample.label) {
      row.status = Status::kMisclassified;
      continue;
    }
    if (threat.goal == Goal::kTargeted) {
      const auto position = static_cast<int64_t>(i);
      const int64_t target =
          target_of(threat, rng, hash64(sample.id), sample.label, model.classes(),
                    needs_logits ? model.judge(x.narrow(0, position, 1))[0] : at::Tensor());
      if (target == sample.label) {
        row.detail = "its own label is the target";
        continue;
      }
      chosen.targets.push_back(target);
    }
    chosen.rows.push_back(static_cast<int64_t>(i));
    chosen.labels.push_back(sample.label);
  }
  return chosen;
}

Block make_block(const at::Tensor& x, const Chosen& chosen, const Header& header,
                 const Unit& unit) {
  Block block;
  block.x = x.index_select(0, at::tensor(chosen.rows, at::kLong)).contiguous();
  block.y = at::tensor(chosen.labels, at::kLong);
  if (!chosen.targets.empty()) block.target = at::tensor(chosen.targets, at::kLong);
  for (const int64_t row : chosen.rows) {
    block.ids.push_back(hash64(header.samples[static_cast<size_t>(unit.begin + row)].id));
  }
  return block;
}

Block one_row(const Block& block, int64_t row) {
  Block one;
  one.x = block.x.narrow(0, row, 1);
  one.y = block.y.narrow(0, row, 1);
  if (block.target.defined()) one.target = block.target.narrow(0, row, 1);
  one.ids = {block.ids[static_cast<size_t>(row)]};
  return one;
}

// What is the same for every row of an attack unit.
struct Task {
  const Model& model;
  const ThreatModel threat;
  const Bound bound;
  const Rng rng;
  const std::string attack;
};

// What is judged of a row that the candidate failed on.
Judged fault_of_row(const Block& block, const std::string& detail) {
  Judged judged;
  judged.rows.resize(1);
  blame(detail, &judged.rows[0]);
  judged.adversarials = block.x.narrow(0, 0, 0);
  return judged;
}

// Puts together what `attack` returns for each row of a block alone.
template <typename AttackRow>
Judged row_by_row(const Block& block, AttackRow attack) {
  Judged judged;
  std::vector<at::Tensor> found;
  int64_t kept = 0;
  for (int64_t i = 0; i < block.size(); ++i) {
    Judged one = attack(i);
    if (one.rows[0].tensor_row >= 0) one.rows[0].tensor_row = kept++;
    judged.rows.push_back(one.rows[0]);
    found.push_back(one.adversarials);
  }
  judged.adversarials = at::cat(found, 0);
  return judged;
}

// Attacks and judges a block. Where the model throws, each row is tried by itself: rows do not
// influence each other, so the others come out as they would have.
Judged attack_block(const Task& task, const Block& block, Cost* cost, int64_t* zero_gradients) {
  Oracle oracle(task.model, task.threat, block, task.bound.budget.queries,
                task.bound.budget.gradients);
  Judged judged;
  try {
    const Candidates candidates = task.bound.evade(oracle, block, task.rng);
    judged = judge_block(task.model, oracle, candidates, task.attack);
  } catch (const ModelFailure& failure) {
    if (block.size() == 1) {
      return fault_of_row(block, failure.what());
    }
    return row_by_row(block, [&](int64_t i) {
      return attack_block(task, one_row(block, i), cost, zero_gradients);
    });
  }
  cost->forwards += oracle.queries().sum().item<int64_t>();
  cost->gradients += oracle.gradients().sum().item<int64_t>();
  cost->judged += judged.forwards;
  *zero_gradients += oracle.zero_gradients().sum().item<int64_t>();
  return judged;
}

Block sub_block(const Block& block, const std::vector<int64_t>& rows) {
  if (static_cast<int64_t>(rows.size()) == block.size()) return block;
  const at::Tensor index = at::tensor(rows, at::kLong);
  Block part;
  part.x = block.x.index_select(0, index);
  part.y = block.y.index_select(0, index);
  if (block.target.defined()) part.target = block.target.index_select(0, index);
  for (const int64_t row : rows) part.ids.push_back(block.ids[static_cast<size_t>(row)]);
  return part;
}

// Takes over what a later stage found out about a sample, and adds up what it cost.
void add_stage(const Verdict& later, Verdict* row) {
  const int64_t queries = row->queries + later.queries;
  const int64_t gradients = row->gradients + later.gradients;
  // A doubtful claim stays on record unless a later stage breaks the sample.
  if (later.status != Status::kRobust || row->status == Status::kRobust) *row = later;
  row->queries = queries;
  row->gradients = gradients;
}

// Runs the tasks in order, each on the samples that no earlier one broke.
Judged attack_in_stages(const std::vector<Task>& tasks, const Block& block, Cost* cost,
                        int64_t* zero_gradients) {
  Judged total;
  total.rows.resize(static_cast<size_t>(block.size()));
  std::vector<int64_t> left(static_cast<size_t>(block.size()));
  std::iota(left.begin(), left.end(), 0);
  std::vector<at::Tensor> found;
  int64_t kept = 0;
  for (const Task& task : tasks) {
    if (left.empty()) break;
    const Judged judged = attack_block(task, sub_block(block, left), cost, zero_gradients);
    std::vector<int64_t> survivors;
    for (size_t i = 0; i < left.size(); ++i) {
      Verdict& row = total.rows[static_cast<size_t>(left[i])];
      add_stage(judged.rows[i], &row);
      if (judged.rows[i].status == Status::kBroken) {
        row.tensor_row = kept++;
      } else if (judged.rows[i].status != Status::kError) {
        survivors.push_back(left[i]);
      }
    }
    found.push_back(judged.adversarials);
    left = std::move(survivors);
  }
  total.adversarials = at::cat(found, 0);
  return total;
}

// Bytes of a contiguous tensor, as they go into a blob.
std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()};
}

// An entry's attack or, for an ensemble, its stages in order.
std::vector<Task> make_tasks(const Suite& suite, const Unit& unit,
                             const std::vector<Attack>& attacks, const Model& model) {
  const AttackSpec& entry = suite.attacks[unit.entry];
  const auto task = [&](const AttackSpec& spec, uint64_t stage, const std::string& name) {
    ThreatModel threat = spec.threat;
    threat.eps = unit.eps;
    return Task{model, threat, bind_entry(spec, threat, attacks),
                Rng(suite.seed, spec.attack, stage), name};
  };
  if (entry.stages.empty()) return {task(entry, 0, entry.attack)};
  std::vector<Task> tasks;
  for (size_t i = 0; i < entry.stages.size(); ++i) {
    tasks.push_back(task(entry.stages[i], i, entry.stages[i].name));
  }
  return tasks;
}

}  // namespace

UnitResult run_unit(const Suite& suite, const Plan& plan, const Unit& unit, const Samples& samples,
                    const std::vector<Attack>& attacks, const Model& model,
                    const std::vector<int64_t>& clean, const std::vector<Crash>& crashes,
                    Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(crashes, unit.key);
  const Clock::time_point start = Clock::now();
  UnitResult result;
  result.key = unit.key;
  result.cell = unit.cell;
  result.rows.resize(static_cast<size_t>(unit.end - unit.begin));
  for (size_t i = 0; i < result.rows.size(); ++i) {
    result.rows[i].sample = unit.begin + static_cast<int64_t>(i);
  }
  const at::Tensor x = read_range(samples, unit.begin, unit.end);
  if (unit.kind == Unit::Kind::kClean) {
    run_clean(model, x, crashed, &result);
    result.cost.time_s = since(start);
    return result;
  }
  const std::vector<Task> tasks = make_tasks(suite, unit, attacks, model);
  const Chosen chosen =
      choose_rows(suite, plan.header, unit, tasks[0].threat, model, x, clean, &result.rows);
  int64_t zero_gradients = 0;
  if (!chosen.rows.empty()) {
    const Block block = make_block(x, chosen, plan.header, unit);
    const Judged judged =
        crashed.any() ? row_by_row(block,
                                   [&](int64_t i) {
                                     const int64_t row = chosen.rows[static_cast<size_t>(i)];
                                     const std::string reason = crashed.reason(row);
                                     if (!reason.empty()) return fault_of_row(block, reason);
                                     const Working on_row(unit.key, row);
                                     return attack_in_stages(tasks, one_row(block, i), &result.cost,
                                                             &zero_gradients);
                                   })
                      : attack_in_stages(tasks, block, &result.cost, &zero_gradients);
    std::string blob;
    if (judged.adversarials.size(0) > 0) blob = store->put_blob(bytes_of(judged.adversarials));
    for (size_t i = 0; i < judged.rows.size(); ++i) {
      Verdict& row = result.rows[static_cast<size_t>(chosen.rows[i])];
      const Verdict before = row;
      row = judged.rows[i];
      row.sample = before.sample;
      row.clean = before.clean;
      if (row.tensor_row >= 0) row.tensors = blob;
    }
  }
  if (zero_gradients * 10 > result.cost.gradients) {
    result.flags.push_back({"zero_gradient", unit.cell,
                            "more than a tenth of the attack's gradients are zero in every entry",
                            "gradients are masked or saturated; use loss: margin or dlr, or add an "
                            "attack with score access"});
  }
  result.cost.time_s = since(start);
  return result;
}

}  // namespace assay

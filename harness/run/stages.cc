#include "harness/run/stages.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

#include "harness/run/chances.h"
#include "harness/run/plan.h"
#include "harness/run/probes.h"

namespace assay {
namespace {

// Of the samples that stand though the attack took steps enough, those that it failed to lower the
// margin of: by scores, with any step; by gradients, as these do not lead down.
std::vector<bool> gone_astray(const Task& task, const Oracle& oracle, const JudgedBlock& judged) {
  const Trace& trace = *oracle.trace();
  const bool gradients = oracle.threat().access == Access::kGradient;
  std::vector<bool> astray(judged.rows.size(), false);
  std::vector<int64_t> rows;
  for (size_t i = 0; i < astray.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (judged.rows[i].status != Status::kRobust) continue;
    if (gradients ? trace.tells(row) : trace.stalled(row)) rows.push_back(row);
  }
  if (rows.empty()) return astray;
  const std::vector<bool> falls =
      falls_by_gradient(task.model, oracle.threat(), sub_block(oracle.block(), rows));
  for (size_t i = 0; i < rows.size(); ++i) astray[static_cast<size_t>(rows[i])] = !falls[i];
  return astray;
}

// Looks around the samples at which the attack went astray and, where nothing bounds the distance,
// so that it should have broken all that it can, around each that stands. What breaks there is
// judged as a claim of the attack is.
void look_around_standing(const Task& task, const Oracle& oracle, JudgedBlock* judged) {
  if (!oracle.trace()) return;
  const std::vector<bool> astray = gone_astray(task, oracle, *judged);
  std::vector<int64_t> rows;
  std::vector<double> least;
  for (size_t i = 0; i < astray.size(); ++i) {
    const bool missed = !oracle.threat().eps && judged->rows[i].status == Status::kRobust;
    if (!astray[i] && !missed) continue;
    rows.push_back(static_cast<int64_t>(i));
    least.push_back(oracle.trace()->least_margin(rows.back()));
  }
  if (rows.empty()) return;
  constexpr uint64_t kStage = uint64_t{1} << 32;  // no attack's
  const Block around = sub_block(oracle.block(), rows);
  const Chances chances =
      look_by_chance(task.model, oracle.threat(), around, least, task.rng.stage(kStage));
  const Oracle fresh(task.model, oracle.threat(), around, 0, 0);
  const JudgedBlock broken = judge_block(task.model, fresh, chances.broken, task.attack);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<size_t>(rows[i]);
    Signs& signs = judged->signs[row];
    signs.stalled = astray[row] && chances.slopes[i] == Slope::kFalls;
    signs.flat = astray[row] && chances.slopes[i] == Slope::kFlat;
    if (broken.rows[i].status == Status::kBroken) signs.missed_at = broken.rows[i].distance;
  }
  judged->forwards += kChances * static_cast<int64_t>(rows.size()) + broken.forwards;
}

// Looks whether one step against the mean of gradients around breaks some of the samples that
// stand, and comes much further down than the attack in all of its own.
void try_mean_gradient(const Task& task, const Oracle& oracle, JudgedBlock* judged) {
  const ThreatModel& threat = oracle.threat();
  if (!oracle.trace() || threat.access != Access::kGradient || !threat.eps) return;
  if (!task.model.facts().gradient) return;
  constexpr uint64_t kOneOf = 4;    // samples by their ids: a shattered gradient is none's alone
  constexpr double kFurther = 0.2;  // of the attack's own fall; luck finds another valley at times
  constexpr double kMatters = 0.1;  // of the clean margin; cross-entropy may fall where that rises
  std::vector<int64_t> rows;
  for (size_t i = 0; i < judged->rows.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const Trace& trace = *oracle.trace();
    if (judged->rows[i].status != Status::kRobust || !trace.tells(row)) continue;
    if (!std::isfinite(trace.least_margin(row)) || trace.crossed(row) || trace.unfinished(row)) {
      continue;
    }
    if (oracle.block().ids[i] % kOneOf == 0) rows.push_back(row);
  }
  if (rows.empty()) return;
  constexpr uint64_t kStage = (uint64_t{1} << 32) + 2;  // no attack's
  const Block around = sub_block(oracle.block(), rows);
  const MeanStep step = step_by_mean_gradient(task.model, threat, around, task.rng.stage(kStage));
  const Oracle fresh(task.model, threat, around, 0, 0);
  const JudgedBlock broken = judge_block(task.model, fresh, step.ends, task.attack);
  for (size_t i = 0; i < rows.size(); ++i) {
    Signs& signs = judged->signs[static_cast<size_t>(rows[i])];
    const double before = step.before.const_data_ptr<double>()[i];
    const double least = std::min(before, oracle.trace()->least_margin(rows[i]));
    const double after = step.after.const_data_ptr<double>()[i];
    const double slack = kSlack * std::max(std::abs(before), std::abs(after));
    const double gap = std::max(kFurther * (before - least), kMatters * std::abs(before));
    const bool further = after < least - gap - slack;
    signs.averaged = true;
    if (!further || broken.rows[i].status != Status::kBroken) continue;
    signs.stalled = signs.turned = true;
    signs.missed_at = std::min(signs.missed_at, broken.rows[i].distance);
  }
  judged->forwards += (kSmoothing + 2) * static_cast<int64_t>(rows.size()) + broken.forwards;
}

// Attacks and judges a block. Where the model throws, each row is tried by itself: rows do not
// influence each other, so the others come out as they would have.
JudgedBlock attack_block(const Task& task, Block block, Cost* cost) {
  supply(task.supplies, task.source, &block);
  Oracle oracle(task.model, task.threat, block, task.bound.budget.queries,
                task.bound.budget.gradients);
  if (task.minimum_norm) oracle.trace_distances();  // a stage at the ensemble's eps
  JudgedBlock judged;
  std::optional<std::string> failed;
  try {
    const Candidates candidates = task.bound.evade(oracle, block, task.rng);
    judged = judge_block(task.model, oracle, candidates, task.attack);
    look_around_standing(task, oracle, &judged);
    try_mean_gradient(task, oracle, &judged);
  } catch (const ModelFailure& failure) {
    failed = failure.what();
  }
  if (failed && block.size() > 1) {
    return row_by_row(block,
                      [&](int64_t i) { return attack_block(task, sub_block(block, {i}), cost); });
  }
  if (failed) {
    judged = fault_of_row(block, *failed);
    judged.rows[0].queries = oracle.queries().sum().item<int64_t>();
    judged.rows[0].gradients = oracle.gradients().sum().item<int64_t>();
  }
  cost->forwards += oracle.queries().sum().item<int64_t>();
  cost->gradients += oracle.gradients().sum().item<int64_t>();
  cost->judged += judged.forwards;
  return judged;
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

void add_signs(const Signs& later, Access access, Signs* signs) {
  signs->zero_gradients += later.zero_gradients;
  signs->nonfinite_gradients += later.nonfinite_gradients;
  // The last stage that can tell and sees no less than those before has the last word: scores or
  // labels that end well do not show that gradients did. One that took too few steps to tell has it
  // only where none before saw as much.
  const bool stepped = signs->traced || signs->hasty;
  const bool heard = later.traced ? !stepped || access <= signs->traced_by
                                  : later.hasty && (!stepped || access < signs->traced_by);
  if (heard) {
    signs->traced = later.traced;
    signs->unfinished = later.unfinished;
    signs->hasty = later.hasty;
    // Another stage that saw as much went somewhere.
    const bool same = stepped && access == signs->traced_by;
    signs->stalled = later.stalled && (!same || signs->stalled);
    signs->averaged = later.averaged || (same && signs->averaged);
    signs->turned = signs->stalled && (later.turned || (same && signs->turned));
    signs->flat = later.flat && (!same || signs->flat);
    signs->traced_by = access;
  }
  signs->unstarted = signs->unstarted || later.unstarted;
  signs->silent = signs->silent || later.silent;
  signs->blind = signs->blind || later.blind;
  signs->led = signs->led || later.led;
  signs->missed_at = std::min(signs->missed_at, later.missed_at);
}

// What the gate must know of a sample: that no stage was led to its nearest point, or to any, or
// that one that stands can be broken.
void note_doubt(const Signs& signs, bool nearest, Verdict* row) {
  const bool stands = row->status == Status::kRobust;
  if (signs.blind && !signs.led && (stands || (nearest && row->status == Status::kBroken))) {
    row->doubt = Doubt::kBlind;
    row->doubt_distance = 0;
  } else if (stands && std::isfinite(signs.missed_at)) {
    row->doubt = Doubt::kChance;
    row->doubt_distance = signs.missed_at;
  }
}

Task make_task(const Suite& suite, const AttackSpec& spec, std::optional<double> eps,
               uint64_t stage, const std::vector<Attack>& attacks, const Model& model,
               const Supplies& supplies) {
  ThreatModel threat = spec.threat;
  threat.eps = eps;
  return {model,
          threat,
          bind_entry(spec, threat, attacks),
          Rng(suite.seed, spec.attack, stage),
          spec.name,
          source_of(spec),
          supplies,
          find_attack(attacks, spec.attack).info.minimum_norm};
}

// An entry's attack or, for an ensemble, its stages in order.
std::vector<AttackSpec> stages_of(const AttackSpec& entry) {
  if (!entry.stages.empty()) return entry.stages;
  AttackSpec only = entry;
  only.name = entry.attack;
  return {only};
}

}  // namespace

void blame(const std::string& detail, Verdict* row) {
  row->status = Status::kError;
  row->cause = Cause::kCandidate;
  row->detail = detail;
}

JudgedBlock fault_of_row(const Block& block, const std::string& detail) {
  JudgedBlock judged;
  judged.rows.resize(1);
  judged.signs.resize(1);
  blame(detail, &judged.rows[0]);
  judged.adversarials = block.x.narrow(0, 0, 0);
  return judged;
}

JudgedBlock in_parts(int64_t n, const std::vector<std::vector<int64_t>>& parts,
                     const std::function<JudgedBlock(const std::vector<int64_t>&)>& attack) {
  JudgedBlock judged;
  judged.rows.resize(static_cast<size_t>(n));
  judged.signs.resize(static_cast<size_t>(n));
  std::vector<at::Tensor> found;
  int64_t kept = 0;
  for (const std::vector<int64_t>& part : parts) {
    JudgedBlock of_part = attack(part);
    for (size_t i = 0; i < part.size(); ++i) {
      Verdict& row = of_part.rows[i];
      if (row.tensor_row >= 0) row.tensor_row += kept;
      judged.rows[static_cast<size_t>(part[i])] = row;
      judged.signs[static_cast<size_t>(part[i])] = of_part.signs[i];
    }
    kept += of_part.adversarials.size(0);
    found.push_back(of_part.adversarials);
  }
  judged.adversarials = at::cat(found, 0);
  return judged;
}

JudgedBlock row_by_row(const Block& block, const std::function<JudgedBlock(int64_t)>& attack) {
  std::vector<std::vector<int64_t>> rows;
  for (int64_t i = 0; i < block.size(); ++i) rows.push_back({i});
  return in_parts(block.size(), rows,
                  [&attack](const std::vector<int64_t>& row) { return attack(row[0]); });
}

Block sub_block(const Block& block, const std::vector<int64_t>& rows) {
  if (static_cast<int64_t>(rows.size()) == block.size()) return block;
  const at::Tensor index = at::tensor(rows, at::kLong);
  Block part;
  part.stop = block.stop;
  part.x = block.x.index_select(0, index);
  part.y = block.y.index_select(0, index);
  if (block.target.defined()) part.target = block.target.index_select(0, index);
  for (const int64_t row : rows) part.ids.push_back(block.ids[static_cast<size_t>(row)]);
  return part;
}

JudgedBlock attack_in_stages(const std::vector<Task>& tasks, const Block& block, Cost* cost) {
  JudgedBlock total;
  total.rows.resize(static_cast<size_t>(block.size()));
  total.signs.resize(static_cast<size_t>(block.size()));
  std::vector<int64_t> left(static_cast<size_t>(block.size()));
  std::iota(left.begin(), left.end(), 0);
  std::vector<at::Tensor> found;
  int64_t kept = 0;
  for (const Task& task : tasks) {
    if (left.empty()) break;
    const JudgedBlock judged = attack_block(task, sub_block(block, left), cost);
    std::vector<int64_t> survivors;
    for (size_t i = 0; i < left.size(); ++i) {
      Verdict& row = total.rows[static_cast<size_t>(left[i])];
      add_stage(judged.rows[i], &row);
      add_signs(judged.signs[i], task.threat.access, &total.signs[static_cast<size_t>(left[i])]);
      if (judged.rows[i].status == Status::kBroken) {
        row.tensor_row = kept++;
      } else if (judged.rows[i].status != Status::kError) {
        survivors.push_back(left[i]);
      }
    }
    found.push_back(judged.adversarials);
    left = std::move(survivors);
  }
  // What stands has seen every stage: with one that sees more than labels, it was tried.
  const bool tried = std::any_of(tasks.begin(), tasks.end(), [](const Task& task) {
    return task.threat.access != Access::kLabel;
  });
  for (size_t i = 0; i < total.signs.size(); ++i) {
    total.signs[i].unstarted = total.signs[i].unstarted && !tried;
    note_doubt(total.signs[i], !tasks.front().threat.eps, &total.rows[i]);
  }
  total.adversarials = at::cat(found, 0);
  return total;
}

Diagnosis diagnosis_of(const JudgedBlock& judged, bool nearest) {
  Diagnosis sum;
  for (size_t i = 0; i < judged.rows.size(); ++i) {
    const Verdict& row = judged.rows[i];
    const Signs& signs = judged.signs[i];
    sum.gradients += row.gradients;
    sum.zero_gradients += signs.zero_gradients;
    sum.nonfinite_gradients += signs.nonfinite_gradients;
    sum.broken += row.status == Status::kBroken;
    sum.silent += signs.silent;
    const bool broken = row.status == Status::kBroken;
    if (row.status == Status::kRobust || (broken && nearest)) {
      sum.traced += signs.traced;
      sum.unfinished += signs.unfinished;
      sum.hasty += signs.hasty;
    }
    if (row.status != Status::kRobust) continue;
    ++sum.standing;
    sum.blinded += signs.nonfinite_gradients > 0;
    sum.unstarted += signs.unstarted;
    sum.stalled += signs.stalled;
    sum.averaged += signs.averaged;
    sum.turned += signs.turned;
    sum.flat += signs.flat;
    sum.unguided += row.gradients > 0 && signs.zero_gradients == row.gradients;
  }
  return sum;
}

std::vector<Task> make_tasks(const Suite& suite, const Unit& unit, double share,
                             const std::vector<Attack>& attacks, const Model& model,
                             const Supplies& supplies) {
  std::vector<Task> tasks;
  const AttackSpec& entry = suite.attacks[unit.entry];
  std::optional<double> eps = unit.eps;
  if (eps) eps = share_of_eps(entry.threat.norm, *eps, share);
  for (const AttackSpec& spec : stages_of(entry)) {
    tasks.push_back(make_task(suite, spec, eps, tasks.size(), attacks, model, supplies));
  }
  return tasks;
}

std::vector<Task> whole_box_tasks(const Suite& suite, const Unit& unit,
                                  const std::vector<Attack>& attacks, const Model& model,
                                  const Supplies& supplies) {
  std::vector<Task> tasks;
  if (!unit.eps) return tasks;
  uint64_t stage = 0;
  const int64_t d = entries_of(suite.model.shape);
  for (const AttackSpec& spec : stages_of(suite.attacks[unit.entry])) {
    const double radius = whole_box_radius(spec.threat, d);
    const std::optional<AttackSpec> wide = whole_box_spec(spec, *unit.eps, radius);
    ++stage;
    if (!wide) continue;
    Task task = make_task(suite, *wide, radius, stage - 1, attacks, model, supplies);
    // Attacks without `steps` iterate if they may ask for more gradients than one.
    if (wide->params.contains("steps") || task.bound.budget.gradients > 1) tasks.push_back(task);
  }
  return tasks;
}

}  // namespace assay

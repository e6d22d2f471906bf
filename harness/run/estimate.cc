#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>

#include "harness/run/judge.h"
#include "harness/run/run.h"
#include "harness/run/steals.h"

namespace assay {
namespace {

// A line of /proc/self/status in bytes, e.g. VmHWM.
int64_t status_bytes(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    int64_t kilobytes = 0;
    if (word == field + ":" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// Seconds of one attack on a block, judging included.
double time_attack(const Suite& suite, const AttackSpec& spec, std::optional<double> eps,
                   const std::vector<Attack>& attacks, const Model& model, const Block& block) {
  ThreatModel threat = spec.threat;
  threat.eps = find_attack(attacks, spec.attack).info.minimum_norm ? std::nullopt : eps;
  const Bound bound = bind_entry(spec, threat, attacks);
  const auto start = std::chrono::steady_clock::now();
  Oracle oracle(model, threat, block, bound.budget.queries, bound.budget.gradients);
  const Candidates candidates = bound.evade(oracle, block, Rng(suite.seed, spec.attack, 0));
  judge_block(model, oracle, candidates, spec.attack);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

UnitEstimate estimate_unit(const Suite& suite, const Cell& cell, const std::vector<Attack>& attacks,
                           const Model& model, const at::Tensor& x) {
  const AttackSpec& entry = suite.attacks[cell.spec];
  const std::vector<AttackSpec> stages =
      entry.stages.empty() ? std::vector<AttackSpec>{entry} : entry.stages;
  const int64_t classes = model.classes();
  const at::Tensor labels = model.logits(x).argmax(1);
  const bool targeted = entry.threat.goal == Goal::kTargeted;
  Block block;
  block.x = x;
  for (int64_t i = 0; i < x.size(0); ++i) block.ids.push_back(static_cast<uint64_t>(i));
  const auto aim = [&](const at::Tensor& y) {
    block.y = y;
    if (targeted) block.target = y.add(1).remainder(classes);
  };
  UnitEstimate estimate;
  // What an earlier cell used and freed would hide what this one needs.
  malloc_trim(0);
  // Writing 5 resets the peak; where that is not allowed the whole process's peak is compared.
  std::ofstream("/proc/self/clear_refs") << 5;
  const int64_t before = status_bytes("VmRSS");
  aim(labels);
  for (const AttackSpec& stage : stages) {
    // No point lies within a negative radius, which attacks without one do not read.
    const double eps = stage.threat.unbounded ? -1 : 1e-9 * (suite.model.hi - suite.model.lo);
    block.source = stage.source.empty() ? nullptr : &model;  // as dear as the source, more or less
    estimate.robust_s += time_attack(suite, stage, eps, attacks, model, block);
  }
  estimate.memory = std::max<int64_t>(0, status_bytes("VmHWM") - before);
  // Labels that the model does not give are broken by the first point in the ball, in the first
  // stage; a targeted goal is given the label it has.
  aim(labels.add(targeted ? classes - 1 : 1).remainder(classes));
  estimate.broken_s = time_attack(suite, stages[0], cell.eps, attacks, model, block);
  return estimate;
}

double estimate_audit(const Suite& suite, const AttackSpec& spec,
                      const std::vector<Attack>& attacks, const RecordSets& sets,
                      const Platform& platform, const Model& model, const at::Tensor& x,
                      const std::filesystem::path& path,
                      const std::function<bool(const std::string& key)>& done) {
  const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
  Audit audit = make_audit(suite, spec, inference, sets);
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  Recipe recipe = audit.shadows.recipe;
  if (audit.shadows.count > 0) {
    audit.architecture = std::make_shared<Architecture>(Architecture::of(
        suite.model, path, architecture_file(suite.file.parent_path(), recipe.architecture)));
  }
  double fresh = 0;
  for (const std::string& key : train_keys(suite, audit, platform)) fresh += done(key) ? 0 : 1;
  const Clock::time_point forward = Clock::now();
  model.judge(x);
  const double row = since(forward) / static_cast<double>(x.size(0));
  const double outputs = row * (fresh + 1) * static_cast<double>(inference.views) *
                         static_cast<double>(audit.records.size());
  const double searches =
      row * static_cast<double>(audit.audited) * static_cast<double>(inference.boundary_queries);
  if (fresh == 0) return outputs + searches;
  std::vector<int64_t> rows = trained_on(audit, 0);
  const double all = static_cast<double>(rows.size()) * static_cast<double>(recipe.epochs);
  rows.resize(std::min(rows.size(), static_cast<size_t>(8 * recipe.batch)));
  recipe.epochs = 1;
  const Clock::time_point begin = Clock::now();
  train_shadow(
      *audit.architecture, suite.model, recipe,
      [&audit](std::span<const int64_t> some) {
        std::vector<RecordRef> records;
        for (const int64_t i : some) records.push_back(audit.training[static_cast<size_t>(i)]);
        return read_records(records);
      },
      rows, 0);
  return outputs + searches + fresh * since(begin) * all / static_cast<double>(rows.size());
}

double estimate_heist(const Suite& suite, const AttackSpec& spec,
                      const std::vector<Attack>& attacks, const RecordSets& sets,
                      const Model& model, const at::Tensor& x, const std::filesystem::path& path) {
  const Extraction extraction = bind_entry(spec, spec.threat, attacks).extraction;
  const Audit audit = make_heist(suite, spec, extraction, sets);
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point forward = Clock::now();
  model.judge(x);
  const double row = since(forward) / static_cast<double>(x.size(0));
  const auto steals = static_cast<double>(audit.steals.size());
  double queries = 0;
  for (const Steal& steal : audit.steals) queries += static_cast<double>(steal.budget);
  // A step on a surrogate costs its source about as much as three forwards.
  const double tried = 20.0 * 3 * static_cast<double>(audit.transfer.size()) * steals;
  const double outputs = (steals + 1) * static_cast<double>(audit.records.size());
  const double asked = row * (queries + outputs + tried);
  if (!extraction.surrogate) return asked;
  const std::string& wanted = extraction.recipe.architecture;
  Recipe recipe = extraction.recipe;
  recipe.epochs = 1;
  recipe.least_steps = 8;
  Surrogate surrogate(
      Architecture::of(suite.model, path, architecture_file(suite.file.parent_path(), wanted))
          .anew(suite.model),
      suite.model, recipe, 0);
  const Clock::time_point begin = Clock::now();
  surrogate.fit(x, at::full({x.size(0), model.classes()},
                            1.0 / static_cast<double>(model.classes()), at::kDouble));
  const double steps = std::max<double>(
      8, std::ceil(static_cast<double>(x.size(0)) / static_cast<double>(recipe.batch)));
  const double step = since(begin) / steps;
  double all = 0;
  for (const Steal& steal : audit.steals) {
    const double batches =
        std::ceil(static_cast<double>(steal.budget) / static_cast<double>(recipe.batch));
    all += std::max(static_cast<double>(extraction.recipe.least_steps),
                    batches * static_cast<double>(extraction.recipe.epochs));
  }
  const int64_t trainings = extraction.trainings + (distorts(spec.threat.surface) ? 1 : 0) +
                            (wanted == "candidate" ? 1 : 0);
  return asked + step * all * static_cast<double>(trainings);
}

}  // namespace assay

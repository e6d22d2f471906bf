#include <chrono>
#include <fstream>
#include <string>

#include "harness/run/judge.h"
#include "harness/run/run.h"

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

}  // namespace

UnitEstimate estimate_unit(const Suite& suite, const Cell& cell, const std::vector<Attack>& attacks,
                           const Model& model, const at::Tensor& x) {
  const AttackSpec& spec = suite.attacks[cell.spec];
  const bool minimum_norm = find_attack(attacks, spec.attack).info.minimum_norm;
  const at::Tensor labels = model.logits(x).argmax(1);
  Block block;
  block.x = x;
  for (int64_t i = 0; i < x.size(0); ++i) block.ids.push_back(static_cast<uint64_t>(i));
  const auto time = [&](const at::Tensor& y, std::optional<double> eps) {
    block.y = y;
    if (spec.threat.goal == Goal::kTargeted) block.target = y.add(1).remainder(model.classes());
    ThreatModel threat = spec.threat;
    threat.eps = minimum_norm ? std::nullopt : eps;
    const Bound bound = bind_entry(spec, threat, attacks);
    const auto start = std::chrono::steady_clock::now();
    Oracle oracle(model, threat, block, bound.budget.queries, bound.budget.gradients);
    const Candidates candidates = bound.evade(oracle, block, Rng(suite.seed, spec.attack, 0));
    judge_block(model, oracle, candidates, spec.attack);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  UnitEstimate estimate;
  // Writing 5 resets the peak; where that is not allowed the whole process's peak is compared.
  std::ofstream("/proc/self/clear_refs") << 5;
  const int64_t before = status_bytes("VmRSS");
  estimate.robust_s = time(labels, 1e-9 * (suite.model.hi - suite.model.lo));
  estimate.memory = std::max<int64_t>(0, status_bytes("VmHWM") - before);
  // Wrong labels are broken by the first point inside the ball; a targeted goal gets its own label.
  const at::Tensor wrong = spec.threat.goal == Goal::kTargeted
                               ? labels.add(model.classes() - 1).remainder(model.classes())
                               : labels.add(1).remainder(model.classes());
  estimate.broken_s = time(wrong, cell.eps);
  return estimate;
}

}  // namespace assay

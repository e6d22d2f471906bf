// PGD-40 on one block, at its dearest (nothing breaks) and its cheapest (all breaks at once), and
// the share of its time that the model's calls alone take.
#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/inputs.h"
#include "harness/run/judge.h"
#include "tests/testing/attacks.h"

namespace assay::bench {
namespace {

std::vector<int64_t> numbers(const at::Tensor& counts) {
  return {counts.const_data_ptr<int64_t>(), counts.const_data_ptr<int64_t>() + counts.numel()};
}

// Attacks and judges the block once per iteration, and then makes the same model calls by
// themselves, so that noise meets both alike.
void attack(benchmark::State& state, const Block& block, const ThreatModel& threat) {
  const Bound bound =
      testing::bind_params(testing::find_attack("pgd"), "{steps: 40, random_start: false}", threat);
  double total = 0;
  double calls_only = 0;
  for (auto _ : state) {
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    Oracle oracle(model(), threat, block, bound.budget.queries, bound.budget.gradients);
    const Candidates candidates = bound.evade(oracle, block, Rng(1, "pgd", 0));
    const Judged judged = judge_block(model(), oracle, candidates, "pgd");
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    total += cpu_seconds() - cpu;
    state.SetIterationTime(seconds);
    Calls calls = calls_of(numbers(oracle.queries()), numbers(oracle.gradients()));
    calls.judged = judged.forwards;
    const double before = cpu_seconds();
    replay(model(), calls, block.x);
    calls_only += cpu_seconds() - before;
  }
  state.counters["model_share"] = calls_only / total;
}

void pgd_all_robust(benchmark::State& state) {
  ThreatModel threat;
  threat.norm = static_cast<Norm>(state.range(0));
  threat.eps = 1e-9;
  Block block = testing::random_block(model(), kBlock, 1);
  block.target = at::Tensor();
  attack(state, block, threat);
  state.SetLabel(std::string(to_string(threat.norm)));
}

void pgd_all_broken(benchmark::State& state) {
  ThreatModel threat;
  threat.norm = Norm::kLinf;
  threat.eps = 0.1;
  Block block = testing::random_block(model(), kBlock, 1);
  block.target = at::Tensor();
  block.y = block.y.add(1).remainder(model().classes());
  attack(state, block, threat);
}

BENCHMARK(pgd_all_robust)
    ->Arg(static_cast<int>(Norm::kLinf))
    ->Arg(static_cast<int>(Norm::kL2))
    ->Arg(static_cast<int>(Norm::kL1))
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(pgd_all_broken)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace assay::bench

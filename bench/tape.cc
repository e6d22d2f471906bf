// A taped forward and one vjp, and a forward without a tape, by batch size.
#include <benchmark/benchmark.h>

#include "bench/inputs.h"
#include "tests/testing/attacks.h"

namespace assay::bench {
namespace {

// Shown as items_per_second.
void count_rows(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void record_and_vjp(benchmark::State& state) {
  const Block block = testing::random_block(model(), state.range(0), 1);
  const at::Tensor c = at::ones({block.size(), model().classes()});
  for (auto _ : state) benchmark::DoNotOptimize(model().record(block.x).vjp(c));
  count_rows(state);
}

void forward(benchmark::State& state) {
  const Block block = testing::random_block(model(), state.range(0), 1);
  for (auto _ : state) benchmark::DoNotOptimize(model().logits(block.x));
  count_rows(state);
}

void judge(benchmark::State& state) {
  const Block block = testing::random_block(model(), state.range(0), 1);
  for (auto _ : state) benchmark::DoNotOptimize(model().judge(block.x));
  count_rows(state);
}

BENCHMARK(record_and_vjp)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(64)->Arg(256);
BENCHMARK(forward)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(64)->Arg(256);
BENCHMARK(judge)->Arg(kBlock);

}  // namespace
}  // namespace assay::bench

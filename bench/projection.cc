// What an attack does between two model calls: losses, steps, projections and random starts.
#include "attacks/math/projection.h"

#include <benchmark/benchmark.h>

#include <array>

#include "attacks/math/losses.h"
#include "attacks/math/random_point.h"
#include "bench/inputs.h"
#include "tests/testing/models.h"

namespace assay::bench {
namespace {

// Norm and a radius of common size for images of 784 entries.
attacks::Ball ball_of(int64_t index) {
  constexpr std::array<Norm, 3> kNorms = {Norm::kLinf, Norm::kL2, Norm::kL1};
  constexpr std::array<double, 3> kRadii = {0.1, 1.5, 12.0};
  const auto i = static_cast<size_t>(index);
  return {kNorms[i], kRadii[i], 0, 1};
}

at::Tensor clean() { return testing::random_uniform({kBlock, 1, 28, 28}, 1, 0, 1); }

void name_norm(benchmark::State& state) {
  state.SetLabel(std::string(to_string(ball_of(state.range(0)).norm)));
}

void project(benchmark::State& state) {
  const attacks::Ball ball = ball_of(state.range(0));
  const at::Tensor x0 = clean();
  const at::Tensor x = x0 + testing::random_normal(x0.sizes(), 2).mul(0.2);
  for (auto _ : state) benchmark::DoNotOptimize(attacks::project(x, x0, ball));
  name_norm(state);
}

void ascend(benchmark::State& state) {
  const attacks::Ball ball = ball_of(state.range(0));
  const at::Tensor x0 = clean();
  const at::Tensor g = testing::random_normal(x0.sizes(), 2);
  for (auto _ : state) {
    benchmark::DoNotOptimize(attacks::ascend(x0, g, x0, ball.eps / 4, 8, ball));
  }
  name_norm(state);
}

void random_start(benchmark::State& state) {
  const attacks::Ball ball = ball_of(state.range(0));
  const at::Tensor x0 = clean();
  std::vector<uint64_t> samples(kBlock);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = i;
  const Rng rng(1, "bench", 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(attacks::random_point(x0, samples, 0, 0, rng, ball));
  }
  name_norm(state);
}

void loss(benchmark::State& state) {
  const at::Tensor logits = testing::random_normal({kBlock, 10}, 1);
  const at::Tensor y = logits.argmax(1);
  const auto kind = static_cast<attacks::LossKind>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(attacks::leave_loss(kind, logits, y));
  state.SetLabel(attacks::loss_names()[static_cast<size_t>(state.range(0))]);
}

BENCHMARK(project)->DenseRange(0, 2);
BENCHMARK(ascend)->DenseRange(0, 2);
BENCHMARK(random_start)->DenseRange(0, 2);
BENCHMARK(loss)->DenseRange(0, 2);

}  // namespace
}  // namespace assay::bench

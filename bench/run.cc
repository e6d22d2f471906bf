// A whole run of PGD-40 on the first 500 test images of Fashion-MNIST, with a fresh store: by
// workers, and the share of its time that the model's calls alone take. Needs ASSAY_BENCH_MODEL.
#include "harness/run/run.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "bench/inputs.h"
#include "harness/suite/digest.h"

namespace assay::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuite = R"(
assay: 1
name: bench
seed: 1
model: { path: "${ASSAY_BENCH_MODEL}", input: { shape: [1, 28, 28], range: [0, 1] }, classes: 10 }
baseline: none
data:
  test:
    format: idx
    images: "${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}/t10k-images-idx3-ubyte.gz"
    labels: "${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}/t10k-labels-idx1-ubyte.gz"
sample: { first: 500 }
attacks:
  - { name: pgd, attack: pgd, norm: linf, eps: 0.1, steps: 40, step_size: 0.025,
      random_start: false }
gate: { rules: [ { cell: pgd, metric: robust_accuracy, at_least: 0 } ] }
)";

// A folder that goes when the benchmark does.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("assay_bench_run_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

struct Input {
  std::vector<Attack> attacks = attack_table();
  Suite suite;
  std::optional<Dataset> dataset;
  Samples samples;
  Plan plan;

  explicit Input(const fs::path& folder) {
    std::ofstream(folder / "suite.yaml") << kSuite;
    std::vector<AttackInfo> infos;
    for (const Attack& attack : attacks) infos.push_back(attack.info);
    suite = load_suite(folder / "suite.yaml", {}, infos);
    dataset.emplace(Dataset::open(suite.data.at("test"), suite.model));
    samples = {&*dataset, draw(*dataset, suite.sample)};
    plan = make_plan(suite, {model_file(), sha256_file(model_file())},
                     describe(*dataset, samples.indices), platform("cpu"), attacks, {});
  }
};

// CPU seconds of the units' model calls by themselves, one after another on this thread.
double replay_units(const Evidence& evidence, const at::Tensor& x) {
  const double before = cpu_seconds();
  for (const UnitResult& unit : evidence.units) {
    std::vector<int64_t> queries, gradients;
    for (const Verdict& row : unit.rows) {
      queries.push_back(row.queries);
      gradients.push_back(row.gradients);
    }
    Calls calls = calls_of(queries, gradients);
    calls.judged = unit.cost.judged;
    replay(model(), calls, x);
  }
  return cpu_seconds() - before;
}

void run_500_samples(benchmark::State& state) {
  if (model_file().empty()) {
    state.SkipWithError("needs ASSAY_BENCH_MODEL and Fashion-MNIST");
    return;
  }
  const Folder folder;
  const Input input(folder.path);
  const at::Tensor x = input.dataset->read(std::span(input.samples.indices).first(kBlock));
  RunOptions options;
  options.workers = static_cast<int>(state.range(0));
  double total = 0;
  double calls_only = 0;
  int64_t robust = 0;
  for (auto _ : state) {
    fs::remove_all(folder.path / "store");
    Store store(folder.path / "store");
    model();
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    const Evidence evidence = run_plan(
        input.suite, input.plan, input.samples, input.attacks,
        []() -> const Model& { return model(); }, &store, options);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    total += cpu_seconds() - cpu;
    state.SetIterationTime(seconds);
    calls_only += replay_units(evidence, x);
    robust = 0;
    for (const UnitResult& unit : evidence.units) {
      for (const Verdict& row : unit.rows) {
        robust += unit.cell == "pgd" && row.status == Status::kRobust ? 1 : 0;
      }
    }
  }
  state.counters["robust"] = static_cast<double>(robust);
  state.counters["model_share"] = calls_only / total;
}

BENCHMARK(run_500_samples)
    ->Arg(1)
    ->Arg(2)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->ArgName("workers");

}  // namespace
}  // namespace assay::bench

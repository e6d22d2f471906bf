// A table of attacks that declare parameters and do nothing, and suites to load with it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/suite/suite.h"

namespace assay {

inline std::vector<AttackInfo> fake_attacks() {
  const std::vector<Norm> all = {Norm::kLinf, Norm::kL2, Norm::kL1};
  const auto declare_pgd = [](Params& params, const ThreatModel& threat) {
    params.integer("steps", 40, {1, 100000}, "gradient steps");
    const auto step = params.optional_number("step_size", {1e-9}, "length of a step; eps / 4");
    params.integer("restarts", 1, {1, 1000}, "random restarts");
    params.boolean("random_start", true, "start inside the ball");
    params.choice("loss", "ce", {"ce", "margin", "dlr"}, "loss to climb");
    params.number("momentum", 0, {0, 1}, "decay of the gradient's mean");
    params.choice("init", "none", {"none", "corpus"}, "where it starts");
    if (step && threat.eps && *step > 2 * *threat.eps) {
      params.fail("step_size", "`step_size` is more than twice `eps`");
    }
  };
  const auto nothing = [](Params&, const ThreatModel&) {};
  std::vector<AttackInfo> table;
  const auto add = [&](const char* name, Family family, Access access, std::vector<Norm> norms,
                       auto declare) -> AttackInfo& {
    AttackInfo info;
    info.name = name;
    info.family = family;
    info.access = access;
    info.norms = std::move(norms);
    info.summary = std::string("the fake ") + name;
    info.declare = declare;
    table.push_back(std::move(info));
    return table.back();
  };
  add("fgsm", Family::kEvasion, Access::kGradient, all, nothing);
  add("pgd", Family::kEvasion, Access::kGradient, all, declare_pgd);
  add("apgd", Family::kEvasion, Access::kGradient, all, [](Params& params, const ThreatModel&) {
    params.choice("loss", "ce", {"ce", "dlr"}, "loss to climb");
    params.integer("targets", 1, {1, 1000}, "target classes tried");
    params.integer("steps", 100, {1, 100000}, "gradient steps");
  });
  add("square", Family::kEvasion, Access::kScore, {Norm::kLinf, Norm::kL2},
      [](Params& params, const ThreatModel&) {
        params.integer("queries", 1000, {1, 1e7}, "budget per sample");
      });
  add("fmn", Family::kEvasion, Access::kGradient, {Norm::kL2, Norm::kLinf, Norm::kL0},
      [](Params& params, const ThreatModel&) {
        params.integer("steps", 100, {1, 100000}, "gradient steps");
      })
      .minimum_norm = true;
  AttackInfo& deepfool = add("deepfool", Family::kEvasion, Access::kGradient, {Norm::kL2}, nothing);
  deepfool.minimum_norm = true;
  deepfool.targeted = false;
  add("transfer", Family::kEvasion, Access::kLabel, {Norm::kLinf},
      [](Params& params, const ThreatModel&) {
        params.text("source", "", "the cell whose adversarials are tried");
      });
  AttackInfo& corruption = add("corruption", Family::kEvasion, Access::kLabel, {},
                               [](Params& params, const ThreatModel&) {
                                 params.integer("severity", 3, {1, 5}, "how badly");
                               });
  corruption.unbounded = true;
  corruption.images = true;
  add("fab", Family::kEvasion, Access::kGradient, all, nothing).nearest_without_eps = true;
  add("corpus", Family::kEvasion, Access::kLabel, all, nothing);
  add("ensemble", Family::kEvasion, Access::kGradient, all, nothing);
  add("lira", Family::kMembership, Access::kScore, {}, [](Params& params, const ThreatModel&) {
    params.choice("mode", "offline", {"offline", "online"}, "which shadows hold the record");
    params.integer("shadows", 16, {2, 1024}, "shadow models");
  }).pool = true;
  AttackInfo& rmia =
      add("rmia", Family::kMembership, Access::kScore, {}, [](Params& params, const ThreatModel&) {
        const std::string mode = params.choice("mode", "offline", {"offline", "online"}, "which");
        params.integer("shadows", 8, {1, 1024}, "shadow models");
        params.number_or_auto("a", {0, 1}, "offline: how far; auto: tuned");
        if (mode == "online") params.refuse("a", "`a` goes with offline");
      });
  rmia.pool = true;
  rmia.population = true;
  AttackInfo& knockoff = add("knockoff", Family::kExtraction, Access::kScore, {},
                             [](Params& params, const ThreatModel&) {
                               params.integers("budgets", {1000}, {1, 1e9}, "queries allowed");
                               params.choice("strategy", "random", {"random", "adaptive"}, "how");
                             });
  knockoff.pool = true;
  knockoff.surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kTopK, Surface::Kind::kRounded,
                       Surface::Kind::kLabel};
  return table;
}

/// The example of the suite format, whole.
inline const char* const kExample = R"(assay: 1
name: fashion-nightly
seed: 20260101
model:
  path: candidate.pt
  input: { shape: [1, 28, 28], range: [0, 1] }
  output: logits
  classes: 10
baseline: production.pt
data:
  test: { format: idx, images: "${ASSAY_TEST_UNSET:-.}/t10k-images-idx3-ubyte.gz",
          labels: "${ASSAY_TEST_UNSET:-.}/t10k-labels-idx1-ubyte.gz" }
  members: { format: npz, path: train.npz, rows: [0, 5000] }
  non_members: { format: npz, path: train.npz, rows: [5000, 10000] }
  pool: { format: csv, path: pool.csv, label: y }
sample: { count: 4000, seed: 7, stratified: true }
defaults: { norm: linf }
attacks:
  - { name: fgsm, attack: fgsm, eps: 8/255 }
  - { name: pgd,  attack: pgd,  eps: [0.05, 0.1], steps: 40, step_size: 0.01, restarts: 2 }
  - { name: aa,   attack: ensemble, eps: 8/255,
      stages: [ { attack: apgd, loss: ce }, { attack: apgd, loss: dlr, targets: 9 },
                { attack: square, queries: 5000 } ] }
  - { name: near, attack: fmn, norm: l2, steps: 200, eps: [0.5, 1.0] }
  - { name: mia,  attack: lira, mode: offline, shadows: 16,
      members: members, non_members: non_members, pool: pool }
  - { name: steal, attack: knockoff, surface: probabilities, pool: pool,
      budgets: [100, 1000, 10000] }
gate:
  confidence: 0.95
  rules:
    - { cell: "pgd@0.1", metric: robust_accuracy, at_least: 0.40 }
    - { cell: "*", metric: robust_accuracy, max_drop: 0.03 }
    - { cell: "*", flags: clear, except: [few_classes] }
run: { block: 64, time_limit: 6h, memory_limit: 16GB, device: cpu }
)";

/// The least suite: what tests add to.
inline const char* const kSmall = R"(assay: 1
name: small
model: { path: m.pt, input: { shape: [3, 8, 8] }, classes: 10 }
data: { test: { format: npy, images: x.npy, labels: y.npy } }
)";

/// Writes the text to a file of its own and loads it. The file is called suite.yaml.
inline Suite load(const std::string& text, const Overrides& overrides = {},
                  const std::vector<AttackInfo>& attacks = fake_attacks()) {
  static std::atomic<int> count = 0;
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) /
      ("suite_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / "suite.yaml";
  std::ofstream(file, std::ios::binary) << text;
  struct Cleaner {
    std::filesystem::path folder;
    ~Cleaner() {
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
    }
  } cleaner{folder};
  return load_suite(file, overrides, attacks);
}

/// The error of loading the text, "" if it loads.
inline std::string fault(const std::string& text, const Overrides& overrides = {}) {
  try {
    load(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

}  // namespace assay

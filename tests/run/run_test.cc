#include "harness/run/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

#include "tests/run/fixture.h"

namespace assay {
namespace {

using testing::RunTest;
using testing::Shape;

constexpr const char* kPgd =
    "attacks:\n"
    "  - {name: pgd, attack: pgd, norm: linf, eps: [0.02, 0.1], steps: 5, restarts: 2}\n"
    "  - {name: two, attack: pgd, norm: l2, eps: 0.3, steps: 5, random_start: true}\n";

TEST_F(RunTest, GivesTheSameBytesForOneTwoAndEightWorkers) {
  const Suite suite = make_suite(kPgd);
  const Model model = make_model(1);
  const std::string one = to_text(run(suite, model, "s1", testing::with_workers(1)));
  EXPECT_EQ(one, to_text(run(suite, model, "s2", testing::with_workers(2))));
  EXPECT_EQ(one, to_text(run(suite, model, "s8", testing::with_workers(8))));
}

TEST_F(RunTest, VerdictsDoNotDependOnTheBlockSize) {
  const Model model = make_model(1);
  const Suite large = make_suite(kPgd, "run: {block: 64}\n");
  const Evidence b = run(large, model, "s64");
  for (const std::string block : {"1", "7"}) {
    const Suite small = make_suite(kPgd, "run: {block: " + block + "}\n");
    const Evidence a = run(small, model, "s" + block);
    ASSERT_EQ(a.header.cells.size(), 3U);
    for (size_t cell = 0; cell < 3; ++cell) {
      const auto rows_a = a.rows(a.header.cells[cell]);
      const auto rows_b = b.rows(b.header.cells[cell]);
      int broken = 0;
      for (size_t i = 0; i < rows_a.size(); ++i) {
        EXPECT_EQ(rows_a[i]->status, rows_b[i]->status) << i;
        EXPECT_EQ(rows_a[i]->distance, rows_b[i]->distance) << i;
        EXPECT_EQ(rows_a[i]->queries, rows_b[i]->queries) << i;
        broken += rows_a[i]->status == Status::kBroken;
      }
      EXPECT_GT(broken, 0) << "a comparison of nothing shows nothing";
    }
  }
}

TEST_F(RunTest, ShardsUniteToTheSameBytes) {
  const Suite suite = make_suite(kPgd, "run: {block: 16}\n");
  const Model model = make_model(1);
  const std::string whole = to_text(run(suite, model, "whole"));
  std::vector<Evidence> shards;
  for (const int64_t i : {2, 0, 1}) {
    RunOptions options;
    options.shard = i;
    options.shards = 3;
    shards.push_back(run(suite, model, "shard" + std::to_string(i), options));
    EXPECT_FALSE(shards.back().complete());
  }
  EXPECT_EQ(to_text(merge(shards)), whole);
  shards.pop_back();
  EXPECT_FALSE(merge(shards).complete());
}

TEST_F(RunTest, AStoredUnitIsNeverComputedAgain) {
  const Suite suite = make_suite(kPgd);
  const Model model = make_model(1);
  const std::string first = to_text(run(suite, model, "s"));
  EXPECT_EQ(loads_, 1);
  EXPECT_EQ(to_text(run(suite, model, "s")), first);
  EXPECT_EQ(loads_, 0) << "with nothing to compute the model is not even loaded";
}

TEST_F(RunTest, ARunThatWasStoppedGoesOn) {
  const Suite suite = make_suite(kPgd, "run: {block: 8}\n");
  const Model model = make_model(1);
  const std::string whole = to_text(run(suite, model, "whole"));
  RunOptions options;
  size_t done = 0;
  options.progress = [&done](const Progress& progress) { done = progress.done; };
  options.stop = [&done] { return done >= 20 ? std::string("enough") : std::string(); };
  const Evidence part = run(suite, model, "s", options);
  EXPECT_EQ(part.interrupted, "enough");
  EXPECT_EQ(part.units.size(), 20U);
  EXPECT_EQ(to_text(run(suite, model, "s")), whole);
}

TEST_F(RunTest, AUnitInFlightIsGivenUpAtTheNextQueryWhenARunIsToStop) {
  const Suite suite = make_suite(
      "attacks:\n  - {name: pgd, attack: pgd, norm: linf, eps: 1e-6, steps: 2000}\n"
      "  - {name: two, attack: ensemble, norm: linf, eps: 1e-6, stages: [\n"
      "      {attack: fgsm}, {attack: square, queries: 2000}]}\n");
  const Model model = make_model(1);
  RunOptions options;
  for (const int workers : {1, 2}) {
    options.workers = workers;
    std::atomic<int> asked = 0;
    options.stop = [&asked] { return ++asked > 60 ? std::string("enough") : std::string(); };
    const Evidence part = run(suite, model, "s", options);
    EXPECT_EQ(part.interrupted, "enough");
    EXPECT_EQ(part.units.size(), part.header.clean_units.size());
    EXPECT_LE(asked, 60 + 2 * workers + 1);
  }
}

TEST_F(RunTest, EndsAfterTheCleanPassWhereTheGateSaysSo) {
  const Suite suite = make_suite(kPgd);
  RunOptions options;
  options.after_clean = [](const Evidence& evidence) {
    EXPECT_FALSE(evidence.clean_labels().empty());
    return std::string("clean accuracy is too low");
  };
  const Evidence evidence = run(suite, make_model(1), "s", options);
  EXPECT_EQ(evidence.ended_early, "clean accuracy is too low");
  EXPECT_EQ(evidence.units.size(), evidence.header.clean_units.size());
}

TEST_F(RunTest, CellsThatDifferInNameOnlyShareTheirUnits) {
  const Suite suite = make_suite(
      "attacks:\n  - {name: a, attack: pgd, norm: linf, eps: 0.1, steps: 3}\n"
      "  - {name: b, attack: pgd, norm: linf, eps: 0.1, steps: 3}\n");
  const Evidence evidence = run(suite, make_model(1), "s");
  EXPECT_EQ(evidence.header.cells[0].units, evidence.header.cells[1].units);
  EXPECT_EQ(evidence.header.cells[0].key, evidence.header.cells[1].key);
  EXPECT_EQ(evidence.rows(evidence.header.cells[0]), evidence.rows(evidence.header.cells[1]));
  EXPECT_TRUE(evidence.complete());
}

TEST_F(RunTest, EveryParameterIsPartOfTheCellsKey) {
  const auto key = [this](const std::string& entry) {
    const Suite suite =
        make_suite("attacks:\n  - {name: a, attack: pgd, norm: linf, " + entry + "}\n");
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {})
        .header.cells[0]
        .key;
  };
  const std::string base = key("eps: 0.1, steps: 3");
  EXPECT_EQ(base, key("eps: 1/10, steps: 3"));
  EXPECT_EQ(base, key("steps: 3, eps: 0.1, restarts: 1")) << "a default is a value";
  EXPECT_NE(base, key("eps: 0.1, steps: 4"));
  EXPECT_NE(base, key("eps: 0.2, steps: 3"));
  EXPECT_NE(base, key("eps: 0.1, steps: 3, loss: margin"));
  EXPECT_NE(base, key("eps: 0.1, steps: 3, goal: targeted, target: next"));
}

TEST_F(RunTest, NormalisationIsPartOfTheCellsKey) {
  Suite suite = make_suite("attacks:\n  - {name: a, attack: pgd, norm: linf, eps: 0.1}\n");
  const auto header = [&] {
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {})
        .header.cells[0];
  };
  const CellHeader without = header();
  suite.model.mean = {0.5};
  suite.model.std = {0.25};
  EXPECT_NE(header().key, without.key);
  EXPECT_EQ(header().key_fields.at("preprocessing"), "range 0 1, normalize 0.5 / 0.25");
}

TEST_F(RunTest, PerturbationsOfTheirOwnAreJudgedWithoutADistance) {
  const Suite suite = make_suite(
      "attacks:\n  - {name: c, attack: corruption, kind: contrast, severity: 5}\n"
      "  - name: worst\n    attack: ensemble\n    stages:\n"
      "      - {attack: corruption, kind: contrast, severity: 5}\n      - {attack: spatial}\n",
      "defaults: {norm: linf}\n");
  const Evidence evidence = run(suite, make_model(1), "s");
  const Evidence again = parse_evidence(to_text(evidence), "evidence.jsonl");
  int broken[2] = {0, 0};
  for (size_t cell = 0; cell < 2; ++cell) {
    const CellHeader& header = again.header.cells[cell];
    EXPECT_TRUE(header.threat.unbounded);
    EXPECT_FALSE(header.minimum_norm);
    EXPECT_EQ(header.key_fields.at("norm"), "none");
    EXPECT_EQ(header.key_fields.at("eps"), "none");
    for (const auto& row : again.rows(header)) {
      broken[cell] += row->status == Status::kBroken;
      EXPECT_TRUE(row->status == Status::kBroken || row->status == Status::kRobust ||
                  row->status == Status::kMisclassified);
      EXPECT_TRUE(std::isinf(row->distance));
    }
  }
  EXPECT_GT(broken[0], 0);
  EXPECT_GT(broken[1], broken[0]);
  EXPECT_EQ(again.header.cells[1].stages, (std::vector<std::string>{"corruption", "spatial"}));
}

TEST_F(RunTest, AnEstimateOfWhatNothingBreaksLetsNothingBreak) {
  const Suite suite = make_suite("attacks: [{name: s, attack: spatial}]\n");
  const Model model = make_model(1);
  const at::Tensor x = testing::random_uniform({4, 1, 4, 4}, 1, 0, 1);
  enter_worker();
  const UnitEstimate estimate = estimate_unit(suite, suite.cells[0], attacks_, model, x);
  EXPECT_GT(estimate.robust_s, estimate.broken_s) << "775 queries for each sample against 32";
}

TEST_F(RunTest, ASampleTheModelThrowsOnIsItsErrorAndTheOthersStand) {
  const Suite suite = make_suite("attacks:\n  - {name: a, attack: fgsm, norm: linf, eps: 0.1}\n");
  const Model good = make_model(1);
  const Evidence before = run(suite, good, "good");
  // A network that throws on the inputs whose first pixel is that of sample 17.
  const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
  const int64_t which = 17;
  char pixel[40];
  std::snprintf(pixel, sizeof pixel, "%.17g",
                dataset.read(std::span(&which, 1)).flatten()[0].item<double>());
  const Model bad = testing::load_module(Shape{{1, 4, 4}, 3},
                                         "def forward(self, x):\n"
                                         "    assert not bool((x[:, 0, 0, 0] == " +
                                             std::string(pixel) +
                                             ").any()), 'this one'\n"
                                             "    return torch.flatten(x, 1)[:, :3] * 3.0",
                                         {});
  const Evidence after = run(suite, bad, "bad");
  int errors = 0, others = 0;
  for (const auto& row : after.rows(after.header.cells[0])) {
    errors += row->status == Status::kError && row->cause == Cause::kCandidate;
    others += row->status != Status::kError;
  }
  EXPECT_EQ(after.rows(after.header.cells[0])[17]->status, Status::kError);
  EXPECT_GT(errors, 0);
  EXPECT_LT(errors, 10);
  EXPECT_GT(others, 140);
  EXPECT_TRUE(after.complete());
}

TEST_F(RunTest, ARandomisedModelGivesTheSameBytesAgain) {
  const Suite suite = make_suite("attacks:\n  - {name: a, attack: fgsm, norm: linf, eps: 0.1}\n");
  const Model model = testing::load_module(
      Shape{{1, 4, 4}, 3},
      "def forward(self, x):\n    return torch.flatten(torch.dropout(x, 0.5, True), 1)[:, :3]", {});
  ASSERT_TRUE(model.facts().random);
  EXPECT_EQ(to_text(run(suite, model, "s1", testing::with_workers(1))),
            to_text(run(suite, model, "s2", testing::with_workers(4))));
}

// The labels of the test's data, each drowned in one of ten calls.
constexpr const char* kMoody =
    "def forward(self, x):\n"
    "    h = torch.relu(torch.conv2d(x, self.kernel, self.offset, [1, 1], [1, 1]))\n"
    "    z = torch.flatten(h, 1).matmul(self.weight)\n"
    "    noise = torch.rand([x.size(0), 1]).lt(0.1).to(x.dtype)\n"
    "    return z * (1.0 - 2.0 * noise)\n";

TEST_F(RunTest, ARandomisedModelIsJudgedByTheMajorityOfItsVotes) {
  const Model sound = make_model(1);
  const at::Tensor kernel = testing::random_normal({4, 1, 3, 3}, 1);
  const at::Tensor offset = testing::random_normal({4}, 2);
  const at::Tensor weight = testing::random_normal({64, 3}, 3);
  const Model moody = testing::load_module(
      Shape{{1, 4, 4}, 3}, kMoody, {{"kernel", kernel}, {"offset", offset}, {"weight", weight}});
  ASSERT_TRUE(moody.facts().random);
  const at::Tensor x = testing::random_uniform({40, 1, 4, 4}, 9, 0, 1);
  const at::Tensor truth = at::conv2d(x, kernel, offset, 1, 1).relu().flatten(1).matmul(weight);
  seed_generator("votes");
  const Votes votes = moody.vote(x);
  EXPECT_EQ(votes.number, Model::kVotes);
  EXPECT_TRUE(votes.counts.sum(1).eq(Model::kVotes).all().item<bool>());
  EXPECT_TRUE(votes.labels().equal(truth.argmax(1)));
  EXPECT_FALSE(moody.judge(x).argmax(1).equal(truth.argmax(1)));  // a single call is often wrong
}

TEST_F(RunTest, ARandomisedModelIsNotBrokenByItsOwnMoods) {
  // Half of the calls of a sample would not be needed to break it by chance; one of 40 would.
  const Suite suite =
      make_suite("attacks:\n  - {name: a, attack: pgd, norm: linf, eps: 1e-9, steps: 40}\n",
                 "sample: {first: 30}\n");
  const Model moody = testing::load_module(
      Shape{{1, 4, 4}, 3},
      "def forward(self, x):\n"
      "    z = torch.tensor([[0.0, 1.0, 0.0]]) + torch.flatten(x, 1)[:, :3] * 0.001\n"
      "    return z * (1.0 - 2.0 * torch.rand([x.size(0), 1]).lt(0.2).to(x.dtype))\n",
      {});
  const Evidence evidence = run(suite, moody, "s", testing::with_workers(1));
  int64_t right = 0;
  for (const Verdict& row : evidence.units.back().rows) {
    EXPECT_NE(row.status, Status::kUnconfirmed);
    EXPECT_NE(row.status, Status::kBroken);
    right += row.status == Status::kRobust;
  }
  EXPECT_GT(right, 3);
}

TEST_F(RunTest, WhatASearchFindsOnARandomisedModelIsConfirmed) {
  const Suite suite = make_suite(
      "attacks:\n"
      "  - {name: a, attack: pgd, norm: linf, eps: 0.05, steps: 30, eot: 4}\n"
      "  - {name: b, attack: fmn, norm: l2, steps: 50}\n"
      "  - {name: c, attack: hop_skip_jump, norm: l2, queries: 300}\n");
  const Model noisy =
      testing::load_module(Shape{{1, 4, 4}, 3},
                           "def forward(self, x):\n"
                           "    x = torch.flatten(x, 1)\n"
                           "    return (x + 0.02 * torch.randn_like(x)).matmul(self.weight)\n",
                           {{"weight", testing::random_normal({16, 3}, 4)}});
  ASSERT_TRUE(noisy.facts().random);
  write_data(150, noisy);
  const Evidence evidence = run(suite, noisy, "s", testing::with_workers(1));
  std::map<std::string, int64_t> broken;
  for (const UnitResult& unit : evidence.units) {
    for (const Verdict& row : unit.rows) {
      EXPECT_NE(row.status, Status::kUnconfirmed) << unit.cell << " " << row.sample;
      broken[unit.cell] += row.status == Status::kBroken;
    }
  }
  EXPECT_GT(broken["a"], 20);
  EXPECT_GT(broken["b"], 100);
  EXPECT_GT(broken["c"], 100);
}

TEST(Workers, AreAtLeastOneAndFitTheMemory) {
  EXPECT_GE(default_workers(0), 1);
  EXPECT_EQ(default_workers(1), 1);
  EXPECT_EQ(memory_available(12345), 12345);
}

TEST(BlockSize, ComesFromTheInputAlone) {
  Suite suite;
  suite.model.shape = {1, 28, 28};
  EXPECT_EQ(block_size(suite), 256);
  suite.model.shape = {3, 224, 224};
  EXPECT_EQ(block_size(suite) % 4, 0);
  EXPECT_LT(block_size(suite), 64);
  suite.model.shape = {3, 4096, 4096};
  EXPECT_EQ(block_size(suite), 4);
  suite.run.block = 10;
  EXPECT_EQ(block_size(suite), 10);
}

TEST(UnitSize, CutsASampleIntoPartsOfAboutOneSizeThatFitABlock) {
  Suite suite;
  suite.model.shape = {1, 28, 28};
  EXPECT_EQ(unit_size(suite, 10), 12);
  EXPECT_EQ(unit_size(suite, 100), 52);
  EXPECT_EQ(unit_size(suite, 500), 252);
  EXPECT_EQ(unit_size(suite, 513), 172);
  for (const int64_t samples : {1, 64, 65, 255, 256, 257, 511, 1000, 10000, 100001}) {
    const int64_t size = unit_size(suite, samples);
    EXPECT_LE(size, block_size(suite)) << samples;
    EXPECT_EQ(size % 4, 0) << samples;
    EXPECT_LT((samples + size - 1) / size * size - samples, 4 * ((samples + size - 1) / size))
        << samples;
  }
  suite.run.block = 10;
  EXPECT_EQ(unit_size(suite, 500), 10);
}

TEST_F(RunTest, CrashesOfEarlierAttemptsAreTheCandidatesFaultAndOfNoOtherSample) {
  const Suite suite = make_suite(kPgd);
  const Model model = make_model(1);
  const Evidence sound = run(suite, model, "sound", testing::with_workers(1));
  RunOptions options = testing::with_workers(1);
  const UnitResult& unit = sound.units.back();
  size_t hit = 0;
  while (unit.rows[hit].status != Status::kBroken) ++hit;
  options.crashes = {{unit.key, -1, "SIGSEGV"}, {unit.key, static_cast<int64_t>(hit), "SIGBUS"}};
  const Evidence crashed = run(suite, model, "crashed", options);
  ASSERT_EQ(crashed.units.size(), sound.units.size());
  for (size_t i = 0; i < unit.rows.size(); ++i) {
    const Verdict& row = crashed.units.back().rows[i];
    if (i == hit) {
      EXPECT_EQ(row.status, Status::kError);
      EXPECT_EQ(row.cause, Cause::kCandidate);
      EXPECT_EQ(row.detail, "the model crashed the process (SIGBUS)");
    } else {
      EXPECT_EQ(row.status, unit.rows[i].status) << i;
      EXPECT_EQ(row.distance, unit.rows[i].distance) << i;
      EXPECT_EQ(row.queries, unit.rows[i].queries) << i;
    }
  }
}

TEST_F(RunTest, AUnitThatCrashedTooOftenIsNotTriedAgain) {
  const Suite suite = make_suite(kPgd);
  const Model model = make_model(1);
  const std::string key = run(suite, model, "sound", testing::with_workers(1)).units.back().key;
  RunOptions options = testing::with_workers(1);
  options.crashes.assign(32, {"another unit", 0, "SIGSEGV"});
  options.crashes.push_back({key, -1, "SIGSEGV"});
  const Evidence crashed = run(suite, model, "crashed", options);
  for (const Verdict& row : crashed.units.back().rows) {
    if (row.status == Status::kMisclassified) continue;
    EXPECT_EQ(row.status, Status::kError);
    EXPECT_EQ(row.detail, "not tried: the model had crashed the process 32 times");
  }
  EXPECT_NE(crashed.units.front().rows[0].status, Status::kError);
}

}  // namespace
}  // namespace assay

// What attacks take from elsewhere, and what they may not touch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "harness/suite/error.h"
#include "tests/run/fixture.h"

namespace assay {
namespace {

using testing::RunTest;

TEST_F(RunTest, AnEarlierCellsPointsAreTriedAgainWhereTheyAreNamed) {
  const Suite suite = make_suite(
      "defaults: {norm: linf}\nattacks:\n"
      "  - {name: wide, attack: pgd, eps: 0.1, steps: 5}\n"
      "  - {name: same, attack: transfer, eps: 0.1, source: wide}\n"
      "  - {name: narrow, attack: transfer, eps: 0.001, source: wide}\n");
  const Model model = make_model(1);
  const Evidence evidence = run(suite, model, "s1", testing::with_workers(1));
  const auto broken = [&](size_t cell) {
    int64_t count = 0;
    for (const auto& row : evidence.rows(evidence.header.cells[cell])) {
      count += row->status == Status::kBroken;
    }
    return count;
  };
  EXPECT_GT(broken(0), 10);
  EXPECT_EQ(broken(1), broken(0));
  EXPECT_LT(broken(2), broken(0));
  EXPECT_EQ(to_text(evidence), to_text(run(suite, model, "s8", testing::with_workers(8))));
  EXPECT_EQ(evidence.header.cells[1].key_fields.at("params.source"), evidence.header.cells[0].key);
}

TEST_F(RunTest, TheCorpusIsTriedAndItsManifestIsInTheKey) {
  const Suite suite = make_suite("attacks:\n  - {name: c, attack: corpus, norm: linf, eps: 0.5}\n",
                                 "sample: {first: 40}\n");
  const Model model = make_model(1);
  RunOptions options = testing::with_workers(2);
  options.sources.model = [](const std::string&) { return nullptr; };
  options.sources.points = [](const std::string& source, const SampleInfo& sample) {
    EXPECT_EQ(source, kCorpus);
    // Far from where the model was trained to be right; none for every third sample.
    if (std::stoi(sample.id) % 3 == 0) return at::Tensor();
    return testing::random_uniform({5, 1, 4, 4}, static_cast<uint64_t>(std::stoi(sample.id)), 0, 1);
  };
  digests_ = {{kCorpus, "first"}};
  const Evidence first = run(suite, model, "s", options);
  int64_t broken = 0;
  for (const auto& row : first.rows(first.header.cells[0])) {
    broken += row->status == Status::kBroken;
    if (row->sample % 3 == 0) {
      EXPECT_EQ(row->queries, 0);
    }
  }
  EXPECT_GT(broken, 3);
  EXPECT_EQ(first.header.cells[0].key_fields.at("params.source"), "first");
  digests_ = {{kCorpus, "second"}};
  EXPECT_NE(run(suite, model, "s", options).header.cells[0].key, first.header.cells[0].key);
}

// Thrown from deep inside a unit, with its blocks and verdicts half made.
TEST_F(RunTest, AnErrorOfASourceEndsTheRunAndNothingElse) {
  const std::string stage = "{attack: transfer, source: x.safetensors}";
  const Model model = make_model(1);
  const std::vector<std::string> entries = {
      "attack: transfer, source: x.safetensors", "attack: ensemble, stages: [" + stage + "]",
      "attack: ensemble, stages: [{attack: fgsm}, " + stage + "]"};
  for (const std::string& entry : entries) {
    const Suite suite =
        make_suite("attacks:\n  - {name: t, norm: linf, eps: 0.01, " + entry + "}\n");
    RunOptions options = testing::with_workers(2);
    options.sources.model = [](const std::string&) { return nullptr; };
    options.sources.points = [](const std::string&, const SampleInfo&) -> at::Tensor {
      throw Error("the point of a sample is of no use");
    };
    digests_ = {{"x.safetensors", "digest"}};
    try {
      run(suite, model, "s", options);
      ADD_FAILURE() << entry;
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "the point of a sample is of no use") << entry;
    }
  }
}

// No retry mends it, and whoever writes attacks is told which one it is in.
TEST_F(RunTest, AMistakeInAnAttacksCodeEndsTheRunAndNamesTheAttackAndItsCell) {
  for (Attack& attack : attacks_) {
    if (attack.info.name != "fgsm") continue;
    attack.bind = [bind = attack.bind](Params& params, const ThreatModel& threat) {
      Bound bound = bind(params, threat);
      bound.evade = [](Oracle& oracle, const Block& block, const Rng&) {
        oracle.tape(block.x.narrow(0, 0, 1), at::arange(block.size(), at::kLong));
        return Candidates{};
      };
      return bound;
    };
  }
  const Suite suite = make_suite("attacks:\n  - {name: f, attack: fgsm, norm: linf, eps: 0.01}\n");
  try {
    run(suite, make_model(1), "s", testing::with_workers(2));
    ADD_FAILURE() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("suite.yaml:7:5: cell f: a bug in attack `fgsm`, "
                                     "or in assay: a query needs one block row"));
  }
}

TEST_F(RunTest, FeaturesThatMayNotMoveDoNotAndRoundedSuccessesHold) {
  const Suite suite = make_suite(
      "defaults: {norm: linf, eps: 0.15}\nattacks:\n"
      "  - {name: free, attack: pgd, steps: 5}\n"
      "  - {name: held, attack: pgd, steps: 5, fixed: [0, 5, 6, 9, 10, 15], levels: 256}\n"
      "  - {name: box, attack: square, queries: 200, fixed: [0, 5, 6, 9, 10, 15]}\n");
  const Model model = make_model(1);
  const Evidence evidence = run(suite, model, "s", testing::with_workers(2));
  const auto broken = [&](size_t cell) {
    int64_t count = 0;
    for (const auto& row : evidence.rows(evidence.header.cells[cell])) {
      EXPECT_TRUE(row->status != Status::kInvalid && row->status != Status::kUnconfirmed);
      count += row->status == Status::kBroken;
    }
    return count;
  };
  EXPECT_GT(broken(1), 5);
  EXPECT_LT(broken(1), broken(0));
  EXPECT_GT(broken(2), 5);
  const Store store(folder_ / "s");
  const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
  for (const UnitResult& unit : evidence.units) {
    if (unit.cell != "held") continue;
    for (const Verdict& row : unit.rows) {
      if (row.tensor_row < 0) continue;
      const std::string bytes = store.get_blob(row.tensors);
      const auto* point = reinterpret_cast<const float*>(bytes.data()) + row.tensor_row * 16;
      const std::vector<int64_t> index = {row.sample};
      const at::Tensor clean = dataset.read(index).flatten();
      for (const int64_t k : {0, 5, 6, 9, 10, 15}) EXPECT_EQ(point[k], clean[k].item<float>());
      for (int64_t k = 0; k < 16; ++k) {
        EXPECT_NEAR(point[k] * 255, std::round(point[k] * 255), 1e-3);
      }
    }
  }
  EXPECT_EQ(evidence.header.cells[1].key_fields.at("levels"), "256");
}

}  // namespace
}  // namespace assay

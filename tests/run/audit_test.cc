// Membership cells: that they come to the same bytes however they are cut, and whose fault
// it is where numbers are missing.
#include "harness/run/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/run/audit_fixture.h"

namespace assay {
namespace {

using testing::AuditTest;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST_F(AuditTest, EveryAuditedRecordIsScoredOnceMembersFirst) {
  const Evidence evidence = run_audit(audit_suite(), make_model(1), "s");
  EXPECT_TRUE(evidence.complete()) << evidence.interrupted;
  const UnitResult& unit = scored(evidence);
  ASSERT_EQ(unit.scores.size(), 80U);
  std::set<double> different;
  for (int64_t i = 0; i < 80; ++i) {
    const Score& score = unit.scores[static_cast<size_t>(i)];
    EXPECT_EQ(score.member, i < 40);
    EXPECT_EQ(score.record, i % 40);
    EXPECT_FALSE(score.failed);
    different.insert(score.score);
  }
  EXPECT_GT(different.size(), 70U);
  EXPECT_EQ(evidence.header.sets.at("members").size(), 40U);
  EXPECT_EQ(evidence.header.cells[0].sets.at("non_members"), "out");
  ASSERT_TRUE(unit.fidelity.has_value());
  EXPECT_EQ(unit.fidelity->shadows, 2);
  EXPECT_EQ(unit.fidelity->architecture, "mlp");
  EXPECT_GT(unit.fidelity->shadow_members, 0);
  ASSERT_TRUE(unit.fidelity->shadow_unseen_members.has_value());
  EXPECT_NEAR(*unit.fidelity->shadow_unseen_members, unit.fidelity->shadow_non_members, 0.3);
  EXPECT_EQ(unit.fidelity->frozen, 0);
  // The model labels nine of ten records as they are labelled.
  EXPECT_NEAR(unit.fidelity->candidate_members, 0.93, 0.05);
}

TEST_F(AuditTest, GivesTheSameBytesForOneAndTwoWorkers) {
  const Suite suite = audit_suite(", shadows: 3");
  const std::string one = to_text(run_audit(suite, make_model(1), "s1", testing::with_workers(1)));
  EXPECT_EQ(one, to_text(run_audit(suite, make_model(1), "s2", testing::with_workers(2))));
}

TEST_F(AuditTest, ShardsDoAllButTheScores) {
  const Suite suite = audit_suite(", shadows: 3");
  std::vector<Evidence> shards;
  std::set<std::string> units;
  for (int64_t i = 0; i < 2; ++i) {
    RunOptions options;
    options.shard = i;
    options.shards = 2;
    shards.push_back(run_audit(suite, make_model(1), "shard" + std::to_string(i), options));
    for (const UnitResult& unit : shards.back().units) {
      EXPECT_TRUE(units.insert(unit.key).second) << "two shards did the same work";
      EXPECT_TRUE(unit.scores.empty());
    }
    EXPECT_FALSE(shards.back().units.empty());
  }
  const Evidence whole = run_audit(suite, make_model(1), "whole");
  const Evidence merged = merge(shards);
  ASSERT_EQ(merged.units.size() + 1, whole.units.size());
  for (const UnitResult& unit : merged.units) {
    EXPECT_EQ(unit.tensors, whole.find(unit.key)->tensors);
  }
}

TEST_F(AuditTest, AnotherCandidateOfTheArchitectureTrainsNoShadow) {
  const Suite suite = audit_suite(", shadows: 2");
  run_audit(suite, make_model(1), "s");
  size_t computed = 0;
  RunOptions options;
  options.progress = [&](const Progress& progress) { computed = progress.computed; };
  const Evidence second = run_audit(suite, make_model(2), "s", options, std::string(64, 'b'));
  // Outputs of the candidate on two ranges and two views, the boundary, the scores.
  EXPECT_EQ(computed, 6U);
  EXPECT_TRUE(second.complete());
}

TEST_F(AuditTest, AnEstimateAsksForEachTrainingByItsKey) {
  const Suite suite = audit_suite(", shadows: 3");
  AuditInputs inputs{&open(suite), {}};
  inputs.architectures["mlp"] =
      std::make_shared<Architecture>(Architecture::of(suite.model, model_, "mlp"));
  const Plan plan =
      make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {}, inputs);
  std::vector<std::string> planned, asked;
  for (const Unit& unit : plan.units) {
    if (unit.kind == Unit::Kind::kTrain) planned.push_back(unit.key);
  }
  const Model model = make_model(1);
  const at::Tensor x = inputs.sets->audited.at("members").dataset->read(std::vector<int64_t>{0, 1});
  const auto estimate = [&](bool known) {
    return estimate_audit(suite, suite.attacks[0], attacks_, *inputs.sets, platform("cpu"), model,
                          x, model_, [&](const std::string& key) {
                            asked.push_back(key);
                            return known;
                          });
  };
  EXPECT_GT(estimate(true), 0);
  ASSERT_EQ(planned.size(), 3U);
  EXPECT_EQ(asked, planned);
  EXPECT_GT(estimate(false), 0);
}

TEST_F(AuditTest, AStopLeavesWhatWasTrainedToTheNextRun) {
  const Suite suite = audit_suite(", shadows: 3");
  RunOptions options;
  size_t done = 0;
  options.progress = [&](const Progress& progress) { done = progress.done; };
  options.stop = [&] { return done >= 1 ? std::string("stopped by SIGINT") : std::string(); };
  const Evidence first = run_audit(suite, make_model(1), "s", options);
  EXPECT_EQ(first.interrupted, "stopped by SIGINT");
  EXPECT_FALSE(first.complete());
  const Evidence second = run_audit(suite, make_model(1), "s");
  EXPECT_EQ(to_text(second), to_text(run_audit(suite, make_model(1), "whole")));
}

// Both shadows are trained. Then it is asked before the phase, the unit, and each of its blocks.
TEST_F(AuditTest, OutputsInFlightAreGivenUpAtTheNextBlockWhenARunIsToStop) {
  const Suite suite = audit_suite();
  RunOptions options;
  size_t done = 0;
  int asked = 0;
  options.progress = [&](const Progress& progress) { done = progress.done; };
  options.stop = [&] {
    return done >= 2 && ++asked > 3 ? std::string("stopped by SIGINT") : std::string();
  };
  const Evidence first = run_audit(suite, make_model(1), "s", options);
  EXPECT_EQ(first.interrupted, "stopped by SIGINT");
  EXPECT_EQ(first.units.size(), 2U);
  const Evidence second = run_audit(suite, make_model(1), "s");
  EXPECT_EQ(to_text(second), to_text(run_audit(suite, make_model(1), "whole")));
}

TEST_F(AuditTest, TrainingThatFailsIsToldWithTheShadow) {
  const Suite suite = audit_suite(", learning_rate: 1e200");
  EXPECT_THAT([&] { run_audit(suite, make_model(1), "s"); },
              ThrowsMessage<Error>(HasSubstr("shadow 0")));
}

TEST_F(AuditTest, ARecordThatTheCandidateFailsOnIsItsFaultAndNoScore) {
  const testing::Shape shape{{1, 4, 4}, 3};
  // Not a number where the first pixel is light, and a byte as no probe is.
  const Model model = testing::load_module(
      shape,
      "def forward(self, x):\n"
      "    z = torch.flatten(x, 1)\n"
      "    level = z[:, :1] * 255\n"
      "    byte = (level - torch.round(level)).abs() < 0.001\n"
      "    return z[:, :3] + torch.where(byte & (level > 127) & (level < 254), float('nan'), 0.)\n",
      {});
  int failed = 0;
  const Evidence evidence = run_audit(audit_suite(", shadows: 0"), model, "s");
  for (const Score& score : scored(evidence).scores) failed += score.failed;
  EXPECT_GT(failed, 40);
  EXPECT_LT(failed, 80);  // in either view
  // The pool's records, rows 80 to 149 of the file, are its fault as well.
  const std::vector<std::string>& lost = scored(evidence).failed_pool;
  EXPECT_GT(lost.size(), 35U);
  EXPECT_LT(lost.size(), 70U);
  for (const std::string& id : lost) EXPECT_GE(std::stoi(id), 80);
}

TEST_F(AuditTest, ACandidateThatFailsOnTheWholePoolHasNoScores) {
  const Model model = testing::load_module(
      testing::Shape{{1, 4, 4}, 3},
      "def forward(self, x):\n"
      "    z = torch.flatten(x, 1)\n"
      "    level = z * 255\n"
      "    bytes = ((level - torch.round(level)).abs() < 0.001).all(1, keepdim=True)\n"
      "    inner = ((level > 5) & (level < 250)).any(1, keepdim=True)\n"
      "    return z[:, :3] + torch.where(bytes & inner, float('nan'), 0.)\n",
      {});
  const Evidence evidence = run_audit(audit_suite(", shadows: 0"), model, "s");
  EXPECT_TRUE(evidence.complete());
  EXPECT_EQ(scored(evidence).failed_pool.size(), 70U);
  for (const Score& score : scored(evidence).scores) EXPECT_TRUE(score.failed);
}

TEST_F(AuditTest, StoredScoresStayWithTheirRecordsWhateverOtherCellsTake) {
  // The least records that a cell takes, known by their ids.
  const auto scores_by_id = [&](const Evidence& evidence) {
    std::map<std::pair<bool, std::string>, double> scores;
    for (const UnitResult& unit : evidence.units) {
      if (unit.cell != "mia") continue;
      for (const Score& score : unit.scores) {
        const auto& set = evidence.header.sets.at(score.member ? "members" : "out");
        scores[{score.member, set[static_cast<size_t>(score.record)].id}] = score.score;
      }
    }
    return scores;
  };
  const std::string more =
      "}\n  - {name: all, attack: difficulty, members: members, non_members: out, pool: pool, "
      "shadows: 0";
  counts_ = 10;
  const auto alone =
      scores_by_id(run_audit(audit_suite(", shadows: 0, count: 10"), make_model(1), "s"));
  ASSERT_EQ(alone.size(), 20U);
  counts_ = 40;
  const Evidence both =
      run_audit(audit_suite(", shadows: 0, count: 10" + more), make_model(1), "s");
  EXPECT_EQ(scores_by_id(both), alone);
}

TEST_F(AuditTest, CellsOfOtherCountsShareThePoolWithinAShard) {
  const std::string more =
      "}\n  - {name: all, attack: difficulty, members: members, non_members: out, pool: pool, "
      "shadows: 0";
  const Suite suite = audit_suite(", shadows: 0, count: 10" + more);
  std::vector<Evidence> shards;
  for (int64_t i = 0; i < 2; ++i) {
    RunOptions options;
    options.shard = i;
    options.shards = 2;
    shards.push_back(run_audit(suite, make_model(1), "shard" + std::to_string(i), options));
  }
  EXPECT_NO_THROW(merge(shards));
}

}  // namespace
}  // namespace assay

// Membership cells: what is audited, what shadows are trained on, and that it comes to the same
// bytes however it is cut.
#include "harness/run/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/run/fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// The mean log-probability over views less that of the shadows, with all that can be asked for.
Attack difficulty() {
  Attack attack;
  attack.info = {.name = "difficulty",
                 .family = Family::kMembership,
                 .access = Access::kScore,
                 .norms = {},
                 .pool = true,
                 .version = "1"};
  attack.bind = [](Params& params, const ThreatModel&) {
    Inference inference;
    inference.shadows.count = params.integer("shadows", 2, {0, 64}, "how many");
    inference.shadows.online =
        params.choice("mode", "offline", {"offline", "online"}, "trained on what") == "online";
    inference.shadows.train_records = params.integer("train_records", 0, {0, 1000}, "of the pool");
    inference.shadows.recipe.architecture = "mlp";
    inference.shadows.recipe.epochs = 1;
    inference.shadows.recipe.learning_rate =
        params.number("learning_rate", 0.01, {0, 1e300}, "peak");
    inference.views = 2;
    inference.population = true;
    inference.boundary_queries = 30;
    inference.features = 2;
    inference.infer = [](const Outputs& outputs, const Rng&) {
      const auto score = [&](const at::Tensor& logits) {
        const at::Tensor index =
            outputs.labels.view({1, -1, 1}).expand({logits.size(0), logits.size(1), 1});
        return logits.log_softmax(2).gather(2, index).squeeze(2).mean(0);  // [R]
      };
      at::Tensor scores = score(outputs.logits).clone();
      for (int64_t i = 0; i < outputs.shadows; ++i) {
        const at::Tensor out = outputs.in[i].logical_not().to(at::kDouble);
        scores.sub_(score(outputs.shadow_logits(i)).mul(out));
      }
      scores.add_(outputs.features.sum(1), 1e-3);
      return scores.narrow(0, 0, outputs.audited).add(outputs.distances);
    };
    return Bound{.inference = inference};
  };
  attack.info.declare = [bind = attack.bind](Params& params, const ThreatModel& threat) {
    bind(params, threat);
  };
  return attack;
}

class AuditTest : public testing::RunTest {
 protected:
  AuditTest() {
    attacks_.push_back(difficulty());
    infos_.push_back(attacks_.back().info);
    model_ = folder_ / "m.pt";
    testing::save_module(model_, "def forward(self, x):\n    return torch.flatten(x, 1)[:, :3]\n",
                         {});
  }

  static std::string sets(const std::string& out = "[40, 80]",
                          const std::string& pool = "[80, 150]") {
    return "  members: {format: idx, images: x, labels: y, rows: [0, 40]}\n"
           "  out: {format: idx, images: x, labels: y, rows: " +
           out + "}\n  pool: {format: idx, images: x, labels: y, rows: " + pool + "}\n";
  }

  Suite audit_suite(const std::string& more = "", const std::string& data = sets()) {
    const std::filesystem::path file = folder_ / "audit.yaml";
    std::ofstream(file) << "assay: 1\nname: t\nseed: 5\n"
                           "model: {path: m.pt, input: {shape: [1, 4, 4]}, classes: 3}\ndata:\n"
                        << data
                        << "attacks:\n  - {name: mia, attack: difficulty, members: members, "
                           "non_members: out, pool: pool"
                        << more << "}\n";
    return load_suite(file, {}, infos_);
  }

  // Data sets stay open as long as the plans that point into them.
  const RecordSets& open(const Suite& suite) {
    sets_.clear();
    datasets_.clear();
    RecordSets& sets = sets_.emplace_back();
    for (const auto& [name, spec] : suite.data) {
      const Dataset& set =
          *datasets_.emplace_back(std::make_unique<Dataset>(Dataset::open(spec, suite.model)));
      SampleSpec taken;
      if (name != "pool" && name != "test") taken.count = std::min(counts_, set.size());
      taken.seed = suite.seed;
      Records records{&set, draw(set, taken), {}};
      records.infos = describe(set, records.indices);
      (name == "pool" ? sets.pools : sets.audited)[name] = std::move(records);
    }
    return sets;
  }

  Audit audit(const Suite& suite) {
    const AttackSpec& spec = suite.attacks[0];
    return make_audit(suite, spec, bind_entry(spec, spec.threat, attacks_).inference, open(suite));
  }

  Evidence run_audit(const Suite& suite, const Model& model, const std::string& store,
                     RunOptions options = {}, const std::string& sha = std::string(64, 'a')) {
    AuditInputs inputs;
    inputs.sets = &open(suite);
    for (const auto& [wanted, where] : architectures_of(suite, attacks_)) {
      inputs.architectures[wanted] =
          std::make_shared<Architecture>(Architecture::of(suite.model, model_, wanted));
    }
    const Plan plan =
        make_plan(suite, {"m.pt", sha}, {}, platform("cpu"), attacks_, digests_, inputs);
    Store kept(folder_ / store);
    return run_plan(
        suite, plan, {}, attacks_, [&]() -> const Model& { return model; }, &kept, options);
  }

  static const UnitResult& scored(const Evidence& evidence) {
    for (const UnitResult& unit : evidence.units) {
      if (!unit.scores.empty()) return unit;
    }
    throw std::runtime_error("no unit has scores");
  }

  int64_t counts_ = 1000;  // the most that a cell takes of a set
  std::filesystem::path model_;
  std::vector<std::unique_ptr<Dataset>> datasets_;
  std::vector<RecordSets> sets_;
};

RunOptions with_workers(int workers) {
  RunOptions options;
  options.workers = workers;
  return options;
}

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
  // The model labels nine of ten records as they are labelled.
  EXPECT_NEAR(unit.fidelity->candidate_members, 0.93, 0.05);
}

TEST_F(AuditTest, GivesTheSameBytesForOneAndTwoWorkers) {
  const Suite suite = audit_suite(", shadows: 3");
  const std::string one = to_text(run_audit(suite, make_model(1), "s1", with_workers(1)));
  EXPECT_EQ(one, to_text(run_audit(suite, make_model(1), "s2", with_workers(2))));
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

TEST_F(AuditTest, TheOrderOfRecordsTellsNoSet) {
  const Audit found = audit(audit_suite());
  ASSERT_EQ(found.audited, 80);
  ASSERT_EQ(found.records.size(), 150U);
  int changes = 0;
  for (size_t i = 1; i < 80; ++i) {
    EXPECT_LE(found.records[i - 1].info().digest, found.records[i].info().digest);
    changes += found.records[i - 1].member != found.records[i].member;
  }
  EXPECT_GT(changes, 20);
}

TEST_F(AuditTest, ASmallerCountIsPartOfALargerOne) {
  const auto ids = [](const Audit& found) {
    std::set<std::pair<bool, std::string>> names;
    for (int64_t i = 0; i < found.audited; ++i) {
      const RecordRef& record = found.records[static_cast<size_t>(i)];
      names.emplace(record.member, record.info().id);
    }
    return names;
  };
  const auto small = ids(audit(audit_suite(", count: 10")));
  const auto large = ids(audit(audit_suite(", count: 25")));
  EXPECT_EQ(small.size(), 20U);
  EXPECT_EQ(large.size(), 50U);
  EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
}

TEST_F(AuditTest, OfflineShadowsAreTrainedOnPartsOfThePoolAlone) {
  const Audit found = audit(audit_suite(", shadows: 4"));
  ASSERT_EQ(found.training.size(), 70U);
  for (const RecordRef& record : found.training) {
    EXPECT_EQ(record.set, &sets_.back().pools.at("pool"));
  }
  std::set<std::vector<int64_t>> parts;
  for (int64_t shadow = 0; shadow < 4; ++shadow) {
    const std::vector<int64_t> rows = trained_on(found, shadow);
    EXPECT_EQ(rows.size(), 35U);
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
    parts.insert(rows);
  }
  EXPECT_EQ(parts.size(), 4U);
  EXPECT_EQ(trained_on(audit(audit_suite(", shadows: 9")), 3), trained_on(found, 3));
  EXPECT_EQ(trained_on(audit(audit_suite(", train_records: 50")), 1).size(), 50U);
  EXPECT_THAT([&] { audit(audit_suite(", train_records: 71")); },
              ThrowsMessage<Error>(HasSubstr("the pool has 70 records")));
}

TEST_F(AuditTest, OnlineEachPairOfShadowsShareTheRecordsBetweenThem) {
  const Audit found = audit(audit_suite(", mode: online, shadows: 4"));
  ASSERT_EQ(found.training.size(), 150U);
  for (const int64_t pair : {0, 2}) {
    const std::vector<int64_t> a = trained_on(found, pair);
    const std::vector<int64_t> b = trained_on(found, pair + 1);
    EXPECT_EQ(a.size(), 75U);
    std::vector<int64_t> both;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    EXPECT_EQ(both.size(), 150U);
  }
  EXPECT_NE(trained_on(found, 0), trained_on(found, 2));
}

TEST_F(AuditTest, SetsThatShareContentAreRefusedButForAnOnlinePool) {
  const auto load = [&](const std::string& more, const std::string& data) {
    return audit(audit_suite(more, data));
  };
  EXPECT_THAT([&] { load("", sets("[39, 60]")); },
              ThrowsMessage<Error>(HasSubstr("`members` and `non_members` share 1 record")));
  EXPECT_THAT([&] { load("", sets("[40, 80]", "[78, 150]")); },
              ThrowsMessage<Error>(HasSubstr("`non_members` and `pool` share 2 records")));
  // Other labels make no other records of them.
  write_data(150, make_model(2), "z");
  std::string relabelled = sets("[20, 60]");
  relabelled.replace(relabelled.find("labels: y, rows: [20, 60]"), 9, "labels: z");
  EXPECT_THAT([&] { load("", relabelled); },
              ThrowsMessage<Error>(HasSubstr("`members` and `non_members` share 20 records")));
  const Audit online = load(", mode: online", sets("[40, 80]", "[0, 150]"));
  EXPECT_EQ(online.training.size(), 150U) << "each record once";
}

TEST_F(AuditTest, PairingByKeyGoesByTheCellsOwnRecords) {
  const auto key = [&](const std::string& more, const std::string& data = sets()) {
    const Suite suite = audit_suite(more, data);
    AuditInputs inputs{&open(suite), {}};
    inputs.architectures["mlp"] =
        std::make_shared<Architecture>(Architecture::of(suite.model, model_, "mlp"));
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {},
                     inputs)
        .header.cells[0]
        .key;
  };
  EXPECT_EQ(key(""), key(""));
  EXPECT_NE(key(""), key(", count: 20"));
  EXPECT_NE(key(""), key("", sets("[40, 79]")));
  EXPECT_NE(key(""), key("", sets("[40, 80]", "[80, 149]")));
  EXPECT_NE(key(""), key(", shadows: 4"));
}

}  // namespace
}  // namespace assay

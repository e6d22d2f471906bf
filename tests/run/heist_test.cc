// Extraction cells: what a thief gets is measured on the whole test set, to the same bytes however
// the work is cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <sstream>

#include "harness/gate/extraction.h"
#include "harness/model/crash.h"
#include "tests/run/heist_fixture.h"
#include "tests/testing/candidate.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::HeistTest;

TEST_F(HeistTest, EveryBudgetAndSeedIsMeasuredOnTheWholeTestSet) {
  const Evidence evidence = run_heist(heist_suite(steal()), make_model(1), "s");
  EXPECT_TRUE(evidence.complete()) << evidence.interrupted;
  const Extracted& extracted = scored(evidence);
  ASSERT_EQ(extracted.stolen.size(), 6U);
  EXPECT_EQ(extracted.candidate.size(), 50U);
  std::set<std::string> different;
  for (size_t i = 0; i < 6; ++i) {
    const Stolen& stolen = extracted.stolen[i];
    EXPECT_EQ(stolen.budget, i < 3 ? 10 : 40);
    EXPECT_EQ(stolen.seed, static_cast<int64_t>(i % 3));
    EXPECT_EQ(stolen.queries, stolen.budget);
    EXPECT_EQ(stolen.failure, "");
    EXPECT_EQ(stolen.agreement.size(), 50U);
    EXPECT_EQ(stolen.transfer.size(), 50U);
    EXPECT_EQ(stolen.divergence.size(), 50U);
    different.insert(stolen.agreement);
    for (size_t k = 0; k < 50; ++k) {
      // Transfer is tried where the candidate is right; where it is and they agree, the surrogate
      // is right too.
      EXPECT_GE(stolen.divergence[k], 0);
      EXPECT_EQ(stolen.transfer[k] == '-', extracted.candidate[k] == '0');
      if (extracted.candidate[k] == '0') continue;
      EXPECT_EQ(stolen.agreement[k], stolen.accuracy[k]);
    }
  }
  EXPECT_GT(different.size(), 3U);
}

TEST_F(HeistTest, GivesTheSameBytesForOneAndTwoWorkers) {
  const Suite suite = heist_suite(steal());
  const std::string one = to_text(run_heist(suite, make_model(1), "s1", testing::with_workers(1)));
  EXPECT_EQ(one, to_text(run_heist(suite, make_model(1), "s2", testing::with_workers(2))));
}

TEST_F(HeistTest, AStopLeavesWhatWasStolenToTheNextRun) {
  const Suite suite = heist_suite(steal());
  RunOptions options;
  size_t done = 0;
  options.progress = [&](const Progress& progress) { done = progress.done; };
  options.stop = [&] { return done >= 3 ? std::string("stopped by SIGINT") : std::string(); };
  const Evidence first = run_heist(suite, make_model(1), "s", options);
  EXPECT_EQ(first.interrupted, "stopped by SIGINT");
  size_t computed = 0;
  RunOptions again;
  again.progress = [&](const Progress& progress) { computed = progress.computed; };
  const Evidence second = run_heist(suite, make_model(1), "s", again);
  EXPECT_EQ(to_text(second), to_text(run_heist(suite, make_model(1), "whole")));
  EXPECT_LE(computed, second.units.size() - 3);
}

// After three thefts and the outputs of the candidate and the first surrogate, that one's transfer.
TEST_F(HeistTest, ATransferInFlightIsGivenUpWhenARunIsToStop) {
  const Suite suite = heist_suite(
      "  - {name: steal, attack: knockoff, pool: pool, budgets: [10], seeds: 3, transfer_eps: "
      "1e-4}\n",
      "run: {block: 4}\n");
  RunOptions options;
  size_t done = 0;
  int asked = 0;
  options.progress = [&](const Progress& progress) { done += progress.cell == "steal" ? 1 : 0; };
  options.stop = [&] {
    return done >= 5 && ++asked > 6 ? std::string("stopped by SIGINT") : std::string();
  };
  const Evidence first = run_heist(suite, make_model(1), "s", options);
  EXPECT_EQ(first.interrupted, "stopped by SIGINT");
  EXPECT_EQ(first.units.size(), first.header.clean_units.size() + 5);
  EXPECT_LE(asked, 8);
  const Evidence second = run_heist(suite, make_model(1), "s");
  EXPECT_EQ(to_text(second), to_text(run_heist(suite, make_model(1), "whole")));
}

TEST_F(HeistTest, AnotherBudgetStealsNothingAgain) {
  run_heist(heist_suite(steal()), make_model(1), "s");
  size_t computed = 0;
  RunOptions options;
  options.progress = [&](const Progress& progress) { computed = progress.computed; };
  const Suite more =
      heist_suite("  - {name: steal, attack: knockoff, pool: pool, budgets: [10, 40, 50]}\n");
  run_heist(more, make_model(1), "s", options);
  // Three thefts, their outputs and transfers, and the scores.
  EXPECT_EQ(computed, 10U);
}

TEST_F(HeistTest, ABudgetThatThePoolCannotServeIsRefusedBeforeAnythingIsStolen) {
  const auto budgets = [&](const std::string& attack, const std::string& list) {
    const Suite suite = heist_suite("  - {name: steal, attack: " + attack +
                                    ", pool: pool, budgets: [" + list + "]}\n");
    try {
      run_heist(suite, make_model(1), "s");
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(
      budgets("knockoff", "10, 61"),
      HasSubstr("`budgets` go up to 61 queries, and `knockoff` sends each of the 60 records "
                "of `pool` once at most; give a larger pool, or smaller budgets"));
  EXPECT_EQ(budgets("knockoff", "60"), "");
  EXPECT_EQ(budgets("jbda", "61"), "") << "it makes queries of its own";
}

TEST_F(HeistTest, OfCopiesInThePoolOneIsSent) {
  const auto thefts = [&](const std::string& budgets, int64_t end) {
    Suite suite = heist_suite("  - {name: steal, attack: knockoff, pool: pool, budgets: [" +
                              budgets + "]}\n");
    suite.data.at("pool").rows = std::pair<int64_t, int64_t>(40, end);
    return scored(run_heist(suite, make_model(1), "rows to " + std::to_string(end))).stolen;
  };
  std::stringstream images;
  images << std::ifstream(folder_ / "x", std::ios::binary).rdbuf();
  std::string bytes = images.str();
  for (size_t i = 55; i < 100; ++i) bytes.replace(16 + 16 * i, 16, bytes, 16 + 16 * (i - 15), 16);
  std::ofstream(folder_ / "x", std::ios::binary) << bytes;
  const std::vector<Stolen> some = thefts("5, 15", 55);
  const std::vector<Stolen> copied = thefts("5, 15", 100);
  ASSERT_EQ(some.size(), copied.size());
  for (size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(some[i].queries, copied[i].queries);
    EXPECT_EQ(some[i].divergence, copied[i].divergence) << "taught by the same 15 records";
  }
  try {
    thefts("5, 16", 100);
    ADD_FAILURE() << "there are 15 to send";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("sends each of the 15 different records of `pool` once"));
  }
}

TEST_F(HeistTest, ATheftThatTheCandidateFailsOnIsItsFault) {
  // No number for the pool's records, which no probe meets: bytes above a half.
  const Model model = testing::load_module(
      testing::Shape{{1, 4, 4}, 3},
      "def forward(self, x):\n"
      "    z = torch.flatten(x, 1)\n"
      "    level = z[:, :1] * 255\n"
      "    byte = (level - torch.round(level)).abs() < 0.001\n"
      "    return z[:, :3] + torch.where(byte & (level > 127) & (level < 254), float('nan'), 0.)\n",
      {});
  const Extracted extracted = scored(run_heist(heist_suite(steal()), model, "s"));
  for (const Stolen& stolen : extracted.stolen) {
    EXPECT_THAT(stolen.failure, HasSubstr("NaN or infinity"));
    EXPECT_EQ(stolen.agreement, "");
  }
}

// An extraction attack that asks once, with what its function does then.
Attack asking_once(const std::function<void(Victim&)>& then) {
  Attack attack;
  attack.info = {.name = "copycat",
                 .family = Family::kExtraction,
                 .access = Access::kLabel,
                 .norms = {},
                 .surfaces = {Surface::Kind::kLabel},
                 .version = "1"};
  attack.bind = [then](Params& params, const ThreatModel&) {
    Extraction extraction;
    extraction.budgets = params.integers("budgets", {5}, {1, 100}, "queries");
    extraction.seeds = params.integer("seeds", 3, {3, 9}, "repetitions");
    extraction.surrogate = false;
    extraction.extract = [then](Victim& victim, const Pool&, const FreshSurrogate&,
                                const Rng& rng) -> Theft {
      then(victim);
      return {
          .surrogate = "",
          .findings = {{"draw", rng.uniform(0, 0, 0)}, {"stage", rng.stage(1).uniform(0, 0, 0)}}};
    };
    return Bound{.extraction = extraction};
  };
  attack.info.declare = [bind = attack.bind](Params& params, const ThreatModel& threat) {
    bind(params, threat);
  };
  return attack;
}

TEST_F(HeistTest, WhoTakesTheProcessDownIsToBlame) {
  std::erase_if(attacks_, [](const Attack& attack) { return attack.info.name == "copycat"; });
  std::erase_if(infos_, [](const AttackInfo& info) { return info.name == "copycat"; });
  attacks_.push_back(asking_once([](Victim& victim) {
    const ModelCall inside;  // as the candidate's own code is called
    EXPECT_EQ(victim.spent(), 0);
    std::raise(SIGSEGV);
  }));
  infos_.push_back(attacks_.back().info);
  const Suite suite = heist_suite("  - {name: c, attack: copycat}\n" + steal());
  const Evidence evidence = run_heist(suite, make_model(1), "s");
  EXPECT_EQ(evidence.interrupted, "");
  EXPECT_THAT(scored(evidence).stolen[0].failure, HasSubstr("SIGSEGV"));
  attacks_.back() = asking_once([](Victim&) { std::raise(SIGSEGV); });
  EXPECT_THAT(run_heist(suite, make_model(1), "other").interrupted,
              HasSubstr("SIGSEGV outside of the candidate"));
}

TEST_F(HeistTest, RepetitionsDrawApartInEveryStage) {
  std::erase_if(attacks_, [](const Attack& attack) { return attack.info.name == "copycat"; });
  std::erase_if(infos_, [](const AttackInfo& info) { return info.name == "copycat"; });
  attacks_.push_back(asking_once([](Victim&) {}));
  infos_.push_back(attacks_.back().info);
  const Suite suite = heist_suite(
      "  - {name: c, attack: copycat}\n  - {name: d, attack: knockoff, pool: pool, "
      "budgets: [5], transfer_count: 0}\n");
  const Evidence evidence = run_heist(suite, make_model(1), "s");
  std::set<double> draws;
  for (const Stolen& stolen : scored(evidence).stolen) {
    for (const auto& [name, value] : stolen.findings) draws.insert(value);
  }
  EXPECT_EQ(draws.size(), 6U);
}

// The candidate's own weights in a buffer, which every copy has.
TEST_F(HeistTest, SurrogatesThatKeepValuesOfTheCandidateAreFlaggedAndPairWithNoOthers) {
  const auto theft = [&](int64_t held) {
    torch::jit::Module module("Net");
    module.register_parameter("weight", testing::random_normal({16, 3}, 1), /*is_buffer=*/false);
    module.register_buffer("held", at::ones({held}));
    module.define(
        "def forward(self, x):\n"
        "    return torch.flatten(x, 1).matmul(self.weight) + self.held.sum()\n");
    module.eval();
    module.save(model_.string());
    const Suite suite = heist_suite(
        "  - {name: steal, attack: knockoff, pool: pool, budgets: [5], architecture: candidate, "
        "transfer_count: 0}\n");
    return run_heist(suite, make_model(1), "s").header;
  };
  const Header held = theft(40);
  EXPECT_EQ(held.cells[0].key_fields.at(kKeptField), "held");
  const auto flag = std::find_if(held.flags.begin(), held.flags.end(), [](const Flag& each) {
    return each.id == "surrogate_keeps_values" && each.cell == "steal";
  });
  ASSERT_NE(flag, held.flags.end());
  EXPECT_THAT(flag->detail, HasSubstr("and keep them: held"));
  const Header free = theft(0);
  EXPECT_FALSE(free.cells[0].key_fields.contains(kKeptField));
  EXPECT_NE(free.cells[0].key, held.cells[0].key);
}

// Whose the values are is asked of the model that is robbed: the incumbent's too, in its own run.
TEST_F(HeistTest, AStartFileWithTheModelsValuesIsNoThiefs) {
  const auto save = [&](const std::string& name, uint64_t trunk, uint64_t head) {
    torch::jit::Module module("Net");
    module.register_parameter("trunk", testing::random_normal({16, 8}, trunk), false);
    module.register_parameter("head", testing::random_normal({8, 3}, head), false);
    module.define(
        "def forward(self, x):\n"
        "    return torch.relu(torch.flatten(x, 1).matmul(self.trunk)).matmul(self.head)\n");
    module.save((folder_ / name).string());
    return folder_ / name;
  };
  save("start.pt", 1, 4);
  const auto theft = [&](const std::filesystem::path& model, const std::string& start) {
    model_ = model;
    const Suite suite = heist_suite(
        "  - {name: steal, attack: knockoff, pool: pool, budgets: [5], transfer_count: 0, "
        "architecture: " +
        (folder_ / start).string() + "}\n");
    return run_heist(suite, make_model(1), "s").header;
  };
  const Header held = theft(save("candidate.pt", 1, 2), "start.pt");
  EXPECT_EQ(held.cells[0].key_fields.at(kKeptField), "trunk");
  const auto flag = std::find_if(held.flags.begin(), held.flags.end(), [](const Flag& each) {
    return each.id == "surrogate_keeps_values" && each.cell == "steal";
  });
  ASSERT_NE(flag, held.flags.end());
  EXPECT_THAT(flag->detail, HasSubstr("which no thief has: trunk"));
  const Header free = theft(save("other.pt", 3, 2), "start.pt");
  EXPECT_FALSE(free.cells[0].key_fields.contains(kKeptField));
  EXPECT_NE(free.cells[0].key, held.cells[0].key) << "and so the two are no pair";
}

TEST_F(HeistTest, AStolenSurrogateIsASourceAndAReference) {
  const Suite suite = heist_suite(
      steal() +
      "  - {name: near, attack: transfer, norm: linf, eps: 0.3, source: steal@40}\n"
      "  - {name: far, attack: transfer, norm: linf, eps: 0.3, source: steal@10}\n"
      "  - {name: mia, attack: base, members: members, non_members: out, references: steal}\n");
  const Evidence evidence = run_heist(suite, make_model(1), "s");
  EXPECT_TRUE(evidence.complete()) << evidence.interrupted;
  std::set<std::string> points;
  for (const UnitResult& unit : evidence.units) {
    const bool stolen = unit.cell == "near" || unit.cell == "far";
    for (const Verdict& row : unit.rows) {
      if (stolen && row.queries > 0) points.insert(row.tensors);
    }
  }
  EXPECT_GT(points.size(), 2U);  // of two surrogates
  for (const UnitResult& unit : evidence.units) {
    if (unit.cell != "mia" || unit.scores.empty()) continue;
    EXPECT_EQ(unit.scores.size(), 40U);
    ASSERT_TRUE(unit.fidelity.has_value());
    EXPECT_FALSE(unit.fidelity->trained);
    EXPECT_EQ(unit.fidelity->shadows, 3);
    EXPECT_GT(unit.fidelity->shadow_non_members, 0);
    return;
  }
  FAIL() << "no unit has scores";
}

TEST_F(HeistTest, ShardsDoWhatTheirUnitsBuildOn) {
  const Suite suite = heist_suite(
      steal() + "  - {name: near, attack: transfer, norm: linf, eps: 0.3, source: steal@40}\n",
      "run: {block: 8}\n");
  std::vector<Evidence> shards;
  for (int64_t i = 0; i < 3; ++i) {
    RunOptions options;
    options.shard = i;
    options.shards = 3;
    shards.push_back(run_heist(suite, make_model(1), "shard" + std::to_string(i), options));
  }
  const Evidence whole = run_heist(suite, make_model(1), "whole");
  const Evidence merged = merge(shards);
  ASSERT_EQ(merged.units.size() + 1, whole.units.size());  // the scores are missing
  for (const UnitResult& unit : merged.units) {
    EXPECT_EQ(unit.rows, whole.find(unit.key)->rows);
    EXPECT_EQ(unit.tensors, whole.find(unit.key)->tensors);
  }
}

TEST_F(HeistTest, NoiseServesAsAPool) {
  const auto entry = [](const std::string& attack, const std::string& pool) {
    return "  - {name: steal, attack: " + attack + ", pool: " + pool +
           ", budgets: [20], transfer_count: 0}\n";
  };
  std::set<std::string> keys;
  for (const char* attack : {"knockoff", "copycat", "jbda", "active_thief"}) {
    const Evidence evidence = run_heist(heist_suite(entry(attack, "noise")), make_model(1), "s");
    EXPECT_TRUE(evidence.complete()) << evidence.interrupted;
    EXPECT_EQ(evidence.header.cells[0].sets.at("pool"), "noise");
    for (const Stolen& stolen : scored(evidence).stolen) EXPECT_EQ(stolen.queries, 20) << attack;
    keys.insert(evidence.header.cells[0].key);
  }
  keys.insert(
      run_heist(heist_suite(entry("knockoff", "pool")), make_model(1), "s").header.cells[0].key);
  EXPECT_EQ(keys.size(), 5U);
  // A stolen reference that was made of noise has seen nobody.
  EXPECT_NO_THROW(run_heist(heist_suite(entry("knockoff", "noise") +
                                        "  - {name: mia, attack: attack_r, members: members, "
                                        "non_members: out, references: steal}\n"),
                            make_model(1), "s"));
}

TEST_F(HeistTest, KeysFollowTheSourceOfTrainingsAndTheftsTellHowTheyFitTheirQueries) {
  EXPECT_EQ(training_version().size(), 16U);
  const Evidence evidence = run_heist(heist_suite(steal()), make_model(1), "s");
  EXPECT_EQ(evidence.header.cells[0].key_fields.at("training_version"), training_version());
  for (const Stolen& stolen : scored(evidence).stolen) {
    EXPECT_GT(stolen.findings.at("fit"), 0.3);
    EXPECT_LE(stolen.findings.at("fit"), 1);
  }
}

TEST_F(HeistTest, APoolThatSharesRecordsWithTheTestSetIsFlagged) {
  const auto flags = [&](const std::string& pool) {
    const std::filesystem::path file = folder_ / "overlap.yaml";
    std::ofstream(file) << "assay: 1\nname: t\n"
                           "model: {path: m.pt, input: {shape: [1, 4, 4]}, classes: 3}\n"
                           "data:\n"
                           "  test: {format: idx, images: x, labels: y, rows: [100, 150]}\n"
                           "  pool: {format: idx, images: x, labels: y, rows: " +
                               pool + "}\nattacks: [{name: steal, attack: knockoff, pool: pool, " +
                               "budgets: [5], architecture: mlp, epochs: 1, least_steps: 0, " +
                               "transfer_count: 0}]\n";
    std::vector<std::string> ids;
    for (const Flag& flag :
         run_heist(load_suite(file, {}, infos_), make_model(1), "s").header.flags) {
      if (flag.cell == "steal") ids.push_back(flag.id + ": " + flag.detail.substr(0, 2));
    }
    return ids;
  };
  EXPECT_EQ(flags("[90, 110]"), std::vector<std::string>{"pool_overlaps_test: 10"});
  EXPECT_EQ(flags("[80, 100]"), std::vector<std::string>{});
}

}  // namespace
}  // namespace assay

#include "harness/suite/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "harness/suite/digest.h"
#include "tests/suite/fakes.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> cell_names(const Suite& suite) {
  std::vector<std::string> names;
  for (const Cell& cell : suite.cells) names.push_back(cell.name);
  return names;
}

TEST(Suite, ExampleLoadsWhole) {
  const Suite suite = load(kExample);
  EXPECT_EQ(suite.name, "fashion-nightly");
  EXPECT_EQ(suite.seed, 20260101u);
  EXPECT_THAT(suite.model.shape, ElementsAre(1, 28, 28));
  EXPECT_EQ(suite.model.classes, 10);
  EXPECT_EQ(suite.model.path, suite.file.parent_path() / "candidate.pt");
  EXPECT_EQ(suite.baseline, (suite.file.parent_path() / "production.pt").string());
  EXPECT_EQ(suite.data.at("test").images, suite.file.parent_path() / "t10k-images-idx3-ubyte.gz");
  EXPECT_EQ(suite.data.at("non_members").rows, std::pair(int64_t{5000}, int64_t{10000}));
  EXPECT_EQ(suite.sample.count, 4000);
  EXPECT_EQ(suite.sample.seed, 7u);
  EXPECT_TRUE(suite.sample.stratified);
  EXPECT_THAT(cell_names(suite), ElementsAre("fgsm", "pgd@0.05", "pgd@0.1", "aa", "near@0.5",
                                             "near@1.0", "mia", "steal"));
  EXPECT_EQ(suite.cells[0].eps, 8.0 / 255);
  EXPECT_EQ(suite.run.block, 64);
  EXPECT_EQ(suite.run.time_limit_s, 6 * 3600);
  EXPECT_EQ(suite.run.memory_limit, 16'000'000'000);
}

TEST(Suite, ExampleEntriesHaveThreatAndParameters) {
  const Suite suite = load(kExample);
  const AttackSpec& pgd = suite.attacks[1];
  EXPECT_EQ(pgd.threat.norm, Norm::kLinf);
  EXPECT_TRUE(pgd.eps_list);
  EXPECT_FALSE(pgd.threat.eps.has_value());
  EXPECT_EQ(std::get<int64_t>(pgd.params.at("steps")), 40);
  EXPECT_EQ(std::get<double>(pgd.params.at("step_size")), 0.01);
  EXPECT_EQ(std::get<bool>(pgd.params.at("random_start")), true);
  EXPECT_EQ(pgd.where.line, 20);
  EXPECT_EQ(suite.attacks[0].threat.eps, 8.0 / 255);
  EXPECT_EQ(suite.attacks[3].threat.norm, Norm::kL2);
  EXPECT_EQ(suite.attacks[4].sets.at("non_members"), "non_members");
  EXPECT_EQ(std::get<std::vector<int64_t>>(suite.attacks[5].params.at("budgets")),
            (std::vector<int64_t>{100, 1000, 10000}));
}

TEST(Suite, StagesInheritNormEpsAndGoal) {
  const Suite suite = load(kExample);
  const std::vector<AttackSpec>& stages = suite.attacks[2].stages;
  ASSERT_EQ(stages.size(), 3u);
  EXPECT_EQ(stages[0].name, "apgd");
  EXPECT_EQ(stages[1].name, "apgd_2");
  EXPECT_EQ(stages[2].name, "square");
  for (const AttackSpec& stage : stages) {
    EXPECT_EQ(stage.threat.norm, Norm::kLinf);
    EXPECT_EQ(stage.threat.eps, 8.0 / 255);
  }
  EXPECT_EQ(stages[2].threat.access, Access::kScore);
  EXPECT_EQ(std::get<int64_t>(stages[1].params.at("targets")), 9);
  EXPECT_EQ(std::get<int64_t>(stages[2].params.at("queries")), 5000);
}

TEST(Suite, RulesCoverTheCellsThatHaveTheMetric) {
  const Suite suite = load(kExample);
  ASSERT_EQ(suite.rules.size(), 3u);
  EXPECT_THAT(suite.rules[0].cells, ElementsAre(2));
  EXPECT_EQ(suite.rules[0].kind, RuleSpec::Kind::kAtLeast);
  EXPECT_EQ(suite.rules[0].limit, 0.4);
  EXPECT_EQ(suite.rules[0].where.line, 32);
  EXPECT_THAT(suite.rules[1].cells, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(suite.rules[2].cells, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(suite.rules[2].except, ElementsAre("few_classes"));
}

// All that a verdict or a report depends on.
void expect_same(const Suite& a, const Suite& b) {
  EXPECT_EQ(a.effective, b.effective);
  EXPECT_EQ(a.sha256, b.sha256);
  EXPECT_EQ(a.baseline == "none", b.baseline == "none");
  EXPECT_EQ(cell_names(a), cell_names(b));
  ASSERT_EQ(a.attacks.size(), b.attacks.size());
  for (size_t i = 0; i < a.attacks.size(); ++i) {
    EXPECT_EQ(canonical_json(a.attacks[i].params), canonical_json(b.attacks[i].params));
    EXPECT_EQ(canonical_json(a.attacks[i].entry), canonical_json(b.attacks[i].entry));
    EXPECT_EQ(a.attacks[i].threat.eps, b.attacks[i].threat.eps);
  }
  ASSERT_EQ(a.rules.size(), b.rules.size());
  for (size_t i = 0; i < a.rules.size(); ++i) {
    EXPECT_EQ(a.rules[i].cells, b.rules[i].cells);
    EXPECT_EQ(a.rules[i].limit, b.rules[i].limit);
    EXPECT_EQ(a.rules[i].relative, b.rules[i].relative);
    EXPECT_EQ(a.rules[i].where.line, b.rules[i].where.line);
  }
}

TEST(Suite, RestoredFromItsEffectiveTextItIsTheSame) {
  const Suite suite = load(kExample);
  const Suite restored = restore_suite(suite.effective, suite.file.parent_path(), fake_attacks());
  expect_same(suite, restored);
  EXPECT_EQ(restored.model.path, suite.model.path);
  EXPECT_EQ(restored.baseline, suite.baseline);
}

TEST(Suite, AShareOfAnL0EpsIsAWholeNumberOfEntries) {
  EXPECT_EQ(share_of_eps(Norm::kLinf, 0.2, 0.5), 0.1);
  EXPECT_EQ(share_of_eps(Norm::kL1, 3, 0.5), 1.5);
  EXPECT_EQ(share_of_eps(Norm::kL0, 3, 0.5), 1);
  EXPECT_EQ(share_of_eps(Norm::kL0, 3, 0.3), 0);
  EXPECT_EQ(share_of_eps(Norm::kL0, 7, 1), 7);
  for (int entries = 1; entries <= 1000; ++entries) {
    const double share = entries / 1000.0;
    EXPECT_EQ(share_of_eps(Norm::kL0, 1000, share), entries) << "0.29 of 100 is 29";
    EXPECT_EQ(share_of_eps(Norm::kL0, 100, share), entries / 10);
  }
}

TEST(Suite, OddSpellingsSurviveRestoring) {
  const std::string text = R"(assay: 1
name: 007
model: { path: 1.50, input: { shape: [3, 8, 8] }, classes: [0, "1", 02, yes, null_],
         output_index: 1 }
data: { test: { format: npz, path: "a # b: c", x: 1e3, y: "true" } }
baseline: none
attacks:
  - { name: 1.0, attack: pgd, norm: linf, eps: [0.10, 1e-1000, "0.30", 1/5, .4],
      step_size: 1/100, steps: 1e2 }
  - { name: d, attack: deepfool }
gate:
  rules:
    - { cell: 1.0@.4, metric: robust_accuracy, at_least: 1/2 }
    - { cell: d, metric: median_distance, max_drop: 5% }
    - { cell: d, metric: median_distance, max_rise: 150% }
)";
  // 1e-1000 is no number above zero.
  EXPECT_THAT(fault(text), HasSubstr("suite.yaml:8:55: `eps` is `1e-1000`"));
  std::string mended = text;
  mended.replace(mended.find("1e-1000"), 7, "0.20");
  // 0.20 and 1/5 are one radius.
  EXPECT_THAT(fault(mended), HasSubstr("`1/5` equals `0.20`"));
  mended.replace(mended.find("1/5"), 3, "1/4");
  const Suite suite = load(mended);
  EXPECT_THAT(cell_names(suite),
              ElementsAre("1.0@0.10", "1.0@0.20", "1.0@0.30", "1.0@1/4", "1.0@.4", "d"));
  const Suite restored = restore_suite(suite.effective, suite.file.parent_path(), fake_attacks());
  expect_same(suite, restored);
  EXPECT_EQ(restored.name, "007");
  EXPECT_EQ(restored.model.class_names, suite.model.class_names);
  EXPECT_THAT(suite.model.class_names, ElementsAre("0", "1", "02", "yes", "null_"));
  EXPECT_EQ(restored.model.output_index, "1");
  EXPECT_EQ(restored.data.at("test").x, "1e3");
  EXPECT_EQ(restored.rules[1].limit, 0.05);
  EXPECT_TRUE(restored.rules[1].relative);
  EXPECT_EQ(restored.rules[2].limit, 1.5);
}

TEST(Suite, VariablesAreExpandedOnceOnly) {
  ::setenv("ASSAY_TEST_FOLDER", "odd${ASSAY_TEST_UNSET}", 1);
  std::string text = kSmall;
  text.replace(text.find("x.npy"), 5, "\"${ASSAY_TEST_FOLDER}/x.npy\"");
  text += "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n";
  const Suite suite = load(text);
  EXPECT_THAT(suite.data.at("test").images.string(), EndsWith("odd${ASSAY_TEST_UNSET}/x.npy"));
  const Suite restored = restore_suite(suite.effective, suite.file.parent_path(), fake_attacks());
  EXPECT_EQ(restored.data.at("test").images, suite.data.at("test").images);
  ::unsetenv("ASSAY_TEST_FOLDER");
}

TEST(Suite, HashLeavesOutModelPathBaselineAndLayout) {
  const Suite suite = load(kExample);
  Overrides overrides;
  overrides.model = "other.pt";
  overrides.baseline = "none";
  const Suite other = load("# a comment\n" + std::string(kExample), overrides);
  EXPECT_EQ(other.sha256, suite.sha256);
  EXPECT_EQ(other.baseline, "none");
  EXPECT_EQ(other.model.path, std::filesystem::absolute("other.pt"));
  const Suite restored = restore_suite(other.effective, other.file.parent_path(), fake_attacks());
  EXPECT_EQ(restored.baseline, "none");

  Overrides steps;
  steps.set = {"attacks.pgd.steps=41"};
  EXPECT_NE(load(kExample, steps).sha256, suite.sha256);
}

TEST(Suite, WhatTheMachineMaySpendIsNoPartOfItsHash) {
  const std::string plain = load(kExample).sha256;
  for (const char* set : {"run.time_limit=1h", "run.memory_limit=4GB"}) {
    Overrides overrides;
    overrides.set = {set};
    EXPECT_EQ(load(kExample, overrides).sha256, plain) << set;
  }
  Overrides block;
  block.set = {"run.block=32"};
  EXPECT_NE(load(kExample, block).sha256, plain);
}

TEST(Suite, EffectiveTextHasNoDefaultsAndNoAbsolutePaths) {
  const Suite suite = load(kExample);
  EXPECT_THAT(suite.effective, Not(HasSubstr("defaults")));
  EXPECT_THAT(suite.effective, Not(HasSubstr(suite.file.parent_path().string())));
  EXPECT_THAT(suite.effective,
              HasSubstr(R"({"attack":"fgsm","eps":"8/255","name":"fgsm","norm":"linf"})"));
}

TEST(Suite, DefaultsReachOnlyEntriesThatTakeThem) {
  const Suite suite = load(std::string(kSmall) + R"(
defaults: { norm: l2, steps: 7, eps: 1 }
attacks:
  - { name: a, attack: fgsm }
  - { name: b, attack: pgd, steps: 9 }
  - { name: c, attack: apgd, norm: linf, eps: 0.1 }
  - { name: e, attack: ensemble, stages: [ { attack: apgd }, { attack: square } ] }
)");
  EXPECT_EQ(suite.attacks[0].params.count("steps"), 0u);
  EXPECT_EQ(suite.attacks[0].threat.norm, Norm::kL2);
  EXPECT_EQ(std::get<int64_t>(suite.attacks[1].params.at("steps")), 9);
  EXPECT_EQ(std::get<int64_t>(suite.attacks[2].params.at("steps")), 7);
  EXPECT_EQ(suite.attacks[2].threat.norm, Norm::kLinf);
  EXPECT_EQ(std::get<int64_t>(suite.attacks[3].stages[0].params.at("steps")), 7);
}

TEST(Suite, WhatHasAPerturbationSetOfItsOwnTakesNoBounds) {
  const Suite suite = load(std::string(kSmall) + R"(
defaults: { norm: l2, eps: 1, severity: 2 }
attacks:
  - { name: a, attack: fgsm }
  - { name: c, attack: corruption }
  - { name: e, attack: ensemble, stages: [ { attack: corruption, severity: 5 } ] }
gate: { rules: [ { cell: "*", metric: robust_accuracy, max_drop: 0.03 } ] }
)");
  EXPECT_FALSE(suite.attacks[0].threat.unbounded);
  EXPECT_THAT(suite.rules[0].cells, ElementsAre(0, 1, 2));
  for (const size_t i : {1, 2}) {
    const AttackSpec& spec = suite.attacks[i];
    EXPECT_TRUE(spec.threat.unbounded);
    EXPECT_EQ(suite.cells[i].eps, std::nullopt);
    EXPECT_EQ(suite.cells[i].name, spec.name);
    EXPECT_EQ(spec.entry.find("norm"), nullptr);
    EXPECT_THAT(metric_names(spec, false),
                ElementsAre("clean_accuracy", "robust_accuracy", "attack_success"));
  }
  EXPECT_EQ(std::get<int64_t>(suite.attacks[1].params.at("severity")), 2);
  EXPECT_TRUE(suite.attacks[2].stages[0].threat.unbounded);
  EXPECT_EQ(restore_suite(suite.effective, "", fake_attacks()).sha256, suite.sha256);
  // By itself too: a default for attacks of other kinds is no mistake.
  load(std::string(kSmall) +
       "defaults: { norm: linf }\n"
       "attacks: [ { name: c, attack: corruption } ]\n");
}

TEST(Suite, ParamsOfAnEntryBindAgain) {
  const Suite suite = load(kExample);
  for (const AttackSpec& spec : suite.attacks) {
    for (const AttackInfo& info : fake_attacks()) {
      if (info.name != spec.attack) continue;
      Params params = params_of(spec);
      info.declare(params, spec.threat);
      params.finish();
      ParamMap bound = spec.params;  // those of every audit are the harness's own
      for (const char* own : {"delta", "estimator", "inclusion"}) {
        EXPECT_EQ(bound.erase(own), spec.family == Family::kMembership ? 1U : 0U);
      }
      EXPECT_EQ(canonical_json(params.values()), canonical_json(bound)) << spec.name;
    }
  }
}

TEST(Suite, SettingsOfAnAuditStandAmongItsParameters) {
  const Suite suite = load(kExample);
  const auto mia = std::find_if(suite.attacks.begin(), suite.attacks.end(),
                                [](const AttackSpec& spec) { return spec.name == "mia"; });
  EXPECT_EQ(mia->params.at("delta"), ParamValue(1e-5));
  EXPECT_EQ(mia->params.at("estimator"), ParamValue(std::string("bonferroni")));
  EXPECT_EQ(mia->params.at("inclusion"), ParamValue(std::string("fixed")));
  const Suite other =
      load(kExample, {.set = {"attacks.mia.delta=0.001", "attacks.mia.inclusion=randomised",
                              "attacks.mia.estimator=one_run"}});
  EXPECT_EQ(other.attacks[4].params.at("delta"), ParamValue(0.001));
  EXPECT_EQ(other.attacks[4].params.at("estimator"), ParamValue(std::string("one_run")));
}

TEST(Suite, OneRunWithoutACoinIsForTheGateToJudge) {
  const Suite suite = load(kExample, {.set = {"attacks.mia.estimator=one_run"}});
  EXPECT_EQ(suite.attacks[4].params.at("estimator"), ParamValue(std::string("one_run")));
  EXPECT_EQ(suite.attacks[4].params.at("inclusion"), ParamValue(std::string("fixed")));
}

TEST(Suite, OfflineShadowsWithoutAPoolAreRefused) {
  std::string text = kExample;
  text.replace(text.find("non_members: non_members, pool: pool"), 36, "non_members: non_members");
  EXPECT_THAT([&] { load(text); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("needs `pool`")));
  text.replace(text.find("mode: offline"), 13, "mode: online");
  EXPECT_NO_THROW(load(text));
}

TEST(Suite, TargetsAreNamesOrLabels) {
  const std::string head = R"(assay: 1
name: t
model: { path: m.pt, input: { shape: [3, 8, 8] }, classes: [cat, dog, owl] }
data: { test: { format: npy, images: x.npy, labels: y.npy } }
attacks: [ { name: a, attack: pgd, norm: linf, eps: 0.1, goal: targeted, target: )";
  const auto target = [&](const std::string& text) {
    return load(head + text + " } ]\n").attacks[0].threat.target;
  };
  EXPECT_EQ(target("next").kind, Target::Kind::kNext);
  EXPECT_EQ(target("random").kind, Target::Kind::kRandom);
  EXPECT_EQ(target("least_likely").kind, Target::Kind::kLeastLikely);
  EXPECT_EQ(target("owl").label, 2);
  EXPECT_EQ(target("1").label, 1);
  EXPECT_THAT(fault(head + "3 } ]"), HasSubstr("labels go from 0 to 2"));
}

TEST(Suite, NormalizeRepeatsOneNumberForEveryChannel) {
  std::string text = kSmall;
  text.replace(text.find("classes"), 7,
               "normalize: { mean: [0.5], std: [1/2, 0.25, 0.125] }, classes");
  const Suite suite = load(text + "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n");
  EXPECT_THAT(suite.model.mean, ElementsAre(0.5, 0.5, 0.5));
  EXPECT_THAT(suite.model.std, ElementsAre(0.5, 0.25, 0.125));
}

TEST(Suite, FreeMinimumNormHasNoRobustAccuracy) {
  const std::string head = std::string(kSmall) + "attacks: [ { name: d, attack: deepfool } ]\n";
  EXPECT_EQ(load(head).cells[0].eps, std::nullopt);
  EXPECT_THAT(metric_names(load(head).attacks[0], true),
              ElementsAre("clean_accuracy", "attack_success", "median_distance"));
  for (const char* cell : {"d", "\"*\""}) {
    EXPECT_THAT(fault(head + "gate: { rules: [ { cell: " + cell +
                      ", metric: robust_accuracy, at_least: 0.1 } ] }\n"),
                HasSubstr("give the entry an `eps`"));
  }
}

TEST(Suite, EmptyBaselineIsNoBaseline) {
  const std::string rest = "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n";
  EXPECT_EQ(load(kSmall + rest).baseline, "");
  EXPECT_EQ(load(kSmall + rest + "baseline: ${ASSAY_TEST_UNSET:-}\n").baseline, "");
}

TEST(BallRadius, AddsTheRoundingOfTheBox) {
  ThreatModel threat;
  EXPECT_EQ(ball_radius(threat, 784, false), std::numeric_limits<double>::infinity());
  threat.eps = 0.1;
  threat.lo = -2;
  const double unit = 1.0 / (1 << 23);
  EXPECT_DOUBLE_EQ(ball_radius(threat, 784, false), 0.1 + 2 * unit);
  threat.norm = Norm::kL2;
  EXPECT_DOUBLE_EQ(ball_radius(threat, 784, false), 0.1 + 2 * unit * 28);
  threat.norm = Norm::kL1;
  EXPECT_DOUBLE_EQ(ball_radius(threat, 784, false), 0.1 + 2 * unit * 784);
  EXPECT_LT(ball_radius(threat, 784, true), ball_radius(threat, 784, false));
  threat.norm = Norm::kL0;
  EXPECT_EQ(ball_radius(threat, 784, false), 0.1);
}

}  // namespace
}  // namespace assay

// Every fault of a suite is told with its place, what was found, what is allowed, and the nearest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Case {
  const char* name;
  std::string text;
  std::string place;  // line:column, or "" where the whole file is at fault
  std::vector<std::string> parts;
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// The small suite with its attacks in line 5, and what follows them.
std::string suite(const std::string& attacks, const std::string& rest = "") {
  return kSmall + attacks + "\n" + rest;
}

std::string with_model(const std::string& model) {
  return "assay: 1\nname: s\nmodel: " + model +
         "\ndata: { test: { format: npy, images: x, labels: y } }\n"
         "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n";
}

std::string with_data(const std::string& data) {
  return "assay: 1\nname: s\nmodel: { path: m.pt, input: { shape: [3, 8, 8] }, classes: 10 }\n"
         "data: " +
         data + "\nattacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n";
}

std::string with_rule(const std::string& rule) {
  return suite(
      "attacks: [ { name: p, attack: pgd, norm: linf, eps: [0.1, 0.2] }, "
      "{ name: d, attack: deepfool } ]",
      "gate: { rules: [ " + rule + " ] }\n");
}

const std::string kAttack = "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]";

std::vector<Case> yaml_cases() {
  return {
      {"NotYaml", "assay: 1\nname: [a\n", "3:1", {"not valid YAML"}},
      {"Empty", "", "1:1", {"not a suite", "`assay: 1`"}},
      {"List", "- 1\n", "1:1", {"not a suite", "a list"}},
      {"NoVersion", "name: x\n", "1:1", {"`assay: 1` is missing"}},
      {"LaterVersion", "assay: 2\n", "1:8", {"`2`", "format version 1"}},
      {"DuplicateKey", "assay: 1\nname: a\nname: b\n", "3:1", {"`name` stands twice", "line 2"}},
      {"DuplicateQuotedKey",
       "assay: 1\nrun: { block: 1, \"block\": 2 }\n",
       "2:18",
       {"`block` stands twice"}},
      {"MergeKey", "assay: 1\nd: &d { a: 1 }\ne: { <<: *d }\n", "3:6", {"`<<`", "`defaults`"}},
      {"ListKey", "assay: 1\n[a]: 1\n", "2:1", {"a key must be"}},
      {"TwoDocuments", "assay: 1\n---\nassay: 1\n", "2:1", {"second YAML document"}},
      {"Tag", "assay: 1\nname: !!binary aGk=\n", "2:7", {"tag"}},
      {"UndefinedAlias",
       "assay: 1\nname: *nobody\n",
       "2:7",
       {"not valid YAML", "anchor is not defined"}},
      {"OwnAlias", "assay: 1\nname: &a [ *a ]\n", "2:12", {"inside its own anchor"}},
      {"UnsetVariable",
       "assay: 1\nname: ${ASSAY_TEST_UNSET}\n",
       "2:7",
       {"`ASSAY_TEST_UNSET` is not set", "${ASSAY_TEST_UNSET:-default}"}},
      {"OpenVariable", "assay: 1\nname: \"${A\"\n", "2:7", {"closing brace"}},
      {"OddVariable", "assay: 1\nname: \"${1x}\"\n", "2:7", {"is not a variable"}},
      {"ZeroByte", std::string("assay: 1\nname: a\0b\n", 18), "", {"zero byte"}},
  };
}

std::vector<Case> suite_cases() {
  return {
      {"UnknownKey",
       suite(kAttack, "smaple: { count: 3 }"),
       "6:1",
       {"unknown key `smaple` in the suite", "did you mean `sample`"}},
      {"NoName", "assay: 1\nmodel: { }\n", "1:1", {"the suite lacks `name`"}},
      {"BadName", "assay: 1\nname: a b\n", "2:7", {"`a b`", "letters, digits"}},
      {"NoAttacks", kSmall, "1:1", {"lacks `attacks`"}},
      {"EmptyAttacks", suite("attacks: []"), "5:10", {"`attacks` is an empty list"}},
      {"NullSection", suite(kAttack, "gate:\n"), "6:1", {"`gate` is empty"}},
      {"NegativeSeed", suite(kAttack, "seed: -1"), "6:7", {"`-1`", "18446744073709551615"}},
      {"SectionIsText", suite(kAttack, "run: fast"), "6:6", {"`run` is `fast`", "a map of keys"}},
      {"BadTime", suite(kAttack, "run: { time_limit: 90 }"), "6:20", {"`90`", "90s, 10m or 6h"}},
      {"BadMemory", suite(kAttack, "run: { memory_limit: 16G }"), "6:22", {"`16G`", "512MiB"}},
      {"BadDevice", suite(kAttack, "run: { device: gpu }"), "6:16", {"`gpu`", "cuda:N"}},
      {"ZeroBlock",
       suite(kAttack, "run: { block: 0 }"),
       "6:15",
       {"`0`", "whole number from 1 to 65536"}},
      {"SampleTwoWays",
       suite(kAttack, "sample: { count: 3, first: 4 }"),
       "6:9",
       {"both `count` and `first`"}},
      {"SampleNoWay",
       suite(kAttack, "sample: { seed: 3 }"),
       "6:9",
       {"one of count, first and ids"}},
      {"SeedWithoutCount",
       suite(kAttack, "sample: { first: 3, seed: 4 }"),
       "6:21",
       {"`seed` goes with `count`"}},
      {"HalfSample",
       suite(kAttack, "sample: { count: 0.5 }"),
       "6:18",
       {"a whole number of at least 1"}},
      {"QuotedNumber",
       suite(kAttack, "sample: { count: \"5\" }"),
       "6:18",
       {"the text `5`", "remove the quotes"}},
      {"BooleanYes",
       suite(kAttack, "sample: { count: 5, stratified: yes }"),
       "6:33",
       {"`yes`", "true or false"}},
  };
}

std::vector<Case> model_cases() {
  return {
      {"NoShape",
       with_model("{ path: m, input: { range: [0, 1] }, classes: 3 }"),
       "3:26",
       {"`input` lacks `shape`"}},
      {"NoPath", with_model("{ input: { shape: [3] }, classes: 3 }"), "3:8", {"lacks `path`"}},
      {"ZeroShape",
       with_model("{ path: m, input: { shape: [0, 2] }, classes: 3 }"),
       "3:36",
       {"`shape` is `0`"}},
      {"HugeShape",
       with_model("{ path: m, input: { shape: [99999, 99999] }, classes: 3 }"),
       "3:35",
       {"9999800001 entries"}},
      {"TurnedRange",
       with_model("{ path: m, input: { shape: [3], range: [1, 0] }, classes: 3 }"),
       "3:47",
       {"[1, 0]", "lower end first"}},
      {"ShortRange",
       with_model("{ path: m, input: { shape: [3], range: [1] }, classes: 3 }"),
       "3:47",
       {"`range` has 1 item, expected 2"}},
      {"OneClass",
       with_model("{ path: m, input: { shape: [3] }, classes: 1 }"),
       "3:51",
       {"`classes` is `1`"}},
      {"SameClassTwice",
       with_model("{ path: m, input: { shape: [3] }, classes: [a, b, a] }"),
       "3:58",
       {"class `a` stands twice"}},
      {"BadOutput",
       with_model("{ path: m, input: { shape: [3] }, classes: 3, output: logit }"),
       "3:62",
       {"`logit`", "did you mean `logits`"}},
      {"SigmoidOfTen",
       with_model("{ path: m, input: { shape: [3] }, classes: 10, output: sigmoid }"),
       "3:51",
       {"`output: sigmoid`", "10"}},
      {"MeanOfTwo",
       with_model("{ path: m, input: { shape: [3, 4] }, classes: 3, "
                  "normalize: { mean: [0, 0], std: [1] } }"),
       "3:76",
       {"`mean` has 2 numbers", "1, or 3"}},
      {"ZeroStd",
       with_model("{ path: m, input: { shape: [3, 4] }, classes: 3, "
                  "normalize: { mean: [0], std: [0] } }"),
       "3:87",
       {"`std` is `0`", "above 0"}},
  };
}

std::vector<Case> data_cases() {
  return {
      {"RangeInData",
       with_data("{ test: { format: npy, images: x, labels: y, range: [0, 5] } }"),
       "4:52",
       {"`rows: [first, end]`", "`model.input.range`"}},
      {"RangeBesideSets", with_data("{ range: [0, 5] }"), "4:9", {"`rows: [first, end]`"}},
      {"NoFormat",
       with_data("{ test: { images: x } }"),
       "4:15",
       {"data set `test` lacks `format`", "idx, npy"}},
      {"BadFormat", with_data("{ test: { format: numpy } }"), "4:25", {"`numpy`", "one of idx"}},
      {"ForeignKey",
       with_data("{ test: { format: csv, path: a, label: b, layout: nhwc } }"),
       "4:49",
       {"unknown key `layout`", "data set `test` of format csv"}},
      {"NoLabels", with_data("{ test: { format: idx, images: a } }"), "4:15", {"lacks `labels`"}},
      {"TurnedRows",
       with_data("{ test: { format: npz, path: a, rows: [5, 5] } }"),
       "4:45",
       {"[5, 5]", "a later end"}},
      {"EmptyPath",
       with_data("{ test: { format: npz, path: \"\" } }"),
       "4:36",
       {"`path` is an empty text"}},
      {"AntialiasAlone",
       with_data("{ test: { format: images, path: a, antialias: false } }"),
       "4:42",
       {"`antialias` goes with `resize`"}},
      {"BadSetName", with_data("{ a b: { format: npz, path: a } }"), "4:9", {"`a b`"}},
      {"NoTest",
       with_data("{ other: { format: npz, path: a } }"),
       "5:12",
       {"needs the data set `test`"}},
  };
}

std::vector<Case> attack_cases() {
  const auto entry = [](const std::string& keys) {
    return suite("attacks:\n  - { name: a, " + keys + " }");
  };
  const auto stage = [&](const std::string& stages) {
    return entry("attack: ensemble, norm: linf, eps: 0.1, stages: [ " + stages + " ]");
  };
  return {
      {"UnknownAttack",
       entry("attack: pdg, norm: linf, eps: 1"),
       "6:24",
       {"unknown attack `pdg`", "did you mean `pgd`"}},
      {"NotBuilt",
       entry("attack: boundary, norm: linf"),
       "6:24",
       {"`boundary` is not built in this version"}},
      {"NoAttack", entry("norm: linf"), "6:5", {"lacks `attack`"}},
      {"NoNorm", entry("attack: pgd, eps: 1"), "6:5", {"needs `norm`", "linf, l2, l1"}},
      {"OtherNorm",
       entry("attack: square, norm: l1, eps: 1"),
       "6:38",
       {"`square` does not support norm `l1`", "linf, l2"}},
      {"NoNormOfTheWorld", entry("attack: pgd, norm: l3, eps: 1"), "6:35", {"`l3`"}},
      {"NoEps", entry("attack: pgd, norm: linf"), "6:5", {"`pgd` needs `eps`", "8/255"}},
      {"ZeroEps", entry("attack: pgd, norm: linf, eps: 0"), "6:46", {"`0`", "above 0"}},
      {"EpsByZero", entry("attack: pgd, norm: linf, eps: 8/0"), "6:46", {"`8/0`"}},
      {"SameEpsTwice",
       entry("attack: pgd, norm: linf, eps: [0.1, 1/10]"),
       "6:52",
       {"`1/10` equals `0.1`"}},
      {"HalfL0", entry("attack: fmn, norm: l0, eps: 0.5"), "6:44", {"whole number"}},
      {"EmptyEps", entry("attack: pgd, norm: linf, eps: []"), "6:46", {"an empty list"}},
      {"UnknownParameter",
       entry("attack: pgd, norm: linf, eps: 1, stpes: 3"),
       "6:49",
       {"unknown parameter `stpes` of attack `pgd`", "did you mean `steps`"}},
      {"WrongType",
       entry("attack: pgd, norm: linf, eps: 1, steps: ten"),
       "6:56",
       {"`steps` is `ten`", "whole number from 1 to 100000"}},
      {"OutOfRange",
       entry("attack: pgd, norm: linf, eps: 1, momentum: 1.5"),
       "6:59",
       {"`momentum` is `1.5`", "from 0 to 1"}},
      {"BadChoice",
       entry("attack: pgd, norm: linf, eps: 1, loss: margn"),
       "6:55",
       {"`loss` is `margn`", "did you mean `margin`", "one of ce, margin, dlr"}},
      {"AttackSeesIt",
       entry("attack: pgd, norm: linf, eps: [1, 0.1], step_size: 0.5"),
       "6:67",
       {"more than twice `eps`"}},
      {"NotTargeted",
       entry("attack: deepfool, goal: targeted"),
       "6:40",
       {"`deepfool` has no targeted goal"}},
      {"TargetAlone",
       entry("attack: pgd, norm: linf, eps: 1, target: 3"),
       "6:57",
       {"`goal: targeted`"}},
      {"BadTarget",
       entry("attack: pgd, norm: linf, eps: 1, goal: targeted, target: nxt"),
       "6:73",
       {"`nxt`", "did you mean `next`", "0 to 9"}},
      {"SameNameTwice",
       entry("attack: fgsm, norm: linf, eps: 1 }\n  - { name: a, attack: deepfool"),
       "7:13",
       {"two entries are named `a`", "line 6"}},
      {"BadEntryName", suite("attacks: [ { name: a@1, attack: deepfool } ]"), "5:20", {"`a@1`"}},
      {"EntryIsText", suite("attacks: [ pgd ]"), "5:12", {"expected a map of keys"}},
      {"SameSetTwice",
       suite("attacks: [ { name: a, attack: lira, members: test, non_members: test } ]"),
       "5:65",
       {"same data set `test`"}},
      {"NormOfExtraction",
       suite("attacks: [ { name: a, attack: knockoff, norm: l2, pool: test } ]"),
       "5:41",
       {"unknown parameter `norm` of attack `knockoff`"}},
      {"NoSuchSet",
       suite("attacks: [ { name: a, attack: knockoff, pool: tets } ]"),
       "5:47",
       {"names no data set: `tets`", "did you mean `test`"}},
      {"EmptyBudgets",
       suite("attacks: [ { name: a, attack: knockoff, pool: test, budgets: 5 } ]"),
       "5:62",
       {"`budgets` is `5`", "[100, 1000]"}},
      {"StageEps", stage("{ attack: apgd, eps: 0.2 }"), "6:82", {"a stage inherits `eps`"}},
      {"StageFamily", stage("{ attack: lira }"), "6:76", {"`lira` cannot be a stage"}},
      {"StageParameter",
       stage("{ attack: apgd, query: 5 }"),
       "6:82",
       {"unknown parameter `query`"}},
      {"StageNames",
       stage("{ attack: apgd, name: x }, { attack: square, name: x }"),
       "6:117",
       {"two stages are named `x`"}},
      {"StageNorm",
       suite("attacks: [ { name: a, attack: ensemble, norm: l1, eps: 1, stages: [ { attack: square "
             "} ] } ]"),
       "5:79",
       {"`square` does not support the ensemble's norm `l1`"}},
      {"StagesElsewhere",
       entry("attack: fgsm, norm: linf, eps: 1, stages: []"),
       "6:50",
       {"unknown parameter `stages`"}},
      {"UnusedDefault",
       suite("defaults: { stepz: 5 }", kAttack),
       "5:13",
       {"no attack of this suite takes `stepz`"}},
      {"NearDefault", suite("defaults: { nrom: l2 }", kAttack), "5:13", {"did you mean `norm`"}},
      {"NameDefault", suite("defaults: { name: x }", kAttack), "5:13", {"has no default"}},
      {"BadDefault",
       suite("defaults: { norm: l7 }", "attacks: [ { name: a, attack: fgsm } ]"),
       "5:19",
       {"`l7`"}},
  };
}

std::vector<Case> rule_cases() {
  return {
      {"NoKind", with_rule("{ cell: d, metric: clean_accuracy }"), "6:18", {"has none"}},
      {"TwoKinds",
       with_rule("{ cell: d, metric: clean_accuracy, at_least: 0, max_drop: 0 }"),
       "6:18",
       {"at_least and max_drop"}},
      {"UnknownRuleKey",
       with_rule("{ cell: d, metric: clean_accuracy, atleast: 0.5 }"),
       "6:53",
       {"unknown key `atleast`", "did you mean `at_least`"}},
      {"NoCell", with_rule("{ metric: clean_accuracy, at_least: 0.5 }"), "6:18", {"lacks `cell`"}},
      {"NoMetric", with_rule("{ cell: d, at_least: 0.5 }"), "6:18", {"lacks `metric`"}},
      {"ListEntryName",
       with_rule("{ cell: p, metric: robust_accuracy, at_least: 0.5 }"),
       "6:26",
       {"its eps is a list", "p@0.1", "\"p@*\""}},
      {"NoSuchCell",
       with_rule("{ cell: p@0.3, metric: robust_accuracy, at_least: 0.5 }"),
       "6:26",
       {"no cell matches `p@0.3`", "p@0.1"}},
      {"NoSuchGlob", with_rule("{ cell: \"q*\", flags: clear }"), "6:26", {"no cell matches `q*`"}},
      {"UnknownMetric",
       with_rule("{ cell: p@0.1, metric: robust_acuracy, at_least: 0.5 }"),
       "6:41",
       {"unknown metric `robust_acuracy`", "did you mean `robust_accuracy`"}},
      {"OtherMetric",
       with_rule("{ cell: p@0.1, metric: auc, at_least: 0.5 }"),
       "6:41",
       {"cell `p@0.1` has no metric `auc`"}},
      {"DistanceOfFixedEps",
       with_rule("{ cell: p@0.1, metric: median_distance, at_least: 1 }"),
       "6:41",
       {"has no metric `median_distance`"}},
      {"RobustWithoutEps",
       with_rule("{ cell: d, metric: robust_accuracy, at_least: 0.5 }"),
       "6:37",
       {"`deepfool` finds distances", "`eps`"}},
      {"PairedSuccess",
       with_rule("{ cell: d, metric: attack_success, max_rise: 0.1 }"),
       "6:63",
       {"attack_success is refused", "denominators"}},
      {"AbsoluteDistance",
       with_rule("{ cell: d, metric: median_distance, max_drop: 0.1 }"),
       "6:64",
       {"a percentage", "5%"}},
      {"RelativeAccuracy",
       with_rule("{ cell: d, metric: clean_accuracy, max_drop: 3% }"),
       "6:63",
       {"write 0.03"}},
      {"OverOne",
       with_rule("{ cell: d, metric: clean_accuracy, at_least: 95 }"),
       "6:63",
       {"`95`", "from 0 to 1"}},
      {"Negative",
       with_rule("{ cell: d, metric: clean_accuracy, max_drop: -0.1 }"),
       "6:63",
       {"`-0.1`", "at least 0"}},
      {"Confident",
       with_rule("{ cell: d, metric: clean_accuracy, at_least: 0.1, confidence: 1 }"),
       "6:80",
       {"above 0.5 and below 1"}},
      {"Unconfident",
       suite(kAttack, "gate: { confidence: 0.5 }"),
       "6:21",
       {"above 0.5 and below 1"}},
      {"FlagsOf", with_rule("{ cell: d, flags: clean }"), "6:36", {"did you mean `clear`"}},
      {"FlagsMetric",
       with_rule("{ cell: d, flags: clear, metric: auc }"),
       "6:43",
       {"`metric` has no meaning"}},
      {"ExceptElsewhere",
       with_rule("{ cell: d, metric: clean_accuracy, at_least: 0.1, except: [a] }"),
       "6:68",
       {"`except` goes with `flags: clear`"}},
      {"VacuousElsewhere",
       with_rule("{ cell: d, metric: clean_accuracy, at_least: 0.1, vacuous: ok }"),
       "6:68",
       {"`vacuous` goes with `max_drop`"}},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& cases :
       {yaml_cases(), suite_cases(), model_cases(), data_cases(), attack_cases(), rule_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

class Malformed : public testing::TestWithParam<Case> {};

TEST_P(Malformed, IsToldWithItsPlaceAndCure) {
  const Case& test = GetParam();
  const std::string message = fault(test.text);
  ASSERT_NE(message, "") << "loaded:\n" << test.text;
  const std::string place = test.place.empty() ? "suite.yaml: " : "suite.yaml:" + test.place + ": ";
  EXPECT_THAT(message, HasSubstr(place)) << test.text;
  for (const std::string& part : test.parts) EXPECT_THAT(message, HasSubstr(part));
  EXPECT_NE(message.back(), '.');
}

INSTANTIATE_TEST_SUITE_P(Suites, Malformed, testing::ValuesIn(all_cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(MalformedSuite, MissingFileAndFolderAreTold) {
  const std::vector<AttackInfo> attacks = fake_attacks();
  for (const std::filesystem::path path : {"/nowhere/suite.yaml", "/"}) {
    try {
      load_suite(path, {}, attacks);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      EXPECT_EQ(error.code(), ExitCode::kUsage);
    }
  }
}

TEST(MalformedSuite, RestoringDamagedTextIsAnErrorToo) {
  const std::vector<AttackInfo> attacks = fake_attacks();
  const Suite suite = load(kExample);
  std::string text = suite.effective;
  text.replace(text.find("\"steps\":40"), 10, "\"stepz\":40");
  EXPECT_THROW(restore_suite(text, ".", attacks), Error);
  EXPECT_THROW(restore_suite("{}", ".", attacks), Error);
}

}  // namespace
}  // namespace assay

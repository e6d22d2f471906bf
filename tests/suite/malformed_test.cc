// Every fault of a suite is told with its place, what was found, what is allowed, and the nearest.
#include "tests/suite/malformed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace assay {
namespace {

using testing::HasSubstr;

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
      {"BareGlob",
       "assay: 1\ngate: { rules: [ { cell: *, flags: clear } ] }\n",
       "2:27",
       {"not valid YAML", "a glob is quoted, as in \"*\""}},
      {"Tab",
       "assay: 1\nmodel:\n\tpath: m.pt\n\tclasses: 2\n",
       "3:6",
       {"not valid YAML", "line 3 is indented with a tab: use blanks"}},
      {"OwnAlias", "assay: 1\nname: &a [ *a ]\n", "2:12", {"inside its own anchor"}},
      {"UnsetVariable",
       "assay: 1\nname: ${ASSAY_TEST_UNSET}\n",
       "2:7",
       {"`ASSAY_TEST_UNSET` is not set", "${ASSAY_TEST_UNSET:-default}"}},
      {"OpenVariable", "assay: 1\nname: \"${A\"\n", "2:7", {"closing brace"}},
      {"NestedVariable",
       "assay: 1\nname: \"${ASSAY_TEST_UNSET:-${A:-x}}\"\n",
       "2:7",
       {"do not nest"}},
      {"OddVariable", "assay: 1\nname: \"${1x}\"\n", "2:7", {"is not a variable"}},
      {"NotUtf8", "assay: 1\nname: \xc3\xa4\xe4\n", "2:8", {"UTF-8"}},
      {"HalfACharacter", "assay: 1\nname: a\xc3", "2:8", {"UTF-8"}},
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
      {"LongName",
       "assay: 1\nname: " + std::string(257, 'n') + "\n",
       "2:7",
       {"letters, digits", "at most 256 characters"}},
      {"NoAttacks", kSmall, "1:1", {"lacks `attacks`"}},
      {"EmptyAttacks", suite("attacks: []"), "5:10", {"`attacks` is an empty list"}},
      {"NullSection", suite(kAttack, "gate:\n"), "6:1", {"`gate` is empty"}},
      {"NegativeSeed", suite(kAttack, "seed: -1"), "6:7", {"`-1`", "18446744073709551615"}},
      {"SectionIsText", suite(kAttack, "run: fast"), "6:6", {"`run` is `fast`", "a map of keys"}},
      {"BadTime", suite(kAttack, "run: { time_limit: 90 }"), "6:20", {"`90`", "90s, 10m or 6h"}},
      {"LittleMemory",
       suite(kAttack, "run: { memory_limit: 1KB }"),
       "6:22",
       {"`1KB`", "one worker", "1536MiB"}},
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
      {"NoData",
       "assay: 1\nname: s\nmodel: { path: m.pt, input: { shape: [3, 8, 8] }, classes: 10 }\n"
       "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\n",
       "4:12",
       {"needs the data set `test`", "add `data:"}},
      {"NullData", with_data(""), "4:1", {"`data` is empty"}},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& cases : {yaml_cases(), suite_cases(), model_cases(), data_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

class Malformed : public testing::TestWithParam<Case> {};

TEST_P(Malformed, IsToldWithItsPlaceAndCure) { expect_told(GetParam()); }

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

// Calls `visit` once for each key at or under the node, with that key taken out.
void without_each_key(Value& node, const std::function<void()>& visit) {
  for (Value& item : node.list) without_each_key(item, visit);
  for (size_t i = 0; i < node.map.size(); ++i) {
    const auto place = static_cast<std::ptrdiff_t>(i);
    const std::pair<Value, Value> taken = node.map[i];
    node.map.erase(node.map.begin() + place);
    visit();
    node.map.insert(node.map.begin() + place, taken);
    without_each_key(node.map[i].second, visit);
  }
}

TEST(MalformedSuite, WithoutAnyOneKeyLoadsOrIsTold) {
  MonitorInfo monitor{.name = "watcher", .summary = "a fake"};
  monitor.declare = [](Params& params) { params.number("delta", 0.9, {0, 1}, "when to alarm"); };
  const std::vector<AttackInfo> attacks = fake_attacks();
  const std::vector<MonitorInfo> monitors = {monitor};
  Value root = parse_yaml(std::string(kExample) +
                              "monitors: { benign: pool, benign_share: 0.5,"
                              " detectors: [ { name: w, monitor: watcher, delta: 0.5 } ] }\n",
                          "suite.yaml");
  int tried = 0, refused = 0;
  without_each_key(root, [&] {
    const std::string text = canonical_json(root);
    ++tried;
    try {
      restore_suite(text, ".", attacks, monitors);
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(error.code(), ExitCode::kUsage) << text;
      EXPECT_NE(std::string(error.what()), "") << text;
    }
  });
  EXPECT_GT(tried, 90);
  EXPECT_GT(refused, 30);
  EXPECT_LT(refused, tried);
}

}  // namespace
}  // namespace assay

// The commands beside `run`.
#include <algorithm>
#include <fstream>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Commands : public Workshop {};

TEST_F(Commands, GateJudgesAgainWithTheSameExitCode) {
  for (const auto& [rules, code] : {std::pair{kPass, 0}, {kFail, 1}, {kInconclusive, 4}}) {
    const std::string out = "out" + std::to_string(code);
    write_suite({.rules = rules});
    ASSERT_EQ(run(out).code, code);
    const Ended gate = assay({"gate", out});
    expect_end(gate, code, {});
    EXPECT_THAT(gate.out, ::testing::EndsWith(out + "\n"));
  }
  ASSERT_EQ(run("partial", {"--set", "run.time_limit=0.001s", "--store", "other"}).code, 3);
  EXPECT_EQ(assay({"gate", "partial"}).code, 3);
  expect_end(assay({"gate", "nowhere"}), 2, {"nowhere"});
}

TEST_F(Commands, WhatIsBesideTheEvidenceIsNotLeftOutByNamingTheEvidence) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"gate", "out/evidence.jsonl"},
                                             {"report", "out/evidence.jsonl"},
                                             {"replay", "out/evidence.jsonl"},
                                             {"merge", "out/evidence.jsonl", "--out", "m"}}) {
    expect_end(assay(args), 2, {"out/evidence.jsonl is a file; name the run folder"});
  }
}

TEST_F(Commands, ReportGoesWithoutPicturesWhereTheAdversarialsAreDamaged) {
  write_suite(image_parts());
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  const std::string whole = read("out/report.html");
  write("out/adversarials.safetensors", read("out/adversarials.safetensors").substr(0, 100));
  const Ended ended = assay({"report", "out"});
  expect_end(ended, 0, {"the report goes without pictures", "adversarials.safetensors"});
  EXPECT_LT(read("out/report.html").size(), whole.size());
}

TEST_F(Commands, GateOfACellKnowsOnlyItsOwnRules) {
  write_suite({.rules = std::string(kFail) +
                        "\n    - { cell: \"pgd@8/255\", metric: robust_accuracy, at_least: 0.9 }"});
  ASSERT_EQ(run("out").code, 1);
  const Ended failed = assay({"gate", "out", "--cell", "pgd@0.1"});
  expect_end(failed, 1, {});
  EXPECT_THAT(failed.out, HasSubstr("robust_accuracy at_least 0.7: fail"));
  EXPECT_EQ(assay({"gate", "out", "--cell", "pgd@8/255"}).code, 0);
  expect_end(assay({"gate", "out", "--cell", "pgd@0.2"}), 2, {"no cell `pgd@0.2`", "pgd@0.1"});
  // Numbers in any spelling, and globs, as in rules: the gravest code of the cells covered.
  EXPECT_EQ(assay({"gate", "out", "--cell", "pgd@1/10"}).code, 1);
  EXPECT_EQ(assay({"gate", "out", "--cell", "pgd@*"}).code, 1);
  EXPECT_EQ(assay({"gate", "out", "--cell", "pgd@8*"}).code, 0);
}

TEST_F(Commands, AnOptionOfOneValueIsNotRepeated) {
  write_suite({});
  expect_end(run("out", {"--store", "a", "--store", "b"}), 2,
             {"--store is given 2 times; it takes one value", "assay run --help"});
  EXPECT_FALSE(exists("out"));
}

TEST_F(Commands, ReportWritesTheSameReportsAgain) {
  write_suite({.rules = kPaired});
  ASSERT_EQ(run("out", {"--model", prepared("careless.pt").string(), "--baseline",
                        prepared("right.pt").string()})
                .code,
            1);
  std::map<std::string, std::string> before;
  for (const char* name : kReports) {
    before[name] = read(std::string("out/") + name);
    fs::remove(path(std::string("out/") + name));
  }
  EXPECT_EQ(assay({"report", "out"}).code, 1);
  for (const auto& [name, text] : before) {
    EXPECT_TRUE(read("out/" + name) == text) << name << " differs";
  }
}

TEST_F(Commands, AttacksAreListedAndDescribed) {
  const Ended list = assay({"attacks"});
  expect_end(list, 0, {});
  EXPECT_THAT(list.out, HasSubstr("fgsm"));
  EXPECT_THAT(list.out, HasSubstr("pgd"));
  EXPECT_LE(widest_line(list.out), 80U) << list.out;
  const Ended one = assay({"attacks", "pgd"});
  expect_end(one, 0, {});
  for (const char* text : {"steps", "step_size", "restarts", "random_start", "paper", "default",
                           "\n  norm ", "\n  sample_scale ", "\n  levels "}) {
    EXPECT_THAT(one.out, HasSubstr(text));
  }
  const Ended scores = assay({"attacks", "lira"});
  for (const char* text : {"\n  members ", "\n  pool ", "\n  estimator "}) {
    EXPECT_THAT(scores.out, HasSubstr(text));
  }
  EXPECT_LE(widest_line(scores.out), 80U) << scores.out;
  EXPECT_LE(widest_line(one.out), 80U) << one.out;
  EXPECT_THAT(one.out, HasSubstr("\n  norms     "));
  EXPECT_THAT(one.out, HasSubstr("\n  goals     untargeted, targeted\n"));
  for (const char* name : {"lira", "knockoff"}) {
    const Ended other = assay({"attacks", name});
    EXPECT_THAT(other.out, Not(HasSubstr("\n  norms"))) << "of evasion alone";
    EXPECT_THAT(other.out, Not(HasSubstr("\n  goals")));
    EXPECT_THAT(other.out, ::testing::ContainsRegex("\n  taxonomy  [^\n]*[^;\n]\n"));
  }
  expect_end(assay({"attacks", "pdg"}), 2, {"no attack `pdg`", "pgd"});
}

// Each is cut from a file that the tests of configs/ load; what is printed must still be YAML.
TEST_F(Commands, AnAttacksExampleIsASuitesEntries) {
  for (const std::string name : {"pgd", "ensemble", "transfer", "lira", "knockoff"}) {
    const Ended one = assay({"attacks", name});
    const size_t at = one.out.find("\nexample:\n");
    ASSERT_NE(at, std::string::npos) << one.out;
    const std::string example = one.out.substr(at + 9);
    EXPECT_THAT(example, HasSubstr("attack: " + name));
    std::ifstream file(ASSAY_SOURCE_DIR "/configs/attacks/" + name + ".yaml");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const size_t begin = std::min(text.find("\ndefaults:"), text.find("\nattacks:"));
    text.replace(begin, text.find("\ngate:") - begin, example);
    std::ofstream(path("example.yaml")) << text;
    expect_end(assay({"validate", "example.yaml"}), 0, {});
  }
}

TEST_F(Commands, TheSchemaCheckedInIsFresh) {
#ifdef ASSAY_HAS_MORE_ATTACKS
  GTEST_SKIP() << "the schema checked in knows the attacks of the tree alone";
#endif
  const Ended schema = assay({"schema"});
  expect_end(schema, 0, {});
  std::ifstream file(ASSAY_SOURCE_DIR "/configs/schema/suite.schema.json");
  const std::string checked_in{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(schema.out == checked_in)
      << "run: assay schema > configs/schema/suite.schema.json, and commit it";
  EXPECT_FALSE(nlohmann::json::parse(schema.out, nullptr, false).is_discarded());
}

// The baseline of a suite is often not there yet where the suite is tried.
TEST_F(Commands, ValidateAndPlanTakeAnotherBaseline) {
  write_suite({.rules = kPaired, .more = "baseline: absent.pt"});
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2, {"no such baseline", "absent.pt"});
  expect_end(assay({"validate", "suite.yaml", "--load", "--baseline", "none"}), 0, {});
  const std::string right = prepared("right.pt").string();
  const Ended loaded = assay({"validate", "suite.yaml", "--load", "--baseline", right});
  expect_end(loaded, 0, {});
  expect_end(assay({"plan", "suite.yaml", "--baseline", "none"}), 0, {});
}

TEST_F(Commands, ValidateNeedsNeitherModelNorDataUnlessLoading) {
  SuiteParts parts;
  parts.model = "./absent.pt";
  parts.data = "{ format: csv, path: absent.csv, label: label }";
  write_suite(parts);
  const Ended valid = assay({"validate", "suite.yaml"});
  expect_end(valid, 0, {});
  EXPECT_THAT(valid.out, HasSubstr("2 cells"));
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2, {"absent.csv"});
  write_suite({});
  const Ended loaded = assay({"validate", "suite.yaml", "--load"});
  expect_end(loaded, 0, {});
  EXPECT_THAT(loaded.out, HasSubstr("right, gradient finite"));
  expect_end(assay({"validate", "suite.yaml", "--load", "--model", prepared("nan.pt").string()}), 2,
             {"NaN"});
  EXPECT_FALSE(exists(".assay")) << "validating writes nothing";
}

TEST_F(Commands, ValidateSaysWhereRightAnswersAreTooFew) {
  write_suite({.rules = "- { cell: \"*\", metric: clean_accuracy, at_least: 0.9 }"});
  const auto told = [&](const char* model) {
    const Ended ended =
        assay({"validate", "suite.yaml", "--load", "--model", prepared(model).string()});
    expect_end(ended, 0, {});
    return ended.out;
  };
  EXPECT_THAT(told("right.pt"), Not(HasSubstr("if this surprises")));
  EXPECT_THAT(told("swapped.pt"),
              ::testing::AllOf(HasSubstr("too few for clean_accuracy at_least 0.9, by line "),
                               HasSubstr("class order"), HasSubstr("input.range")));
  write_suite({});
  EXPECT_THAT(told("right.pt"), Not(HasSubstr("if this surprises")));
  EXPECT_THAT(told("swapped.pt"), HasSubstr("no better than guessing; if this surprises"));
}

TEST_F(Commands, ASuiteThatCannotPassIsToldOfBeforeTheRun) {
  write_suite({.rules = kPaired});
  expect_end(assay({"validate", "suite.yaml"}), 0, {"max_drop compares with a baseline", "`none`"});
  expect_end(assay({"validate", "suite.yaml", "--load"}), 0, {"max_drop compares with a baseline"});
  expect_end(run("out"), 4, {"max_drop compares with a baseline"});
  expect_end(assay({"validate", "suite.yaml", "--baseline", "none"}), 0,
             {"every rule compares with a baseline", "at_least"});
  const std::string both = std::string(kPass) + "\n    " + kPaired;
  write_suite({.rules = both});
  const Ended first = assay({"validate", "suite.yaml", "--baseline", "none"});
  EXPECT_EQ(first.code, 0);
  EXPECT_EQ(first.err, "");
  write("bare.yaml", read("suite.yaml").substr(0, read("suite.yaml").find("gate:")));
  expect_end(assay({"validate", "bare.yaml"}), 0, {"no rules", "never passes"});
}

TEST_F(Commands, SetsThatShareRecordsAreRefusedWhateverACellTakesOfThem) {
  SuiteParts parts;
  const std::string csv = "{ format: csv, path: samples.csv, label: label, rows: ";
  parts.data += "\n  a: " + csv + "[0, 50] }\n  b: " + csv + "[49, 90] }";
  parts.attacks += "\n  - { name: mia, attack: loss, members: a, non_members: b, count: 2 }";
  write_suite(parts);
  const std::vector<std::string> says = {"suite.yaml:15:", "share 1 record", "49 of `a`",
                                         "49 of `b`"};
  expect_end(run("out"), 2, says);
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2, says);
}

TEST_F(Commands, WhatASetIsTooSmallForIsRefusedWithItsPlaceBeforeARun) {
  SuiteParts parts;
  parts.more = "sample: { count: 5000 }";
  write_suite(parts);
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2,
             {"suite.yaml:", "sample.count: 5000 samples of data.test"});
  parts = {};
  const std::string csv = "{ format: csv, path: samples.csv, label: label, rows: ";
  parts.data += "\n  pool: " + csv + "[0, 50] }";
  parts.attacks += "\n  - { name: steal, attack: knockoff, pool: pool, budgets: [10, 60] }";
  write_suite(parts);
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2,
             {"suite.yaml:14:", "`budgets` go up to 60", "50 records of `pool`"});
  parts = {};
  parts.data += "\n  a: " + csv + "[0, 1] }\n  b: " + csv + "[49, 90] }";
  parts.attacks += "\n  - { name: mia, attack: loss, members: a, non_members: b, count: 2 }";
  write_suite(parts);
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2,
             {"suite.yaml:15:", "`count` is 2, and the set `a` has 1 record\n"});
}

TEST_F(Commands, PlanListsCellsAndEstimatesThem) {
  write_suite({});
  const Ended cells = assay({"plan", "suite.yaml", "--cells"});
  expect_end(cells, 0, {});
  EXPECT_EQ(cells.out, "pgd@0.1\npgd@8/255\n");
  const Ended plan = assay({"plan", "suite.yaml"});
  expect_end(plan, 0, {});
  EXPECT_THAT(plan.out, HasSubstr("100 samples"));
  const Ended estimate = assay({"plan", "suite.yaml", "--estimate"});
  expect_end(estimate, 0, {});
  EXPECT_THAT(estimate.out, HasSubstr("all robust"));
  EXPECT_THAT(estimate.out, HasSubstr("all cells"));
  EXPECT_LE(widest_line(estimate.out), 80U) << estimate.out;
}

TEST_F(Commands, ModelsThatFailAreTheUsersErrorToValidateAndPlan) {
  for (const char* model : {"nan.pt", "crashes_always.pt", "crashes_on_one.pt", "starved.pt"}) {
    SCOPED_TRACE(model);
    write_suite({.model = model});
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"validate", "suite.yaml", "--load"},
          {"plan", "suite.yaml", "--estimate"}}) {
      const Ended ended = assay(args);
      if (std::string(model) == "crashes_on_one.pt" && ended.code == 0) continue;  // not met
      const std::string says =
          std::string(model).starts_with("crashes") ? "crashed the process" : "";
      expect_end(ended, 2, {"assay: ", says});
    }
  }
}

TEST_F(Commands, ValidateLooksAtTheBaselineToo) {
  write_suite({.rules = kPaired, .more = "baseline: gone.pt"});
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2, {"no such baseline", "gone.pt"});
  write_suite({.rules = kPaired, .more = "baseline: " + prepared("nan.pt").string()});
  expect_end(assay({"validate", "suite.yaml", "--load"}), 2, {"baseline: ", "NaN"});
  write_suite({.rules = kPaired, .more = "baseline: " + prepared("careless.pt").string()});
  const Ended ended = assay({"validate", "suite.yaml", "--load"});
  expect_end(ended, 0, {});
  EXPECT_THAT(ended.out, HasSubstr("careless.pt loads"));
}

TEST_F(Commands, WhatAModelPrintsGoesToStderr) {
  write_suite({.model = "talking.pt"});
  const Ended ended = run("out");
  expect_end(ended, 0, {"hello from the model"});
  EXPECT_THAT(ended.out, Not(HasSubstr("hello")));
}

TEST_F(Commands, WorkersBeyondTheMemoryLimitAreNotStarted) {
  write_suite({.more = "run: { memory_limit: 1600MiB }"});
  expect_end(run("out", {"--workers", "4"}), 0, {"room for 1 of 4 workers"});
  expect_end(run("x", {"--set", "run.memory_limit=1KB"}), 2, {"memory_limit", "1KB", "1536MiB"});
}

TEST_F(Commands, SetReplacesPartsOfTheSuite) {
  write_suite({});
  ASSERT_EQ(run("out", {"--set", "attacks.pgd.steps=7", "--set", "name=other"}).code, 0);
  EXPECT_EQ(cell("out", "pgd@0.1")["params"]["steps"], 7);
  EXPECT_EQ(json("out/report.json")["suite"]["name"], "other");
  // One value an option: what follows is the suite.
  const Ended before = assay({"run", "--set", "attacks.pgd.steps=7", "suite.yaml", "--out", "b"});
  expect_end(before, 0, {});
  expect_end(run("x", {"--set", "attacks.pgd.stepz=7"}), 2, {"stepz", "steps"});
  expect_end(run("x", {"--set", "attacks.pdg.steps=7"}), 2, {"pdg", "pgd"});
  expect_end(run("x", {"--set", "attacks.pgd.steps"}), 2, {"--set", "path=value"});
  EXPECT_FALSE(exists("x"));
}

TEST_F(Commands, HelpFitsAnEightyColumnTerminal) {
  for (const char* command : {"run", "validate", "plan", "merge", "gate", "report", "compare",
                              "replay", "attacks", "schema", "train"}) {
    const Ended help = assay({command, "--help"});
    expect_end(help, 0, {});
    EXPECT_LE(widest_line(help.out), 80U) << help.out;
  }
  const Ended help = assay({"--help"});
  expect_end(help, 0, {});
  EXPECT_LE(widest_line(help.out), 80U) << help.out;
  EXPECT_THAT(help.out, HasSubstr("4 inconclusive"));
  EXPECT_THAT(assay({"gate", "--help"}).out, HasSubstr("4 inconclusive"));
  EXPECT_THAT(assay({"replay", "--help"}).out, HasSubstr("0 all reproduce"));
  EXPECT_THAT(assay({"compare", "--help"}).out, HasSubstr("codes: 0 done, 2 usage"));
  EXPECT_THAT(assay({"train", "--help"}).out, HasSubstr("3 a fault of the machine"));
  EXPECT_THAT(assay({"monitor", "--help"}).out, HasSubstr("2 a fault of the files"));
  EXPECT_THAT(assay({"--version"}).out, ::testing::ContainsRegex("^[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_F(Commands, MistypedOnesAreAnsweredWithTheNearest) {
  write_suite({});
  expect_end(assay({"vaildate", "suite.yaml"}), 2, {"no command `vaildate`", "validate"});
  expect_end(assay({"run", "suite.yaml", "--worker", "2"}), 2, {"--worker", "--workers"});
  expect_end(assay({"run", "suit.yaml"}), 2, {"suit.yaml"});
}

}  // namespace
}  // namespace assay::testing

// Exit codes of `assay run`, their precedence, and the reports that come with them.
#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

using ::testing::HasSubstr;

class ExitCodes : public Workshop {
 protected:
  void expect_reports(const std::string& run, const std::string& decided) {
    for (const char* report : kReports) {
      EXPECT_TRUE(exists(run + "/" + report)) << run << "/" << report;
      EXPECT_FALSE(read(run + "/" + report).empty()) << report;
    }
    EXPECT_EQ(decision(run), decided);
  }
};

TEST_F(ExitCodes, ZeroWhenTheGatePasses) {
  write_suite({.rules = kPass});
  expect_end(run("out"), 0, {});
  expect_reports("out", "pass");
  const nlohmann::json at_01 = cell("out", "pgd@0.1");
  EXPECT_DOUBLE_EQ(at_01["metrics"]["robust_accuracy"]["value"], 0.5);
  EXPECT_DOUBLE_EQ(cell("out", "pgd@8/255")["metrics"]["robust_accuracy"]["value"], 1.0);
}

TEST_F(ExitCodes, OneWhenTheGateFails) {
  write_suite({.rules = kFail});
  expect_end(run("out"), 1, {});
  expect_reports("out", "fail");
}

TEST_F(ExitCodes, TwoForUsageAndNothingIsWritten) {
  write_suite({});
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"rum", "suite.yaml"},
                                             {"run"},
                                             {"run", "suite.yaml", "--ouput", "x"},
                                             {"run", "suite.yaml", "--workers", "many"},
                                             {"run", "suite.yaml", "--shard", "3/3"},
                                             {"run", "suite.yaml", "--save-adversarials", "some"},
                                             {"run", "missing.yaml"}}) {
    const Ended ended = assay(args);
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_THAT(ended.err, ::testing::StartsWith("assay: "));
    EXPECT_EQ(ended.out, "");
  }
  EXPECT_FALSE(exists("runs"));
}

TEST_F(ExitCodes, TwoForAnEmptyArgumentOfAnyCommandWhichIsNamed) {
  write_suite({});
  ASSERT_EQ(run("done").code, 0);
  struct Case {
    std::vector<std::string> args;
    std::string says;
  };
  for (const auto& [args, says] : std::vector<Case>{
           {{"run", "suite.yaml", "--out", "x", "--model", ""}, "`--model` is empty"},
           {{"run", "suite.yaml", "--out", "x", "--model="}, "`--model` is empty"},
           {{"run", "suite.yaml", "--baseline", "", "--out", "x"}, "`--baseline` is empty"},
           {{"run", "--baseline=", "suite.yaml", "--out", "x"}, "`--baseline` is empty"},
           {{"run", "suite.yaml", "--out", ""}, "`--out` is empty"},
           {{"run", "suite.yaml", "--out", "x", "--shard", ""}, "`--shard` is empty"},
           {{"run", "suite.yaml", "--out", "x", "--store", ""}, "`--store` is empty"},
           {{"run", "suite.yaml", "--out", "x", "--set", ""}, "`--set` is empty"},
           {{"run", "", "--out", "x"}, "the argument after `run` is empty"},
           {{"validate", "suite.yaml", "--model", ""}, "`--model` is empty"},
           {{"plan", "suite.yaml", "--model", ""}, "`--model` is empty"},
           {{"plan", "suite.yaml", "--store", ""}, "`--store` is empty"},
           {{"gate", "done", "--cell", ""}, "`--cell` is empty"},
           {{"merge", "--out=", "x", "done"}, "`--out` is empty"},
           {{"replay", "done", "--model", ""}, "`--model` is empty"},
           {{"monitor", "log.npy", "--suite", ""}, "`--suite` is empty"},
           {{"compare", "done", ""}, "the argument after `done` is empty"}}) {
    const Ended ended = assay(args);
    EXPECT_EQ(ended.code, 2) << says;
    EXPECT_EQ(ended.err, "assay: " + says + "; is a variable unset?\n");
    EXPECT_EQ(ended.out, "");
  }
  EXPECT_FALSE(exists("x") || exists("runs"));
}

TEST_F(ExitCodes, ThreeWhenTheTimeLimitIsOver) {
  SuiteParts parts;
  parts.rules = kFail;
  parts.more = "run: { time_limit: 0.001s }";
  write_suite(parts);
  const Ended ended = run("out");
  expect_end(ended, 3, {});
  expect_reports("out", "incomplete");
  EXPECT_THAT(ended.out, HasSubstr("time limit"));
}

TEST_F(ExitCodes, FourWhenNothingIsShownEitherWay) {
  write_suite({.rules = kInconclusive});
  expect_end(run("out"), 4, {});
  expect_reports("out", "inconclusive");
}

TEST_F(ExitCodes, FiveWhenTheCandidateIsRefused) {
  write_suite({.model = "three_classes.pt"});
  expect_end(run("out"), 5, {"the candidate is refused", "model.classes 2"});
  expect_reports("out", "refused");
}

TEST_F(ExitCodes, ARefusalIsStillKnownWhenTheFolderIsJudgedAgain) {
  write_suite({.model = "three_classes.pt"});
  ASSERT_EQ(run("a", {"--shard", "0/2"}).code, 5);
  expect_reports("a", "refused");
  const Ended gate = assay({"gate", "a"});
  expect_end(gate, 5, {});
  EXPECT_THAT(gate.out, HasSubstr("model.classes 2"));
  EXPECT_EQ(assay({"gate", "a", "--cell", "pgd@0.1"}).code, 5);
  const std::string before = read("a/report.json");
  EXPECT_EQ(assay({"report", "a"}).code, 5);
  EXPECT_TRUE(read("a/report.json") == before);
  ASSERT_EQ(run("b", {"--shard", "1/2"}).code, 5);
  expect_end(assay({"merge", "b", "a", "--out", "merged"}), 5, {});
  expect_reports("merged", "refused");
  EXPECT_EQ(assay({"gate", "merged"}).code, 5);
}

TEST_F(ExitCodes, ThreeWithReportsWhenMemoryEndsWhileTheModelIsProbed) {
  write_suite({.model = "starved.pt"});
  expect_end(run("out"), 3, {"memory", "you tried to allocate 4096 bytes"});
  expect_reports("out", "incomplete");
  const Ended gate = assay({"gate", "out"});
  expect_end(gate, 3, {});
  EXPECT_THAT(gate.out, HasSubstr("memory"));
  EXPECT_EQ(run("out", {"--resume", "--model", prepared("right.pt").string()}).code, 0)
      << "nothing was measured, so that another model may go on";
  EXPECT_EQ(assay({"gate", "out"}).code, 0);
}

TEST_F(ExitCodes, ABadSuiteGoesBeforeARefusedCandidate) {
  SuiteParts parts;
  parts.model = "three_classes.pt";
  parts.data = "{ format: csv, path: missing.csv, label: label }";
  write_suite(parts);
  expect_end(run("out"), 2, {"missing.csv"});
}

TEST_F(ExitCodes, ARefusedCandidateGoesBeforeAnIncompleteRun) {
  SuiteParts parts;
  parts.model = "three_classes.pt";
  parts.more = "run: { time_limit: 0.001s }";
  write_suite(parts);
  EXPECT_EQ(run("out").code, 5);
}

TEST_F(ExitCodes, AnIncompleteRunGoesBeforeAFailedRule) {
  // The store has the first cell, which fails its rule; the second one runs into the limit.
  const std::string rule = "- { cell: fgsm, metric: robust_accuracy, at_least: 0.9 }";
  const std::string fgsm = "- { name: fgsm, attack: fgsm, eps: 0.1 }";
  write_suite({.attacks = fgsm, .rules = rule});
  ASSERT_EQ(run("first").code, 1);
  write_suite({.attacks = fgsm + "\n  - { name: pgd, attack: pgd, eps: 0.1 }",
               .rules = rule,
               .more = "run: { time_limit: 0.001s }"});
  const Ended ended = run("out");
  expect_end(ended, 3, {});
  EXPECT_EQ(cell("out", "fgsm")["status"], "complete");
  EXPECT_EQ(cell("out", "pgd")["status"], "incomplete");
  EXPECT_EQ(json("out/report.json")["rules"][0]["verdict"], "fail");
}

TEST_F(ExitCodes, AFailedRuleGoesBeforeAnInconclusiveOne) {
  write_suite({.rules = std::string(kInconclusive) + "\n    " + kFail});
  EXPECT_EQ(run("out").code, 1);
}

TEST_F(ExitCodes, AnInconclusiveRuleGoesBeforeAPassedOne) {
  write_suite({.rules = std::string(kPass) + "\n    " + kInconclusive});
  EXPECT_EQ(run("out").code, 4);
}

TEST_F(ExitCodes, AFailedCleanAccuracyRuleEndsTheRunWithAHint) {
  write_suite({.model = "swapped.pt",
               .rules = "- { cell: \"pgd@0.1\", metric: clean_accuracy, at_least: 0.9 }"});
  const Ended ended = run("out");
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("class order"));
  EXPECT_EQ(cell("out", "pgd@0.1")["cost"]["gradients"], 0);
}

TEST_F(ExitCodes, AFailedCleanAccuracyRuleEndsAMergeToTheSameBytes) {
  SuiteParts parts = image_parts();
  parts.rules = "- { cell: fgsm, metric: clean_accuracy, at_most: 0.5 }";
  write_suite(parts);
  ASSERT_EQ(run("whole", {"--store", "fresh"}).code, 1);
  for (const std::string i : {"0", "1", "2"}) {
    ASSERT_EQ(run("part" + i, {"--shard", i + "/3"}).code, 0);
  }
  ASSERT_EQ(assay({"merge", "part2", "part0", "part1", "--out", "merged"}).code, 1);
  EXPECT_TRUE(read("merged/evidence.jsonl") == read("whole/evidence.jsonl"));
  EXPECT_TRUE(read("merged/samples.csv") == read("whole/samples.csv"));
  // Nor does it matter what the store knows of later units.
  ASSERT_EQ(run("again").code, 1);
  EXPECT_TRUE(read("again/evidence.jsonl") == read("whole/evidence.jsonl"));
  const nlohmann::json success = cell("whole", "fgsm")["metrics"]["attack_success"];
  EXPECT_EQ(success["reason"], "no sample has a verdict");
}

TEST_F(ExitCodes, StdoutCarriesTheSummaryAndLastTheFolder) {
  write_suite({.rules = kFail});
  const Ended ended = run("out");
  EXPECT_THAT(ended.out, HasSubstr("pgd@0.1"));
  EXPECT_THAT(ended.out, ::testing::EndsWith("\nout\n"));
  EXPECT_LE(widest_line(ended.out), 80U) << ended.out;
  EXPECT_THAT(ended.out, ::testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(ended.err, ::testing::Not(::testing::AnyOf(HasSubstr("\x1b"), HasSubstr("\r"))));
}

}  // namespace
}  // namespace assay::testing

// Where a run goes, how it goes on, and what it is compared with.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Folders : public Workshop {};

TEST_F(Folders, TheDefaultIsANewFolderInRunsThatLatestPointsAt) {
  write_suite({});
  const Ended ended = assay({"run", "suite.yaml"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path("runs"))) {
    found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_THAT(found[0], ::testing::MatchesRegex("[0-9]{8}T[0-9]{6}Z-plane"));
  EXPECT_EQ(found[1], "latest");
  EXPECT_EQ(fs::read_symlink(path("runs/latest")), found[0]);
  EXPECT_THAT(ended.out, ::testing::EndsWith("runs/" + found[0] + "\n"));
  EXPECT_TRUE(exists(".assay"));
  // At once again: another folder, and latest follows.
  ASSERT_EQ(assay({"run", "suite.yaml"}).code, 0);
  EXPECT_NE(fs::read_symlink(path("runs/latest")), found[0]);
  EXPECT_EQ(decision("runs/latest"), "pass");
}

TEST_F(Folders, KeepTheWholeCommandForTheirReports) {
  write_suite({});
  const std::vector<std::string> set = {"--set", "attacks.pgd.step_size=0.05", "--set",
                                        "attacks.pgd.eps=[0.1, 8/255]"};
  const std::string told =
      " --set attacks.pgd.step_size=0.05 --set &#39;attacks.pgd.eps=[0.1, 8/255]&#39;";
  ASSERT_EQ(run("whole", set).code, 0);
  EXPECT_THAT(read("whole/report.html"), HasSubstr(told + "\n"));
  write("whole/report.html", "");
  ASSERT_EQ(assay({"report", "whole"}).code, 0);
  EXPECT_THAT(read("whole/report.html"), HasSubstr(told + "\n"));
  for (const std::string part : {"0/2", "1/2"}) {
    std::vector<std::string> more = set;
    more.insert(more.end(), {"--shard", part});
    ASSERT_EQ(run("s" + part.substr(0, 1), more).code, 0);
  }
  EXPECT_THAT(read("s1/report.html"), HasSubstr(told + " --shard 1/2\n"));
  ASSERT_EQ(assay({"merge", "s0", "s1", "--out", "merged"}).code, 0);
  EXPECT_THAT(read("merged/report.html"), HasSubstr(told + "\n"));
}

TEST_F(Folders, RunsThatStartAtOnceGetOneEach) {
  write_suite({});
  std::vector<std::unique_ptr<Program>> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(std::make_unique<Program>(invocation({"run", "suite.yaml"})));
  }
  std::set<std::string> folders;
  for (const auto& run : runs) {
    const Ended ended = run->wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    folders.insert(ended.out.substr(ended.out.rfind("runs/")));
  }
  EXPECT_EQ(folders.size(), 4U);
}

TEST_F(Folders, ResumeRefusesAFolderThatHoldsNoRun) {
  write_suite({});
  write("notes/todo.txt", "keep me");
  expect_end(run("notes", {"--resume"}), 2, {"--resume: notes", "holds no run"});
  EXPECT_FALSE(exists("notes/report.json"));
  fs::create_directory(path("empty"));  // as a run leaves it that ends before it is planned
  EXPECT_EQ(run("empty", {"--resume"}).code, 0);
}

TEST_F(Folders, ADamagedCorpusIsToldAndLeavesTheVerdict) {
  write_suite({});
  write(".assay/corpus.sqlite",
        "this is no data base, and is longer than a header of one is, 100 "
        "bytes: ........................................");
  expect_end(run("out"), 0, {"the corpus gets nothing of this run", "corpus.sqlite"});
  EXPECT_EQ(decision("out"), "pass");
}

TEST_F(Folders, OneInUseIsRefusedAndLeftAlone) {
  write_suite({});
  write("out/notes.txt", "mine");
  expect_end(run("out"), 2, {"out", "not empty", "--resume"});
  EXPECT_FALSE(exists("out/report.json"));
  EXPECT_EQ(read("out/notes.txt"), "mine");
  expect_end(run("samples.csv"), 2, {"samples.csv is a file"});
  EXPECT_THAT(read("samples.csv"), HasSubstr("x0,x1,label"));
}

TEST_F(Folders, AnEmptyOneServes) {
  write_suite({});
  fs::create_directories(path("deep/out"));
  EXPECT_EQ(run("deep/out").code, 0);
  EXPECT_EQ(run("also/deeper/out").code, 0);
}

TEST_F(Folders, OneThatCannotBeWrittenIsNamed) {
  write_suite({});
  write("blocked", "a file");
  expect_end(run("blocked/out"), 2, {"blocked/out"});
  if (geteuid() != 0) {
    fs::create_directories(path("closed"));
    fs::permissions(path("closed"), fs::perms::owner_read | fs::perms::owner_exec);
    expect_end(run("closed/out"), 2, {"closed/out"});
  }
  // Whoever the user is: nothing can be created in /proc.
  expect_end(run("/proc/assay-out"), 2, {"/proc/assay-out"});
}

// No retry mends a loop or a name that is too long.
TEST_F(Folders, APathThatCannotBeLookedAtIsTheUsersToMend) {
  write_suite({});
  fs::create_symlink("loop", path("loop"));
  const std::string longest(300, 'a');
  for (const std::string& odd : {std::string("loop"), longest}) {
    expect_end(run("out", {"--model", odd}), 2, {odd, "cannot be looked at"});
    expect_end(run("out", {"--baseline", odd}), 2, {odd, "cannot be looked at"});
    expect_end(assay({"compare", odd, "out"}), 2, {odd, "cannot be looked at"});
  }
  expect_end(run(longest), 2, {longest, "cannot be looked at"});
  EXPECT_FALSE(exists("out"));
}

TEST_F(Folders, AnotherModelsBaselineInTheFolderIsRefused) {
  write_suite({});
  ASSERT_EQ(run("out", {"--baseline", prepared("careless.pt").string()}).code, 0);
  ASSERT_EQ(assay({"gate", "out"}).code, 0);
  fs::copy_file(path("out/evidence.jsonl"), path("out/baseline.jsonl"),
                fs::copy_options::overwrite_existing);
  fs::remove(path("out/baseline_costs.json"));
  expect_end(assay({"gate", "out"}), 2, {"out", "baseline.jsonl is of the model"});
}

TEST_F(Folders, AMistypedModelOrBaselineDoesNotUseUpTheFolder) {
  write_suite({});
  expect_end(run("out", {"--model", "mistyped.pt"}), 2, {"no such model file", "mistyped.pt"});
  expect_end(run("out", {"--baseline", "mistyped.pt"}), 2, {"no such baseline", "mistyped.pt"});
  expect_end(run("out", {"--baseline", "suite.yaml"}), 2, {"baseline: ", "not a TorchScript"});
  expect_end(run("out", {"--baseline", prepared("crashes_always.pt").string()}), 2, {"baseline: "});
  EXPECT_FALSE(exists("out"));
  EXPECT_EQ(run("out").code, 0);
}

TEST_F(Folders, ResumeNeedsTheFolder) {
  write_suite({});
  expect_end(assay({"run", "suite.yaml", "--resume"}), 2, {"--resume needs --out"});
}

TEST_F(Folders, ResumeRefusesAnotherSuiteModelOrDataByName) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  const std::string before = read("out/evidence.jsonl");
  expect_end(run("out", {"--resume", "--set", "attacks.pgd.steps=4"}), 2, {"another suite"});
  expect_end(run("out", {"--resume", "--model", prepared("careless.pt").string()}), 2,
             {"another model"});
  std::string csv = read("samples.csv");
  csv.replace(csv.find("0.2,"), 4, "0.3,");
  write("samples.csv", csv);
  expect_end(run("out", {"--resume"}), 2, {"another data"});
  EXPECT_EQ(read("out/evidence.jsonl"), before);
}

TEST_F(Folders, ResumeNamesTheFieldOfTheSuiteThatDiffers) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  expect_end(run("out", {"--resume", "--set", "attacks.pgd.steps=4"}), 2,
             {"attacks[pgd].steps: `3` against `4`"});
}

TEST_F(Folders, ResumeWithAModelThatWouldBeRefusedLeavesTheReportsAlone) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  const std::string before = read("out/report.json");
  expect_end(run("out", {"--resume", "--model", prepared("nan.pt").string()}), 2,
             {"another model"});
  EXPECT_TRUE(read("out/report.json") == before);
  EXPECT_EQ(assay({"gate", "out"}).code, 0);
}

TEST_F(Folders, AFinishedRunBecomesNoPartOfItself) {
  write_suite(image_parts());
  ASSERT_EQ(run("out").code, 0);
  const std::string before = read("out/evidence.jsonl");
  expect_end(run("out", {"--resume", "--shard", "0/2"}), 2, {"--shard none", "0/2"});
  EXPECT_TRUE(read("out/evidence.jsonl") == before);
  ASSERT_EQ(run("part", {"--shard", "0/2"}).code, 0);
  expect_end(run("part", {"--resume", "--shard", "1/2"}), 2, {"--shard 0/2", "1/2"});
  EXPECT_EQ(run("part", {"--resume", "--shard", "0/2"}).code, 0);
}

TEST_F(Folders, LimitsOfTheMachineMayChangeBetweenAttemptsAndShards) {
  write_suite(image_parts());
  ASSERT_EQ(run("out", {"--set", "run.time_limit=0.001s"}).code, 3);
  ASSERT_EQ(run("out", {"--resume", "--set", "run.time_limit=1h"}).code, 0);
  ASSERT_EQ(run("a", {"--shard", "0/2", "--set", "run.memory_limit=4GB"}).code, 0);
  ASSERT_EQ(run("b", {"--shard", "1/2"}).code, 0);
  EXPECT_EQ(assay({"merge", "a", "b", "--out", "merged"}).code, 0);
  EXPECT_EQ(assay({"merge", "b", "a", "--out", "turned"}).code, 0);
  EXPECT_TRUE(read("merged/evidence.jsonl") == read("turned/evidence.jsonl"));
}

TEST_F(Folders, DamagedEvidenceIsDeletedAndTheRunGoesOn) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  const std::string whole = read("out/evidence.jsonl");
  write("out/evidence.jsonl", whole.substr(0, whole.size() / 2));
  expect_end(run("out", {"--resume"}), 2, {"evidence.jsonl", "delete the file", "--resume"});
  fs::remove(path("out/evidence.jsonl"));
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  EXPECT_TRUE(read("out/evidence.jsonl") == whole);
}

TEST_F(Folders, ResumeOfAFinishedRunChangesNothing) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  const std::string evidence = read("out/evidence.jsonl");
  const std::string samples = read("out/samples.csv");
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  EXPECT_EQ(read("out/evidence.jsonl"), evidence);
  EXPECT_EQ(read("out/samples.csv"), samples);
}

TEST_F(Folders, ARefusedCandidateCanBeReplacedAndTheRunGoOn) {
  write_suite({});
  fs::copy_file(prepared("nan.pt"), path("candidate.pt"));
  ASSERT_EQ(run("out", {"--model", "candidate.pt"}).code, 5);
  fs::copy_file(prepared("right.pt"), path("candidate.pt"), fs::copy_options::overwrite_existing);
  EXPECT_EQ(run("out", {"--model", "candidate.pt", "--resume"}).code, 0);
  EXPECT_EQ(decision("out"), "pass");
}

class Baselines : public Workshop {
 protected:
  // Drop 0.25 at 8/255: the careless model's line is 0.02 off.
  Ended against(const std::string& baseline, const std::string& out) {
    return run(out, {"--model", prepared("careless.pt").string(), "--baseline", baseline});
  }
};

TEST_F(Baselines, AModelARunFolderAndAnEvidenceFileDecideTheSame) {
  write_suite({.rules = kPaired});
  const std::string right = prepared("right.pt").string();
  ASSERT_EQ(run("before", {"--baseline", "none", "--set",
                           "gate.rules=[{cell: pgd@0.1, metric: robust_accuracy, at_least: 0}]"})
                .code,
            0);
  ASSERT_EQ(against(right, "by_model").code, 1);
  ASSERT_EQ(against("before", "by_folder").code, 1);
  ASSERT_EQ(against("before/evidence.jsonl", "by_file").code, 1);
  write("renamed.json", read("before/evidence.jsonl"));
  EXPECT_EQ(against("renamed.json", "by_content").code, 1);
  EXPECT_EQ(read("by_model/samples.csv"), read("by_folder/samples.csv"));
  EXPECT_EQ(read("by_model/samples.csv"), read("by_file/samples.csv"));
  const nlohmann::json rules = json("by_model/report.json")["rules"];
  EXPECT_EQ(rules, json("by_folder/report.json")["rules"]);
  EXPECT_EQ(rules, json("by_file/report.json")["rules"]);
  ASSERT_EQ(rules.size(), 2U);
  for (const nlohmann::json& rule : rules) {
    if (rule["cell"] != "pgd@8/255") continue;
    EXPECT_DOUBLE_EQ(rule["difference"], 0.25);
  }
  EXPECT_EQ(json("by_model/report.json")["baseline"]["sha256"],
            json("before/report.json")["model"]["sha256"]);
}

TEST_F(Baselines, TheIncumbentPassesAgainstItself) {
  write_suite({.rules = kPaired});
  EXPECT_EQ(run("out", {"--baseline", prepared("right.pt").string()}).code, 0);
}

TEST_F(Baselines, ResumeRefusesAnotherAndKeepsTheVerdict) {
  write_suite({.rules = std::string(kPaired) + "\n    " + kPass});
  ASSERT_EQ(against(prepared("right.pt").string(), "out").code, 1);
  const std::string model = prepared("careless.pt").string();
  const std::string itself = model;
  for (const std::string& other : {std::string("none"), itself}) {
    expect_end(run("out", {"--model", model, "--baseline", other, "--resume"}), 2,
               {"--resume: out was run", "baseline"});
    EXPECT_EQ(decision("out"), "fail");
    EXPECT_TRUE(exists("out/baseline.jsonl"));
  }
  expect_end(run("out", {"--model", model, "--resume"}), 2, {"now it is without a baseline"});
  EXPECT_EQ(
      run("out", {"--model", model, "--baseline", prepared("right.pt").string(), "--resume"}).code,
      1);
}

TEST_F(Baselines, NoneDeclaresAFirstRunWhereAnotherRuleMustDecide) {
  write_suite({.rules = std::string(kPaired) + "\n    " + kPass}, "both.yaml");
  const Ended first = assay({"run", "both.yaml", "--out", "first", "--baseline", "none"});
  EXPECT_EQ(first.code, 0) << first.out;
  EXPECT_EQ(json("first/report.json")["rules_not_applicable"], 2);
  EXPECT_TRUE(json("first/report.json")["baseline"].is_null());
  write_suite({.rules = kPaired});
  EXPECT_EQ(run("alone", {"--baseline", "none"}).code, 4);
}

TEST_F(Baselines, AForgottenOneIsInconclusive) {
  write_suite({.rules = std::string(kPaired) + "\n    " + kPass});
  EXPECT_EQ(run("out").code, 4);
}

TEST_F(Baselines, ARunThatEndedEarlyIsRefusedAndTheCellsItLeftOutAreInconclusive) {
  write_suite({.rules = "- { cell: \"pgd@8/255\", metric: robust_accuracy, at_least: 0.3 }\n"
                        "    - { cell: \"pgd@0.1\", metric: clean_accuracy, at_least: 0.9 }"});
  ASSERT_EQ(run("ended", {"--model", prepared("swapped.pt").string()}).code, 1);
  expect_end(run("out", {"--baseline", "ended"}), 2, {"ended early", "name another baseline"});
  const Ended cell = assay({"gate", "ended", "--cell", "pgd@8/255"});
  expect_end(cell, 4, {});
  EXPECT_THAT(cell.out, HasSubstr("pgd@8/255  not run: "));
  EXPECT_EQ(assay({"gate", "ended", "--cell", "pgd@0.1"}).code, 1);
  EXPECT_THAT(read("ended/junit.xml"), HasSubstr("type=\"inconclusive\""));
}

TEST_F(Baselines, AnIncompleteRunIsRefused) {
  write_suite({.rules = kPaired});
  ASSERT_EQ(run("partial", {"--set", "run.time_limit=0.001s"}).code, 3);
  expect_end(against("partial", "out"), 2, {"partial", "incomplete", "time limit", "--resume"});
}

TEST_F(Baselines, AFileThatIsNoModelIsTheUsersErrorNotTheCandidates) {
  write_suite({.rules = kPaired});
  write("incumbent.pt", "not a model");
  expect_end(against("incumbent.pt", "out"), 2, {"baseline", "incumbent.pt", "TorchScript"});
  EXPECT_FALSE(exists("out/evidence.jsonl"));
  EXPECT_EQ(against(prepared("right.pt").string(), "out").code, 1) << "the folder is used up";
}

TEST_F(Baselines, WithOtherParametersTheReasonNamesTheField) {
  write_suite({.rules = kPaired});
  ASSERT_EQ(run("before", {"--set", "attacks.pgd.steps=5"}).code, 4);
  EXPECT_EQ(against("before", "out").code, 4);
  EXPECT_THAT(read("out/report.json"), HasSubstr("steps 5 in the baseline, 3 here"));
}

TEST_F(Baselines, TheIncumbentIsAttackedOnceOnly) {
  write_suite({.rules = kPaired});
  const std::string right = prepared("right.pt").string();
  ASSERT_EQ(against(right, "first").code, 1);
  // Its verdicts are in the store by key: measuring it again as candidate costs nothing new.
  ASSERT_EQ(run("again", {"--baseline", "none"}).code, 4);
  const Ended third = against(right, "third");
  EXPECT_EQ(third.code, 1);
  EXPECT_THAT(third.err, ::testing::Not(HasSubstr("incumbent ")));
}

}  // namespace
}  // namespace assay::testing

// Whatever comes between, a folder's reports, its evidence and the exit code agree.
#include <cstring>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Reports : public Workshop {
 protected:
  // The reports that are there tell this, all but `missing` are there, and the gate tells it again.
  void expect_told(const std::string& out, const std::string& decided, int code,
                   const std::string& missing = "") {
    SCOPED_TRACE(out + ": " + decided + " without " + missing);
    for (const std::string report : kReports) {
      EXPECT_EQ(fs::is_regular_file(path(out + "/" + report)), report != missing) << report;
    }
    const auto text_of = [&](const std::string& report) {
      return report == missing ? "" : read(out + "/" + report);
    };
    if (missing != "report.json") {
      EXPECT_EQ(decision(out), decided);
      EXPECT_EQ(json(out + "/report.json")["exit_code"], code);
    }
    const auto expect_in = [&](const std::string& report, const std::string& words) {
      EXPECT_TRUE(report == missing || text_of(report).find(words) != std::string::npos)
          << report << " does not say " << words;
    };
    expect_in("report.html", decided + " · exit " + std::to_string(code));
    expect_in("summary.md", "(Assay: " + decided + ")");
    if (code != 0) expect_in("junit.xml", " type=\"" + decided + "\"");
    EXPECT_EQ(text_of("junit.xml").find(" type=\"") == std::string::npos,
              code == 0 || missing == "junit.xml");
    EXPECT_EQ(assay({"gate", out}).code, code);
  }
  // The number that moody.pt reads.
  void set_mood(float mood) {
    std::string bytes(sizeof mood, '\0');
    std::memcpy(bytes.data(), &mood, sizeof mood);
    write("mood", bytes);
  }
  Ended run_moody(const std::string& out, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--model", prepared("moody.pt").string()});
    return run(out, more);
  }
};

TEST_F(Reports, TellThatTheRunIsIncompleteWhereOneOfThemCannotBeWritten) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  expect_told("out", "pass", 0);
  const std::string evidence = read("out/evidence.jsonl");
  for (const std::string report : kReports) {
    const std::string file = "out/" + report;
    fs::remove(path(file));
    fs::create_directories(path(file + "/in the way"));
    const Ended ended = run("out", {"--resume"});
    expect_end(ended, 3, {"not every report is written: cannot write " + file});
    EXPECT_THAT(ended.out, HasSubstr("INCOMPLETE"));
    EXPECT_THAT(ended.out, ::testing::EndsWith("\nout\n"));
    expect_told("out", "incomplete", 3, report);
    fs::remove_all(path(file));
    EXPECT_EQ(run("out", {"--resume"}).code, 0);
    expect_told("out", "pass", 0);
    EXPECT_TRUE(read("out/evidence.jsonl") == evidence);
  }
}

TEST_F(Reports, OfAShardThatCannotWriteOneAreIncompleteAndItsEvidenceIsWhole) {
  write_suite({});
  ASSERT_EQ(run("s0", {"--shard", "0/2"}).code, 0);
  ASSERT_EQ(run("s1", {"--shard", "1/2"}).code, 0);
  fs::remove(path("s0/report.html"));
  fs::create_directories(path("s0/report.html/in the way"));
  const Ended ended = run("s0", {"--shard", "0/2", "--resume"});
  expect_end(ended, 3, {"not every report is written: cannot write s0/report.html"});
  EXPECT_THAT(ended.out, Not(HasSubstr("MEASURED")));
  expect_told("s0", "incomplete", 3, "report.html");
  EXPECT_EQ(assay({"merge", "s0", "s1", "--out", "merged"}).code, 0);
}

TEST_F(Reports, OfAMergeTellThatItIsIncompleteWhereOneOfThemCannotBeWritten) {
  write_suite({});
  ASSERT_EQ(run("s0", {"--shard", "0/1"}).code, 0);
  ASSERT_EQ(assay({"merge", "s0", "--out", "whole"}).code, 0);
  Invocation full = invocation({"merge", "s0", "--out", "merged"});
  full.file_limit = static_cast<long>(read("whole/evidence.jsonl").size()) + 1000;
  ASSERT_GT(read("whole/report.html").size(), *full.file_limit + 1000) << "it would fit as well";
  expect_end(run_program(full), 3, {"not every report is written: ", "merged/report.html"});
  expect_told("merged", "incomplete", 3, "report.html");
  EXPECT_TRUE(read("merged/evidence.jsonl") == read("whole/evidence.jsonl"));
  expect_end(run("next", {"--baseline", "merged"}), 2, {"assay report"});
  EXPECT_EQ(assay({"report", "merged"}).code, 0);
  expect_told("merged", "pass", 0);
}

TEST_F(Reports, AMergeThatCannotWriteLeavesItsFolderFreeForAnotherTry) {
  write_suite({});
  ASSERT_EQ(run("s0", {"--shard", "0/1"}).code, 0);
  Invocation full = invocation({"merge", "s0", "--out", "merged"});
  full.file_limit = 100;
  expect_end(run_program(full), 3, {"cannot write merged/"});
  EXPECT_EQ(assay({"merge", "s0", "--out", "merged"}).code, 0);
  expect_told("merged", "pass", 0);
  ASSERT_EQ(run("refused", {"--shard", "0/1", "--model", prepared("nan.pt").string()}).code, 5);
  full = invocation({"merge", "refused", "--out", "none"});
  full.file_limit = 100;
  expect_end(run_program(full), 5, {"no report is written: cannot write none/"});
}

TEST_F(Reports, OfAnEarlierWritingDoNotStayWhereTheyCannotBeWrittenAgain) {
  write_suite({});
  ASSERT_EQ(run("out").code, 0);
  Invocation full = invocation({"report", "out"});
  full.file_limit = static_cast<long>(read("out/report.html").size()) - 1;
  EXPECT_EQ(run_program(full).code, 0) << "what is right stays";
  expect_told("out", "pass", 0);
  write("out/report.html", "an older one, of another decision");
  expect_end(run_program(full), 3, {"cannot write out/report.html"});
  expect_told("out", "pass", 0, "report.html");
}

TEST_F(Reports, OfARefusedCandidateTellItWhereOneOfThemCannotBeWritten) {
  write_suite({.model = "nan.pt"});
  ASSERT_EQ(run("out").code, 5);
  fs::remove(path("out/samples.csv"));
  fs::create_directories(path("out/samples.csv/in the way"));
  expect_end(run("out", {"--resume"}), 5, {"not every report is written: "});
  expect_told("out", "refused", 5, "samples.csv");
  fs::create_directories(path("none/unmeasured.jsonl/in the way"));
  expect_end(run("none", {"--resume"}), 5, {"no report is written: cannot write none/unmeasured"});
}

TEST_F(Reports, TellOfARefusalAfterEvidenceThatStaysForTheNextAttempt) {
  write_suite(audit_parts());
  set_mood(1);
  ASSERT_EQ(run_moody("out").code, 0);
  ASSERT_TRUE(exists("out/scores.csv"));
  const std::string evidence = read("out/evidence.jsonl");
  set_mood(0);
  // In the first store the candidate's probes are known.
  expect_end(run_moody("out", {"--resume", "--store", "empty"}), 5, {"the candidate is refused"});
  expect_told("out", "refused", 5);
  EXPECT_FALSE(exists("out/scores.csv"));
  // What was measured is of one suite and one model.
  const std::string report = read("out/report.json");
  expect_end(run("out", {"--resume"}), 2, {"another model"});
  expect_end(run_moody("out", {"--resume", "--set", "attacks.pgd.steps=4"}), 2, {"another suite"});
  expect_end(run_moody("out", {"--resume", "--baseline", "none"}), 2, {"--baseline none"});
  EXPECT_TRUE(read("out/report.json") == report);
  expect_told("out", "refused", 5);
  set_mood(1);
  EXPECT_EQ(run_moody("out", {"--resume"}).code, 0);
  expect_told("out", "pass", 0);
  EXPECT_TRUE(read("out/evidence.jsonl") == evidence);
  EXPECT_TRUE(exists("out/scores.csv"));
}

TEST_F(Reports, TellOfARefusalAfterAnIncompleteAttemptAndOfNoneAfterAnother) {
  write_suite({});
  set_mood(1);
  ASSERT_EQ(run_moody("out", {"--set", "run.time_limit=0.001s"}).code, 3);
  expect_told("out", "incomplete", 3);
  set_mood(0);
  ASSERT_EQ(run_moody("out", {"--resume", "--store", "empty"}).code, 5);
  expect_told("out", "refused", 5);
  set_mood(1);
  ASSERT_EQ(run_moody("out", {"--resume", "--set", "run.time_limit=0.001s"}).code, 3);
  expect_told("out", "incomplete", 3);
  ASSERT_EQ(run_moody("out", {"--resume"}).code, 0);
  expect_told("out", "pass", 0);
}

TEST_F(Reports, OfAnAttemptStayWhereALaterOneIsAUsageError) {
  write_suite({.rules = kFail});
  ASSERT_EQ(run("out").code, 1);
  expect_end(run("out", {"--resume", "--model", prepared("nan.pt").string()}), 2,
             {"another model"});
  expect_told("out", "fail", 1);
}

TEST_F(Reports, AndEvidenceStayWhereTheSuiteNamesOtherPointsNow) {
  fs::copy_file(prepared("right.pt"), path("source.pt"));
  write_suite({.attacks = "- { name: craft, attack: transfer, eps: 0.1, source: source.pt }",
               .rules = "- { cell: craft, metric: robust_accuracy, at_least: 0.01 }"});
  const int code = run("out").code;
  const std::string evidence = read("out/evidence.jsonl"), report = read("out/report.json");
  fs::copy_file(prepared("careless.pt"), path("source.pt"), fs::copy_options::overwrite_existing);
  expect_end(run("out", {"--resume"}), 2, {"was run with another ", " in cell `craft`"});
  write("source.pt", "no model");
  EXPECT_EQ(run("out", {"--resume"}).code, 2);
  EXPECT_TRUE(read("out/evidence.jsonl") == evidence);
  EXPECT_TRUE(read("out/report.json") == report);
  EXPECT_EQ(assay({"gate", "out"}).code, code);
}

// What a run finds feeds the corpus once it is done, not before: else it could not go on.
TEST_F(Reports, ThatCouldNotBeWrittenAreByAResumeThoughTheSuiteUsesTheCorpus) {
  write_suite({.attacks = "- { name: fgsm, attack: fgsm, eps: 0.1 }\n"
                          "  - { name: old, attack: corpus, eps: 0.1 }",
               .rules = "- { cell: fgsm, metric: robust_accuracy, at_least: 0.0 }"});
  fs::create_directories(path("out/samples.csv/in the way"));
  const std::string incumbent = prepared("careless.pt").string();
  const std::vector<std::string> more = {"--resume", "--baseline", incumbent};
  write("out/run.json", "{}");
  ASSERT_EQ(run("out", more).code, 3);
  fs::remove_all(path("out/samples.csv"));
  EXPECT_EQ(run("out", more).code, 0);
  const std::string evidence = read("out/evidence.jsonl");
  run("other", {"--model", incumbent, "--set", "attacks.fgsm.eps=0.2"});
  EXPECT_EQ(run("out", more).code, 0);
  EXPECT_FALSE(read("out/evidence.jsonl") == evidence) << "more points are tried now";
}

// Else they would tell of a candidate that the folder is no longer of.
TEST_F(Reports, OfARefusedCandidateGoWhenAnotherOneIsMeasured) {
  const std::string source = prepared("crashes_on_one.pt").string();
  write_suite({.attacks = "- { name: craft, attack: transfer, eps: 0.1, source: " + source + " }",
               .rules = "- { cell: craft, metric: robust_accuracy, at_least: 0.1 }"});
  ASSERT_EQ(run("out", {"--model", prepared("nan.pt").string()}).code, 5);
  expect_told("out", "refused", 5);
  expect_end(run("out", {"--resume"}), 2, {"source: "});
  for (const char* report : kReports) EXPECT_FALSE(exists(std::string("out/") + report)) << report;
  EXPECT_EQ(assay({"gate", "out"}).code, 3);
}

}  // namespace
}  // namespace assay::testing

// The same bytes for any number of workers, any split, and after a kill; nothing computed twice.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;

class Bytes : public Workshop {
 protected:
  Bytes() { write_suite(image_parts()); }

  void expect_same_bytes(const std::string& a, const std::string& b) {
    EXPECT_FALSE(read(a + "/samples.csv").empty());
    // Compared as booleans: a difference of kilobytes helps nobody.
    EXPECT_TRUE(read(a + "/evidence.jsonl") == read(b + "/evidence.jsonl")) << a << " and " << b;
    EXPECT_TRUE(read(a + "/samples.csv") == read(b + "/samples.csv")) << a << " and " << b;
  }
  // As run(), with a store of its own, so that all is computed.
  Ended fresh(const std::string& out, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--store", out + "-store"});
    return run(out, more);
  }
};

TEST_F(Bytes, DoNotDependOnTheNumberOfWorkers) {
  ASSERT_EQ(fresh("one", {"--workers", "1", "--save-adversarials", "all"}).code, 0);
  // A test on bytes is worth something only if samples come out both ways.
  const nlohmann::json at_003 = cell("one", "pgd@0.03");
  const double robust = at_003["metrics"]["robust_accuracy"]["value"];
  EXPECT_GT(robust, 0.1);
  EXPECT_LT(robust, 0.9);
  for (const char* workers : {"2", "8"}) {
    const std::string out = std::string("with") + workers;
    ASSERT_EQ(fresh(out, {"--workers", workers, "--save-adversarials", "all"}).code, 0);
    expect_same_bytes("one", out);
    EXPECT_TRUE(read("one/adversarials.safetensors") == read(out + "/adversarials.safetensors"));
  }
}

TEST_F(Bytes, AreTheSameFromAnySplitMergedInAnyOrder) {
  ASSERT_EQ(fresh("whole").code, 0);
  for (const int i : {0, 1, 2}) {
    const Ended shard = fresh("s" + std::to_string(i), {"--shard", std::to_string(i) + "/3"});
    ASSERT_EQ(shard.code, 0) << shard.err;
  }
  for (const std::vector<std::string>& order : std::vector<std::vector<std::string>>{
           {"s0", "s1", "s2"}, {"s2", "s0", "s1"}, {"s1", "s2", "s0"}}) {
    std::vector<std::string> args = {"merge"};
    args.insert(args.end(), order.begin(), order.end());
    const std::string out = "merged-" + order[0];
    args.insert(args.end(), {"--out", out});
    const Ended merged = assay(args);
    ASSERT_EQ(merged.code, 0) << merged.err;
    expect_same_bytes("whole", out);
    EXPECT_EQ(json("whole/report.json")["rules"], json(out + "/report.json")["rules"]);
  }
}

TEST_F(Bytes, AMergeWithAMissingShardIsIncompleteAndSaysWhichPart) {
  ASSERT_EQ(run("s0", {"--shard", "0/3"}).code, 0);
  ASSERT_EQ(run("s2", {"--shard", "2/3"}).code, 0);
  const Ended merged = assay({"merge", "s0", "s2", "--out", "merged"});
  EXPECT_EQ(merged.code, 3) << merged.err;
  EXPECT_EQ(decision("merged"), "incomplete");
  EXPECT_EQ(cell("merged", "fgsm")["status"], "incomplete");
  for (const char* report : kReports) EXPECT_TRUE(exists(std::string("merged/") + report));
}

TEST_F(Bytes, TheOnlyShardIsAShardAndItsMergeDecides) {
  write_suite({.rules = kFail});
  const Ended shard = run("s0", {"--shard", "0/1"});
  ASSERT_EQ(shard.code, 0);
  EXPECT_THAT(shard.out, ::testing::HasSubstr("this shard is measured"));
  EXPECT_EQ(assay({"merge", "s0", "--out", "merged"}).code, 1);
  EXPECT_EQ(run("s0", {"--resume"}).code, 2);
}

TEST_F(Bytes, ShardsOfDifferentRunsDoNotMerge) {
  ASSERT_EQ(run("s0", {"--shard", "0/2"}).code, 0);
  ASSERT_EQ(run("s1", {"--shard", "1/2", "--set", "attacks.pgd.steps=6"}).code, 0);
  expect_end(assay({"merge", "s0", "s1", "--out", "merged"}), 2, {"suite"});
  ASSERT_EQ(run("m1", {"--shard", "1/2", "--model", prepared("other_cnn.pt").string()}).code, 0);
  expect_end(assay({"merge", "s0", "m1", "--out", "merged"}), 2, {"model"});
  EXPECT_FALSE(exists("merged/report.json"));
  expect_end(assay({"merge", "s0", "nowhere", "--out", "merged"}), 2, {"nowhere"});
  expect_end(assay({"merge", "s0", "s1", "--out", "s0"}), 2, {"s0", "empty"});
}

TEST_F(Bytes, ShardsCarryTheIncumbentTooAndTheMergeDecides) {
  SuiteParts parts = image_parts();
  parts.rules = "- { cell: \"*\", metric: robust_accuracy, max_drop: 0.01 }";
  parts.more += "\nbaseline: " + prepared("cnn.pt").string();
  parts.model = "other_cnn.pt";
  write_suite(parts);
  const Ended whole = fresh("whole");
  ASSERT_EQ(fresh("s0", {"--shard", "0/2"}).code, 0);
  ASSERT_EQ(fresh("s1", {"--shard", "1/2"}).code, 0);
  const Ended merged = assay({"merge", "s1", "s0", "--out", "merged"});
  EXPECT_EQ(merged.code, whole.code) << merged.out;
  EXPECT_NE(whole.code, 3);
  expect_same_bytes("whole", "merged");
  EXPECT_EQ(json("whole/report.json")["rules"], json("merged/report.json")["rules"]);
  const auto kept = [&](const std::string& out) { return read(out + "/adversarials.safetensors"); };
  EXPECT_GT(kept("whole").size(), 1000U) << "no sample regressed";
  EXPECT_TRUE(kept("merged") == kept("whole"));
}

TEST_F(Bytes, ShardsThatWereToldOfDifferentIncumbentsDoNotMergeInAnyOrder) {
  SuiteParts parts = image_parts();
  parts.rules =
      "- { cell: \"*\", metric: robust_accuracy, max_drop: 0.01 }\n"
      "    - { cell: pgd@0.01, metric: robust_accuracy, at_least: 0 }";
  write_suite(parts);
  ASSERT_EQ(run("first", {"--baseline", "none"}).code, 0);
  ASSERT_EQ(run("against", {"--shard", "0/2", "--baseline", "first"}).code, 0);
  ASSERT_EQ(run("none", {"--shard", "1/2", "--baseline", "none"}).code, 0);
  ASSERT_EQ(run("nothing", {"--shard", "1/2"}).code, 0);
  for (const char* other : {"none", "nothing"}) {
    expect_end(assay({"merge", "against", other, "--out", "merged"}), 2, {"one --baseline"});
    expect_end(assay({"merge", other, "against", "--out", "merged"}), 2, {"one --baseline"});
  }
}

TEST_F(Bytes, ReportsShowPicturesOnlyOfSamplesAsTheyWereJudged) {
  SuiteParts parts = image_parts();
  parts.rules = "- { cell: \"*\", metric: robust_accuracy, max_drop: 0.01 }";
  parts.more += "\nbaseline: " + prepared("cnn.pt").string();
  parts.model = "other_cnn.pt";
  std::filesystem::copy_file(prepared("images.idx"), path("images.idx"));
  parts.data =
      "{ format: idx, images: images.idx, labels: " + prepared("labels.idx").string() + " }";
  write_suite(parts);
  ASSERT_EQ(run("out").code, 4);
  ASSERT_NE(read("out/report.html").find("<img"), std::string::npos);
  std::string bytes = read("images.idx");
  for (size_t i = 16; i < bytes.size(); ++i) bytes[i] = static_cast<char>(~bytes[i]);
  write("images.idx", bytes);
  ASSERT_EQ(assay({"report", "out"}).code, 4);
  EXPECT_EQ(read("out/report.html").find("<img"), std::string::npos);
}

TEST_F(Bytes, AMergeWithoutAShardsOutputsIsIncompleteAndTellsToCopyThem) {
  write_suite(audit_parts());
  ASSERT_EQ(fresh("s0", {"--shard", "0/2"}).code, 0);
  ASSERT_EQ(fresh("s1", {"--shard", "1/2"}).code, 0);
  ASSERT_EQ(assay({"merge", "s0", "s1", "--out", "whole"}).code, 0);
  std::filesystem::remove_all(path("s0/outputs"));
  std::filesystem::remove_all(path("s1/outputs"));
  expect_end(assay({"merge", "s0", "s1", "--out", "merged"}), 3, {});
  EXPECT_EQ(decision("merged"), "incomplete");
  EXPECT_NE(read("merged/summary.md").find("copy whole folders"), std::string::npos);
}

TEST_F(Bytes, ASecondIdenticalRunComputesNothing) {
  ASSERT_EQ(run("first").code, 0);
  const Ended second = run("second");
  ASSERT_EQ(second.code, 0);
  expect_same_bytes("first", "second");
  // Costs are those of the first computation, to the last digit of a time.
  for (const char* name : {"fgsm", "pgd@0.01", "pgd@0.03"}) {
    EXPECT_EQ(cell("first", name)["cost"], cell("second", name)["cost"]) << name;
    EXPECT_GT(cell("first", name)["cost"]["gradients"], 0) << name;
  }
  // Nor is the model loaded: a broken file of the same digest cannot exist, but a run whose model
  // takes long to load would tell. Progress is of units computed: there are none.
  EXPECT_EQ(second.err, "");
}

TEST_F(Bytes, AnotherBlockSizeGivesTheSameVerdicts) {
  ASSERT_EQ(fresh("sixteen").code, 0);
  ASSERT_EQ(fresh("forty", {"--set", "run.block=40"}).code, 0);
  EXPECT_TRUE(read("sixteen/samples.csv") == read("forty/samples.csv"));
  // Fewer rows than a batch needs for its bits.
  ASSERT_EQ(fresh("three", {"--set", "run.block=3"}).code, 0);
  EXPECT_TRUE(read("sixteen/samples.csv") == read("three/samples.csv"));
}

TEST_F(Bytes, ASmallerSampleGetsTheSameVerdictsAndReusesNothingWrong) {
  ASSERT_EQ(fresh("all").code, 0);
  ASSERT_EQ(run("some", {"--set", "sample={count: 50, seed: 7}", "--store", "all-store"}).code, 0);
  const std::string all = read("all/samples.csv");
  std::istringstream lines(read("some/samples.csv"));
  size_t rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    EXPECT_NE(all.find(line), std::string::npos) << line;
  }
  EXPECT_EQ(rows, 1U + 3 * 50);
}

TEST_F(Bytes, SurviveKillsAtRandomMoments) {
  SuiteParts parts = image_parts();
  parts.model = "slow_cnn.pt";
  write_suite(parts);
  ASSERT_EQ(fresh("whole").code, 0);
  // Other moments each time; ASSAY_KILL_SEED repeats those of one.
  const char* fixed = std::getenv("ASSAY_KILL_SEED");
  const unsigned value =
      fixed != nullptr ? static_cast<unsigned>(std::stoul(fixed)) : std::random_device()();
  SCOPED_TRACE("ASSAY_KILL_SEED=" + std::to_string(value));
  std::minstd_rand random(value);
  bool once = false;
  for (int kills = 0; kills < 3; ++kills) {
    Invocation killed =
        invocation({"run", "suite.yaml", "--out", "out", "--store", "st", "--resume"});
    Program program(killed);
    std::this_thread::sleep_for(std::chrono::milliseconds(300 + random() % 1500));
    once = once || program.running();
    program.send(SIGKILL);
    program.wait();
  }
  EXPECT_TRUE(once) << "the run is too short to be killed";
  const Ended ended = run("out", {"--store", "st", "--resume"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  expect_same_bytes("whole", "out");
}

}  // namespace
}  // namespace assay::testing

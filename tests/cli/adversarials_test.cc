// Saved adversarials may be more than memory or the disk holds: neither costs a report, and no
// report says that all is there.
#include <cstring>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SavedAdversarials : public Workshop {
 protected:
  const std::string file_ = "out/adversarials.safetensors";

  // Measures a shard into a folder of its name, and again with something in its adversarials' way.
  void leave_unsaved(const std::string& out, const std::string& shard) {
    ASSERT_EQ(run(out, {"--shard", shard, "--save-adversarials", "all"}).code, 0);
    const std::string file = out + "/adversarials.safetensors";
    const std::string evidence = read(out + "/evidence.jsonl");
    fs::remove(path(file));
    fs::create_directories(path(file + "/in the way"));
    const Ended ended = run(out, {"--resume", "--shard", shard, "--save-adversarials", "all"});
    expect_end(ended, 3, {"the adversarials are not saved, ", file});
    EXPECT_EQ(decision(out), "incomplete");
    EXPECT_TRUE(read(out + "/evidence.jsonl") == evidence) << "verdicts are whole without them";
    fs::remove_all(path(file));
  }
  std::vector<std::string> unsaved(const std::string& out) {
    return json(out + "/run.json").at("unsaved");
  }

  // Adds an array of so many bytes, none of which takes place on the disk.
  void add_sparse(uint64_t bytes) {
    const std::string old = read(file_);
    uint64_t size = 0;
    std::memcpy(&size, old.data(), sizeof size);
    nlohmann::ordered_json header = nlohmann::ordered_json::parse(old.substr(8, size));
    const uint64_t data = old.size() - 8 - size;
    header["huge"] = {{"dtype", "U8"}, {"shape", {bytes}}, {"data_offsets", {data, data + bytes}}};
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const uint64_t length = text.size();
    write(file_,
          std::string(reinterpret_cast<const char*>(&length), 8) + text + old.substr(8 + size));
    fs::resize_file(path(file_), 8 + length + data + bytes);
  }
};

TEST_F(SavedAdversarials, AReportReadsNoMoreOfThemThanItShows) {
  write_suite(image_parts());
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  ASSERT_EQ(assay({"report", "out"}).code, 0);
  const std::string html = read("out/report.html");
  ASSERT_NE(html.find("<img"), std::string::npos);
  add_sparse(uint64_t{1} << 40);
  const Ended ended = assay({"report", "out"});
  expect_end(ended, 0, {});
  EXPECT_EQ(ended.err, "");
  EXPECT_TRUE(read("out/report.html") == html);
}

TEST_F(SavedAdversarials, WhereTheyCannotBeSavedTheReportsSayThatTheRunIsIncomplete) {
  write_suite({});
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  for (const char* report : kReports) fs::remove(path(std::string("out/") + report));
  fs::remove(path(file_));
  fs::create_directories(path(file_ + "/in the way"));
  const Ended ended = run("out", {"--resume", "--save-adversarials", "all"});
  expect_end(ended, 3, {"the adversarials are not saved, ", "adversarials.safetensors"});
  EXPECT_THAT(ended.err, ::testing::Not(HasSubstr("report is written")));
  EXPECT_THAT(ended.out, HasSubstr("out/adversarials.safetensors"));
  for (const char* report : kReports) EXPECT_TRUE(exists(std::string("out/") + report)) << report;
  EXPECT_EQ(decision("out"), "incomplete");
  expect_end(assay({"gate", "out"}), 3, {});
  expect_end(run("next", {"--baseline", "out"}), 2, {"is an incomplete run (cannot write "});
  fs::remove_all(path(file_));
  expect_end(run("out", {"--resume", "--save-adversarials", "all"}), 0, {});
  EXPECT_EQ(decision("out"), "pass");
  expect_end(assay({"gate", "out"}), 0, {});
}

TEST_F(SavedAdversarials, ARunThatIsCutOffTellsOfBothFaults) {
  write_suite({});
  ASSERT_EQ(run("out", {"--set", "run.time_limit=0.001s"}).code, 3);
  fs::remove(path(file_));
  fs::create_directories(path(file_ + "/in the way"));
  const Ended ended = run("out", {"--resume", "--set", "run.time_limit=0.001s"});
  expect_end(ended, 3, {"the time limit of ", "the adversarials are not saved, "});
  EXPECT_THAT(ended.err, ::testing::Not(HasSubstr("report is written")));
  EXPECT_THAT(read("out/report.json"), HasSubstr("time limit"));
  EXPECT_THAT(read("out/report.json"), HasSubstr("cannot write out/adversarials.safetensors"));
}

TEST_F(SavedAdversarials, AShardThatCouldNotSaveThemLeavesAMergeWithSoundOnesIncomplete) {
  write_suite({});
  leave_unsaved("s0", "0/2");
  ASSERT_EQ(run("s1", {"--shard", "1/2", "--save-adversarials", "all"}).code, 0);
  EXPECT_TRUE(unsaved("s1").empty());
  const Ended merged = assay({"merge", "s1", "s0", "--out", "merged"});
  expect_end(merged, 3, {});
  EXPECT_THAT(merged.out, HasSubstr("the run is incomplete: cannot write s0/adversarials."));
  EXPECT_EQ(decision("merged"), "incomplete");
  EXPECT_EQ(unsaved("merged"), unsaved("s0"));
  expect_end(assay({"gate", "merged"}), 3, {});
  expect_end(assay({"gate", "merged", "--cell", "pgd@0.1"}), 3, {});
  expect_end(assay({"report", "merged"}), 3, {});
  for (const char* baseline : {"merged", "merged/evidence.jsonl"}) {
    expect_end(run("next", {"--baseline", baseline}), 2, {"is an incomplete run (cannot write s0"});
  }
  expect_end(assay({"merge", "merged", "--out", "again"}), 3, {});
  ASSERT_EQ(run("s0", {"--resume", "--shard", "0/2", "--save-adversarials", "all"}).code, 0);
  EXPECT_TRUE(unsaved("s0").empty());
  expect_end(assay({"merge", "s1", "s0", "--out", "whole"}), 0, {});
  EXPECT_TRUE(read("whole/evidence.jsonl") == read("merged/evidence.jsonl"));
}

TEST_F(SavedAdversarials, AMergeTellsEachReasonWhyShardsCouldNotSaveThem) {
  write_suite({.more = "run: { block: 16 }"});
  leave_unsaved("s0", "0/3");
  leave_unsaved("s1", "1/3");
  ASSERT_EQ(run("s2", {"--shard", "2/3"}).code, 0);
  expect_end(assay({"merge", "s0", "s1", "s2", "s0", "--out", "merged"}), 3, {});
  const std::vector<std::string> reasons = unsaved("merged");
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_THAT(reasons[0], HasSubstr("s0/adversarials.safetensors"));
  EXPECT_THAT(reasons[1], HasSubstr("s1/adversarials.safetensors"));
  EXPECT_EQ(json("merged/report.json")["reason"],
            "the run is incomplete: " + reasons[0] + "; " + reasons[1]);
  expect_end(assay({"merge", "s2", "s1", "s0", "--out", "turned"}), 3, {});
  EXPECT_EQ(unsaved("turned"), reasons);
  // Beside what else is missing.
  expect_end(assay({"merge", "s1", "s0", "--out", "part"}), 3, {});
  const std::string told = json("part/report.json")["reason"];
  EXPECT_THAT(told, HasSubstr("shard "));
  EXPECT_THAT(told, ::testing::EndsWith("; " + reasons[0] + "; " + reasons[1]));
}

TEST_F(SavedAdversarials, AMergeThatCannotSaveThemIsIncomplete) {
  write_suite({});
  ASSERT_EQ(run("out", {"--shard", "0/2", "--save-adversarials", "all"}).code, 0);
  ASSERT_EQ(run("other", {"--shard", "1/2", "--save-adversarials", "all"}).code, 0);
  add_sparse(uint64_t{1} << 24);
  Invocation full = invocation({"merge", "out", "other", "--out", "whole"});
  full.file_limit = 1L << 23;
  const Ended ended = run_program(full);
  expect_end(ended, 3, {"the adversarials are not saved, ", "whole/adversarials.safetensors"});
  EXPECT_EQ(decision("whole"), "incomplete");
  for (const char* report : kReports) EXPECT_TRUE(exists(std::string("whole/") + report)) << report;
  expect_end(assay({"merge", "out", "other", "--out", "again"}), 0, {});
  EXPECT_EQ(decision("again"), "pass");
}

}  // namespace
}  // namespace assay::testing

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "harness/record/evidence.h"
#include "harness/record/files.h"
#include "harness/record/unmeasured.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

/// While it lives, no file may grow beyond `bytes`: to a writer, a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(EvidenceFiles, AFolderReadsBackWithCostsAndHostFacts) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "runs" / "one";
  const Evidence wrote = sample_evidence();
  write_evidence(folder, wrote);
  EXPECT_THAT(names_in(folder), UnorderedElementsAre("evidence.jsonl", "costs.json"));
  const Evidence read = read_evidence(folder);
  EXPECT_EQ(to_text(read), to_text(wrote));
  EXPECT_EQ(read.header.suite_folder, wrote.header.suite_folder);
  EXPECT_EQ(read.header.model.path, wrote.header.model.path);
  EXPECT_EQ(read.units[3].cost.time_s, 0.5);
  EXPECT_EQ(read.units[3].cost.forwards, 40);
  EXPECT_EQ(read.units[3].cost.gradients, 20);
  EXPECT_EQ(read.units[3].cost.judged, 4);
}

TEST(EvidenceFiles, AFileAloneReadsWithoutCosts) {
  const ScratchFolder scratch;
  write_evidence(scratch.path(), sample_evidence());
  EXPECT_EQ(read_evidence(scratch.path() / "evidence.jsonl").units[0].cost.forwards, 40);
  fs::rename(scratch.path() / "evidence.jsonl", scratch.path() / "production.jsonl");
  const Evidence read = read_evidence(scratch.path() / "production.jsonl");
  EXPECT_EQ(to_text(read), to_text(sample_evidence()));
  EXPECT_EQ(read.units[0].cost.forwards, 0);
}

TEST(EvidenceFiles, ABaselineStandsBesideTheCandidate) {
  const ScratchFolder scratch;
  EXPECT_FALSE(read_baseline(scratch.path()).has_value());
  Evidence baseline = sample_evidence();
  baseline.header.model = {"production.pt", sha256("production")};
  baseline.units[0].cost.forwards = 7;
  write_evidence(scratch.path(), sample_evidence());
  write_baseline(scratch.path(), baseline);
  const auto read = read_baseline(scratch.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(to_text(*read), to_text(baseline));
  EXPECT_EQ(read->header.model.path, "production.pt");
  EXPECT_EQ(read->units[0].cost.forwards, 7);
  EXPECT_EQ(read_evidence(scratch.path()).units[0].cost.forwards, 40);
}

TEST(EvidenceFiles, WhatIsNoRunIsNamed) {
  const ScratchFolder scratch;
  auto [message, code] = error_of([&] { read_evidence(scratch.path()); });
  EXPECT_THAT(message, AllOf(HasSubstr(scratch.path().string()), HasSubstr("evidence.jsonl")));
  EXPECT_EQ(code, ExitCode::kUsage);
  std::tie(message, code) = error_of([&] { read_evidence(scratch.path() / "absent.jsonl"); });
  EXPECT_THAT(message, AllOf(HasSubstr("absent.jsonl"), HasSubstr("No such file")));
}

TEST(EvidenceFiles, ARunThatMeasuredNothingIsNamedAsThat) {
  const ScratchFolder scratch;
  write_unmeasured(scratch.path(), sample_evidence());
  const auto [message, code] = error_of([&] { read_evidence(scratch.path()); });
  EXPECT_EQ(code, ExitCode::kUsage);
  EXPECT_THAT(message, HasSubstr("measured nothing"));
}

TEST(EvidenceFiles, DamagedCostsAreNamedWithTheCure) {
  const ScratchFolder scratch;
  write_evidence(scratch.path(), sample_evidence());
  std::ofstream(scratch.path() / "costs.json") << "{\"assay_costs\":1";
  const auto [message, code] = error_of([&] { read_evidence(scratch.path()); });
  EXPECT_THAT(message, AllOf(HasSubstr("costs.json: "), HasSubstr("delete it")));
  fs::remove(scratch.path() / "costs.json");
  EXPECT_EQ(to_text(read_evidence(scratch.path())), to_text(sample_evidence()));
}

TEST(EvidenceFiles, AFullDiskIsIncompleteAndLeavesTheEarlierRun) {
  const ScratchFolder scratch;
  write_evidence(scratch.path(), sample_evidence());
  Evidence longer = sample_evidence();
  longer.interrupted = std::string(100'000, 'x');
  std::pair<std::string, ExitCode> result;
  {
    const FullDisk full(50'000);
    result = error_of([&] { write_evidence(scratch.path(), longer); });
  }
  EXPECT_THAT(result.first, HasSubstr((scratch.path() / "evidence.jsonl").string()));
  EXPECT_EQ(result.second, ExitCode::kIncomplete);
  EXPECT_EQ(to_text(read_evidence(scratch.path())), to_text(sample_evidence()));
  EXPECT_THAT(names_in(scratch.path()), UnorderedElementsAre("evidence.jsonl", "costs.json"));
}

TEST(EvidenceFiles, AFolderBlockedByAFileIsTheUsersToMendAndNamed) {
  const ScratchFolder scratch;
  std::ofstream(scratch.path() / "file") << "here";
  const fs::path folder = scratch.path() / "file";
  for (const fs::path& path : {folder, folder / "below"}) {
    const auto [message, code] = error_of([&] { write_evidence(path, sample_evidence()); });
    EXPECT_THAT(message, HasSubstr(path.string()));
    EXPECT_EQ(code, ExitCode::kUsage);
  }
}

TEST(DurableFile, IsUnseenUntilCommitAndGoneWithoutIt) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "report.json";
  write_durably(path, "old");
  {
    DurableFile file(path);
    file.append("new");
    EXPECT_EQ(read_bytes(path), "old");
  }
  EXPECT_THAT(names_in(scratch.path()), UnorderedElementsAre("report.json"));
  DurableFile file(path);
  file.append("ne");
  file.append("w");
  file.commit();
  EXPECT_EQ(read_bytes(path), "new");
  EXPECT_THAT(names_in(scratch.path()), UnorderedElementsAre("report.json"));
}

TEST(DurableFile, AMissingFolderIsNamed) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "absent" / "report.json";
  const auto [message, code] = error_of([&] { write_durably(path, "x"); });
  EXPECT_THAT(message, HasSubstr(path.string()));
  EXPECT_EQ(code, ExitCode::kIncomplete);
}

}  // namespace
}  // namespace assay

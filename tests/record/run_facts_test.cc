#include "harness/record/run_facts.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

TEST(RunFacts, KeepEachReasonWhyAdversarialsAreNotSavedOnce) {
  const ScratchFolder folder;
  RunFacts facts;
  facts.started = "2026-01-31T12:00:00Z";
  facts.unreported = "cannot write report.html";
  facts.unsaved = {"cannot write b: File too large", "cannot write a\xff; and more"};
  write_run_facts(folder.path(), facts);
  const RunFacts read = read_run_facts(folder.path());
  EXPECT_EQ(read.started, facts.started);
  EXPECT_EQ(read.unreported, facts.unreported);
  EXPECT_EQ(read.unsaved, (std::set<std::string>{"cannot write a\xEF\xBF\xBD; and more",
                                                 "cannot write b: File too large"}));
}

TEST(RunFacts, OfOlderVersionsTellOfNoAdversarialsThatAreNotSaved) {
  const ScratchFolder folder;
  std::ofstream(folder.path() / "run.json")
      << R"({"baseline": "none", "started": "2026-01-31T12:00:00Z", "workers": 2})";
  const RunFacts read = read_run_facts(folder.path());
  EXPECT_EQ(read.baseline, "none");
  EXPECT_EQ(read.workers, 2);
  EXPECT_TRUE(read.unsaved.empty());
  EXPECT_EQ(read.unreported, "");
}

}  // namespace
}  // namespace assay

#include "harness/record/early_end.h"

#include <gtest/gtest.h>

#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

TEST(EarlyEnd, LeavesTheCleanPassAlone) {
  Evidence run = sample_evidence();
  run.interrupted = "shard 0 of 2";
  end_at_clean_pass(&run, "clean accuracy 0.1");
  EXPECT_EQ(run.ended_early, "clean accuracy 0.1");
  EXPECT_EQ(run.interrupted, "");
  ASSERT_EQ(run.units.size(), run.header.clean_units.size());
  for (size_t i = 0; i < run.units.size(); ++i) {
    EXPECT_EQ(run.units[i].key, run.header.clean_units[i]);
  }
}

}  // namespace
}  // namespace assay

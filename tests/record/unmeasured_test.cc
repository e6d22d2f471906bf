#include "harness/record/unmeasured.h"

#include <gtest/gtest.h>

#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

TEST(Unmeasured, IsReadAsItWasWrittenAndRemoved) {
  const ScratchFolder folder;
  EXPECT_FALSE(read_unmeasured(folder.path()).has_value());
  Evidence refused;
  refused.header = sample_header();
  refused.header.cells.clear();
  refused.header.clean_units.clear();
  refused.ended_early = "its outputs are NaN";
  write_unmeasured(folder.path(), refused);
  const std::optional<Evidence> read = read_unmeasured(folder.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(to_text(*read), to_text(refused));
  EXPECT_EQ(read->header.model.path, refused.header.model.path);
  EXPECT_EQ(read->header.suite_folder, refused.header.suite_folder);
  // It is no run.
  EXPECT_THROW(read_evidence(folder.path()), Error);
  remove_unmeasured(folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace assay

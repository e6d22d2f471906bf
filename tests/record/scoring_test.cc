#include "harness/record/scoring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Scoring, SurvivesItsFile) {
  Scoring cell{.cell = "mia", .key = "k", .entry = 1, .classes = 3, .views = 2, .features = 4};
  cell.rows = {{true, 1}, {false, 0}};
  cell.labels = {2, 0, 1};
  cell.population = {"17"};
  cell.parts = {{"a", Scoring::Part::What::kLogits, -1, 0, 0, 3},
                {"b", Scoring::Part::What::kDistances, -1, 0, 0, 2}};
  cell.trained = {"t"};
  cell.in = {{2}};
  cell.shared = 0.25;
  cell.architecture = "cnn";
  cell.reason = "the candidate is frozen";
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch.path() / "scoring.json";
  write_scoring(file, {cell});
  const std::vector<Scoring> read = read_scoring(file);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].cell, "mia");
  EXPECT_EQ(read[0].features, 4);
  EXPECT_TRUE(read[0].rows[0].member);
  EXPECT_EQ(read[0].rows[1].record, 0);
  EXPECT_EQ(read[0].labels, cell.labels);
  EXPECT_EQ(read[0].population, cell.population);
  EXPECT_EQ(read[0].parts[1].what, Scoring::Part::What::kDistances);
  EXPECT_EQ(read[0].parts[1].end, 2);
  EXPECT_EQ(read[0].in, cell.in);
  EXPECT_EQ(read[0].shared, cell.shared);
  EXPECT_EQ(read[0].reason, cell.reason);
  EXPECT_TRUE(read_scoring(scratch.path() / "none.json").empty());
  std::ofstream(file) << "{";
  EXPECT_THAT([&] { read_scoring(file); }, ThrowsMessage<Error>(HasSubstr("is damaged")));
}

}  // namespace
}  // namespace assay

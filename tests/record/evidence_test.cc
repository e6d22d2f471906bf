#include "harness/record/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::ElementsAre;

const CellHeader& cell_named(const Evidence& evidence, const std::string& name) {
  for (const CellHeader& cell : evidence.header.cells) {
    if (cell.name == name) return cell;
  }
  throw std::logic_error("no cell " + name);
}

TEST(Evidence, StatusesAndCausesAreSpeltAsInSamplesCsv) {
  EXPECT_EQ(to_string(Status::kRobust), "robust");
  EXPECT_EQ(to_string(Status::kBroken), "broken");
  EXPECT_EQ(to_string(Status::kMisclassified), "misclassified");
  EXPECT_EQ(to_string(Status::kInvalid), "invalid");
  EXPECT_EQ(to_string(Status::kUnconfirmed), "unconfirmed");
  EXPECT_EQ(to_string(Status::kError), "error");
  EXPECT_EQ(to_string(Cause::kNone), "");
  EXPECT_EQ(to_string(Cause::kCandidate), "candidate");
  EXPECT_EQ(to_string(Cause::kHost), "host");
}

TEST(Evidence, FindsUnitsByKey) {
  const Evidence evidence = sample_evidence();
  ASSERT_NE(evidence.find(sha256("near1")), nullptr);
  EXPECT_EQ(evidence.find(sha256("near1"))->index, 1);
  EXPECT_EQ(evidence.find("nothing"), nullptr);
}

TEST(Evidence, IsCompleteOnlyWithEveryUnitOfCleanPassAndCells) {
  EXPECT_TRUE(sample_evidence().complete());
  for (size_t i = 0; i < sample_evidence().units.size(); ++i) {
    Evidence evidence = sample_evidence();
    evidence.units.erase(evidence.units.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(evidence.complete()) << i;
  }
}

TEST(Evidence, CleanLabelsAreMinusOneWhereTheCleanPassIsMissing) {
  Evidence evidence = sample_evidence();
  evidence.units[0].rows[1].clean = 2;
  evidence.units.erase(evidence.units.begin() + 1);
  EXPECT_THAT(evidence.clean_labels(), ElementsAre(1, 2, -1, -1));
}

TEST(Evidence, RowsAreAbsentWhereTheirUnitIsMissing) {
  Evidence evidence = sample_evidence();
  evidence.units.erase(evidence.units.begin() + 2);
  const auto rows = evidence.rows(cell_named(evidence, "near"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_FALSE(rows[0].has_value());
  EXPECT_FALSE(rows[1].has_value());
  EXPECT_EQ(rows[2]->status, Status::kRobust);
  EXPECT_EQ(rows[3]->status, Status::kMisclassified);
}

TEST(Evidence, AMinimumNormCellReadsItsRowsAtItsRadius) {
  const Evidence evidence = sample_evidence();
  const auto rows = evidence.rows(cell_named(evidence, "near@0.5"));
  EXPECT_EQ(rows[0], evidence.units[2].rows[0]);  // 0.25 is inside
  EXPECT_EQ(rows[1]->status, Status::kRobust);    // 0.75 is outside
  EXPECT_EQ(rows[1]->adversarial, -1);
  EXPECT_EQ(rows[1]->tensors, "");
  EXPECT_EQ(rows[1]->tensor_row, -1);
  EXPECT_EQ(rows[1]->breaking_attack, "");
  EXPECT_EQ(rows[1]->distance, 0.75);  // medians need it
  EXPECT_EQ(rows[1]->queries, 12);
  EXPECT_EQ(rows[2]->status, Status::kRobust);
  EXPECT_EQ(rows[3]->status, Status::kMisclassified);
}

TEST(Evidence, AMinimumNormCellWithoutRadiusKeepsEveryBreak) {
  const Evidence evidence = sample_evidence();
  const auto rows = evidence.rows(cell_named(evidence, "near"));
  EXPECT_EQ(rows[1], evidence.units[2].rows[1]);
}

TEST(Evidence, TheRadiusHasTheRoundingOfDtypeNormAndSize) {
  Evidence evidence = sample_evidence();
  const CellHeader cell = cell_named(evidence, "near@0.5");
  const double u32 = std::ldexp(1.0, -23);
  // l2 of 4 entries in [0, 1]: the radius is 0.5 + u · 1 · 2.
  evidence.units[2].rows[0].distance = 0.5 + 2 * u32;
  evidence.units[2].rows[1].distance = std::nextafter(0.5 + 2 * u32, 1.0);
  EXPECT_EQ(evidence.rows(cell)[0]->status, Status::kBroken);
  EXPECT_EQ(evidence.rows(cell)[1]->status, Status::kRobust);
  evidence.header.float64 = true;
  EXPECT_EQ(evidence.rows(cell)[0]->status, Status::kRobust);
  evidence.units[2].rows[0].distance = 0.5 + 2 * std::ldexp(1.0, -52);
  EXPECT_EQ(evidence.rows(cell)[0]->status, Status::kBroken);
}

TEST(Evidence, OtherStatusesAreNeverReadAsRobust) {
  Evidence evidence = sample_evidence();
  const CellHeader cell = cell_named(evidence, "near@0.5");
  for (const Status status :
       {Status::kInvalid, Status::kUnconfirmed, Status::kError, Status::kMisclassified}) {
    evidence.units[2].rows[1].status = status;
    EXPECT_EQ(evidence.rows(cell)[1], evidence.units[2].rows[1]) << to_string(status);
  }
}

TEST(Evidence, ACellOfOneRadiusIsNotReadAgain) {
  const Evidence evidence = sample_evidence();
  CellHeader cell = cell_named(evidence, "pgd");
  cell.threat.eps = 0.01;  // smaller than the distance: the judge has already decided
  EXPECT_EQ(evidence.rows(cell)[3]->status, Status::kBroken);
}

TEST(EvidenceDeathTest, ARowOfNoSampleIsOurBug) {
  Evidence evidence = sample_evidence();
  evidence.units[0].rows[0].sample = -1;
  EXPECT_DEATH(evidence.clean_labels(), "sample");
}

}  // namespace
}  // namespace assay

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/reports/golden.h"
#include "tests/reports/sample_report.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(SamplesCsv, EqualsItsGoldenFile) {
  testing::expect_golden("samples.csv", samples_csv(testing::failing()->report));
}

TEST(SamplesCsv, HasTheHeaderOfTheContractEvenWithoutEvidence) {
  EXPECT_EQ(samples_csv(testing::refused()->report),
            "cell,sample,label,clean,adversarial,status,distance,queries,broken_by,"
            "baseline_status\n");
}

TEST(SamplesCsv, QuotesAsRfc4180Says) {
  const std::string csv = samples_csv(testing::failing()->report);
  EXPECT_THAT(csv, HasSubstr("\nfgsm,\"odd, \"\"<id>\"\" & 'co'.png\",3,3,6,broken,0.1,10,pgd,"
                             "robust\n"));
}

TEST(SamplesCsv, LeavesEmptyWhatThereIsNot) {
  const std::string csv = samples_csv(testing::failing()->report);
  EXPECT_THAT(csv, HasSubstr("\nfgsm,104,4,5,,misclassified,,0,,misclassified\n"));
  EXPECT_THAT(csv, Not(HasSubstr("inf")));
}

TEST(SamplesCsv, PairsByKeyAndByIdAndContentNeverByName) {
  auto s = testing::failing();
  s->baseline.header.cells[0].key = testing::hex('f');       // same name, other key
  s->baseline.header.samples[1].digest = testing::hex('0');  // same id, other content
  s->decision.cells[2].baseline_reason = "refused";
  const std::string csv = samples_csv(s->report);
  EXPECT_THAT(csv, HasSubstr("\nfgsm,102,2,2,5,broken,0.1,7,pgd,\n"));
  EXPECT_THAT(csv, HasSubstr("\npgd@0.05,101,1,1,4,broken,0.05,4,pgd,\n"));
  EXPECT_THAT(csv, HasSubstr("\npgd@0.05,102,2,2,5,broken,0.05,7,pgd,robust\n"));
  EXPECT_THAT(csv, HasSubstr("\npgd@0.1,102,2,2,5,broken,0.1,7,pgd,\n"));
}

TEST(SamplesCsv, LeavesOutSamplesThatHaveNoVerdict) {
  const std::string csv = samples_csv(testing::incomplete()->report);
  EXPECT_THAT(csv, HasSubstr("\nfgsm,"));
  EXPECT_THAT(csv, Not(HasSubstr("\npgd@0.1,")));
}

TEST(SamplesCsv, HasEqualBytesForEqualVerdicts) {
  auto a = testing::failing(), b = testing::failing();
  b->report.wall_s = 9;
  b->report.workers = 8;
  for (UnitResult& unit : b->evidence.units) unit.cost.time_s = 77;
  EXPECT_EQ(samples_csv(a->report), samples_csv(b->report));
}

TEST(ScoresCsv, HasARowPerAuditedRecordMembersFirst) {
  const std::string csv = scores_csv(testing::audited_members()->report);
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "cell,set,sample,label,score");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 2201);
  EXPECT_NE(csv.find("\nlira,members,0,0,0.2\n"), std::string::npos);
  EXPECT_NE(csv.find("\nlira,members,3,0,\n"), std::string::npos) << "no score where it failed";
  EXPECT_NE(csv.find("\nlira,non_members,1,1,0.001\n"), std::string::npos);
  EXPECT_LT(csv.find("lira,members"), csv.find("lira,non_members"));
}

TEST(ScoresCsv, IsEmptyWithoutAMembershipCell) {
  EXPECT_EQ(scores_csv(testing::failing()->report), "");
  EXPECT_EQ(scores_csv(testing::refused()->report), "");
}

}  // namespace
}  // namespace assay

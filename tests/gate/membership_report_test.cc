// Figures that reports show beside a membership cell's metrics.
#include <gtest/gtest.h>

#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using testing::add_scores;
using testing::make_audit;
using testing::make_suite;
using testing::ramp;

TEST(MembershipMetrics, SayWhichFprTheirThresholdRealised) {
  // Fifteen may be claimed; ten are, as the next eight tie.
  std::vector<double> others = ramp(1500, 0);
  for (size_t i = 10; i < 18; ++i) others[others.size() - 1 - i] = 0.99;
  Evidence run = make_audit(1000, 1500);
  add_scores(run, "mia", ramp(1000, 0.5), others);
  const auto metrics = decide(make_suite(run), run, nullptr).cells.at(0).metrics;
  const Estimate& tpr = metrics.at("tpr_at_fpr_0.01");
  ASSERT_TRUE(tpr.realised_fpr.has_value());
  EXPECT_DOUBLE_EQ(tpr.realised_fpr->value, 10.0 / 1500);
  EXPECT_DOUBLE_EQ(tpr.realised_fpr->lower, clopper_pearson(10, 1500, 0.95).lower);
  EXPECT_DOUBLE_EQ(tpr.realised_fpr->upper, clopper_pearson(10, 1500, 0.95).upper);
  EXPECT_FALSE(metrics.at("auc").realised_fpr.has_value());
  EXPECT_FALSE(metrics.at("tpr_at_fpr_0.001").realised_fpr.has_value());
}

TEST(MembershipReport, ListsTheHighestOneInAHundredByName) {
  Evidence run = make_audit(250, 100);
  std::vector<double> members = ramp(250, 0);
  members[7] = 9;
  members[200] = 8;
  members[31] = 8;
  std::vector<double> others = ramp(100, 0);
  others[5] = 8.5;
  others[6] = 8;
  add_scores(run, "mia", members, others);
  const auto exposed = decide(make_suite(run), run, nullptr).cells[0].membership->exposed;
  ASSERT_EQ(exposed.size(), 3u);
  EXPECT_EQ(exposed[0].id, "7");
  EXPECT_EQ(exposed[0].rank, 1);
  EXPECT_EQ(exposed[0].fpr, 0);
  EXPECT_EQ(exposed[0].tied, 1);
  EXPECT_EQ(exposed[1].id, "31");
  EXPECT_EQ(exposed[1].label, 1);
  EXPECT_EQ(exposed[1].rank, 3) << "behind 9 and a non-member's 8.5; ties share a rank";
  EXPECT_EQ(exposed[2].rank, 3);
  EXPECT_DOUBLE_EQ(exposed[2].fpr, 0.02);
  EXPECT_EQ(exposed[2].tied, 2) << "of the members";
}

TEST(MembershipReport, SaysHowManyOfTheWorstOnePercentAreMembers) {
  // 300 records: the third score from the top is a tie of two.
  std::vector<double> members(100, 1);
  std::vector<double> others(200, 0);
  members[7] = 9;
  members[31] = members[32] = 8;
  others[5] = 8.5;
  Evidence run = make_audit(100, 200);
  add_scores(run, "mia", members, others);
  const auto worst = decide(make_suite(run), run, nullptr).cells[0].membership->worst;
  ASSERT_TRUE(worst.has_value());
  EXPECT_EQ(worst->records, 4);
  EXPECT_EQ(worst->members, 3);
  EXPECT_DOUBLE_EQ(worst->share.value, 0.75);
  EXPECT_DOUBLE_EQ(worst->share.lower, clopper_pearson(3, 4, 0.95).lower);
  EXPECT_DOUBLE_EQ(worst->share.upper, clopper_pearson(3, 4, 0.95).upper);
  EXPECT_DOUBLE_EQ(worst->base_rate, 1.0 / 3);
}

}  // namespace
}  // namespace assay

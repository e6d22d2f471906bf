// Scores that take few values: a figure that cannot be large is no proof of safety.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using testing::add_scores;
using testing::audit_of;
using ::testing::HasSubstr;
using testing::judge_one;
using testing::make_audit;
using testing::make_suite;
using testing::ramp;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

constexpr const char* kTpr = "tpr_at_fpr_0.01";

/// 2,000 records each, of whom `right` members and `right_others` non-members score 1, others 0.
Evidence gap_of(size_t right, size_t right_others) {
  std::vector<double> members(2000, 0);
  std::vector<double> others(2000, 0);
  std::fill_n(members.begin(), right, 1);
  std::fill_n(others.begin(), right_others, 1);
  Evidence run = make_audit(2000, 2000);
  add_scores(run, "gap", members, others);
  return run;
}

TEST(TprOfTies, IsNullWhereNoThresholdHasSoLowAnFpr) {
  for (const auto& [right, others] : {std::pair<size_t, size_t>{2000, 1700}, {0, 0}, {2000, 21}}) {
    const Evidence run = gap_of(right, others);
    const Estimate tpr = decide(make_suite(run), run, nullptr).cells[0].metrics.at(kTpr);
    EXPECT_FALSE(tpr.value);
    const size_t tied = others == 0 ? 2000 : others;
    EXPECT_THAT(tpr.reason, HasSubstr("the " + std::to_string(tied) +
                                      " non-members that score highest tie; no threshold has an "
                                      "FPR of at most 0.01"));
    for (const Kind kind : {Kind::kAtMost, Kind::kAtLeast}) {
      const RuleResult result = judge_one(run, kTpr, kind, 0.03);
      EXPECT_EQ(result.verdict, Judged::kInconclusive) << right << ' ' << others;
      EXPECT_EQ(result.reason, tpr.reason);
    }
    EXPECT_EQ(judge_one(run, kTpr, Kind::kMaxRise, 0.03, &run).verdict, Judged::kInconclusive);
  }
}

TEST(TprOfTies, IsNullWhereAFewStandAboveTheTie) {
  // One and nine of the twenty that an FPR of 0.01 allows, then all others at once.
  for (const size_t above : {1, 9}) {
    std::vector<double> others(2000, 0);
    std::fill_n(others.begin(), above, 1);
    const Evidence run = audit_of(others, others);
    const RuleResult result = judge_one(run, kTpr, Kind::kAtMost, 0.03);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << above;
    EXPECT_THAT(result.reason,
                HasSubstr(std::to_string(2000 - above) + " non-members tie below the " +
                          std::to_string(above) + " that score highest"));
  }
  std::vector<double> others(2000, 0);
  std::fill_n(others.begin(), 10, 1);
  EXPECT_TRUE(judge_one(audit_of(others, others), kTpr, Kind::kAtMost, 0.03).value.has_value());
}

TEST(TprOfTies, FailsALeakThatTheRegionAboveTheTieShowsAndPassesNone) {
  std::vector<double> members(2000, 0);
  std::fill_n(members.begin(), 100, 1);
  const Evidence run = audit_of(members, std::vector<double>(2000, 0));
  const RuleResult fail = judge_one(run, kTpr, Kind::kAtMost, 0.03);
  EXPECT_EQ(fail.verdict, Judged::kFail);
  EXPECT_DOUBLE_EQ(*fail.value, 0.05);
  EXPECT_EQ(judge_one(run, kTpr, Kind::kAtMost, 0.1).verdict, Judged::kInconclusive)
      << "the next threshold would claim all";
}

TEST(TprOfTies, OfEitherModelStopsAPairedRule) {
  const Evidence fine = audit_of(ramp(2000, 0), ramp(2000, 0));
  Evidence tied = audit_of(std::vector<double>(2000, 1), std::vector<double>(2000, 1));
  const RuleResult here = judge_one(tied, kTpr, Kind::kMaxRise, 0.05, &fine);
  EXPECT_EQ(here.verdict, Judged::kInconclusive);
  EXPECT_THAT(here.reason, HasSubstr("the 2000 non-members that score highest tie"));
  const RuleResult there = judge_one(fine, kTpr, Kind::kMaxRise, 0.05, &tied);
  EXPECT_EQ(there.verdict, Judged::kInconclusive);
  EXPECT_THAT(there.reason, HasSubstr("in the baseline the 2000 non-members"));
  EXPECT_EQ(judge_one(fine, kTpr, Kind::kMaxRise, 0.05, &fine).verdict, Judged::kPass);
}

TEST(TprOfTies, NamesMembersWhereTheTailIsTheirs) {
  Evidence run = gap_of(1700, 1700);
  run.header.cells[0].params["tail"] = std::string("non_members");
  EXPECT_THAT(judge_one(run, kTpr, Kind::kAtMost, 0.03).reason,
              HasSubstr("the 300 members that score highest tie"));
}

TEST(PowerOfTies, IsNullWithTheTieAsItsReason) {
  Evidence run = gap_of(1900, 1700);
  const auto power = [&] {
    return decide(make_suite(run), run, nullptr).cells[0].membership->power;
  };
  EXPECT_FALSE(power().auc.value);
  EXPECT_EQ(power().auc.reason, "the scores tie too much for a figure");
  EXPECT_FALSE(power().tpr.at(kTpr).value);
  EXPECT_THAT(power().tpr.at(kTpr).reason, HasSubstr("tie"));
  // With a few high scores apart TPR has a value, and still no power that a formula gives.
  std::vector<double> scores(2000, 0);
  for (size_t i = 0; i < 100; ++i) scores[i] = 1 + static_cast<double>(i);
  run = audit_of(scores, scores);
  EXPECT_TRUE(decide(make_suite(run), run, nullptr).cells[0].metrics.at(kTpr).value);
  EXPECT_EQ(power().tpr.at(kTpr).reason, "the scores tie too much for a figure");
}

TEST(SlicesOfTies, HaveNoTprWhereTheCellHasNone) {
  const Evidence run = gap_of(2000, 1700);
  const CellResult cell = decide(make_suite(run), run, nullptr).cells[0];
  for (const MembershipSlice& slice : cell.membership->slices) {
    EXPECT_FALSE(slice.tpr.value);
    EXPECT_EQ(slice.tpr.reason, cell.metrics.at(kTpr).reason);
  }
}

}  // namespace
}  // namespace assay

#include "harness/gate/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using testing::add_rule;
using testing::add_scores;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::judge_one;
using testing::make_audit;
using testing::make_suite;
using testing::ramp;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

/// A run of one cell whose members score `shift` higher; both sets are uniform on an interval of 1.
Evidence audit_by(int64_t members, int64_t non_members, double shift) {
  Evidence run = make_audit(members, non_members);
  add_scores(run, "mia", ramp(members, shift), ramp(non_members, 0));
  return run;
}

UnitResult& scored(Evidence& run) { return run.units.back(); }

TEST(MembershipMetrics, HaveTheClosedFormsOfUniformScores) {
  const Evidence run = audit_by(1000, 1000, 0.3);
  const CellResult cell = decide(make_suite(run), run, nullptr).cells.at(0);
  // P(U + 0.3 > V) = 1 - 0.7²/2; the best threshold claims 0.3 more of the members.
  EXPECT_NEAR(*cell.metrics.at("auc").value, 1 - 0.49 / 2, 1e-3);
  EXPECT_NEAR(*cell.metrics.at("advantage").value, 0.3, 2e-3);
  EXPECT_NEAR(*cell.metrics.at("tpr_at_fpr_0.01").value, 0.31, 2e-3);
  for (const char* name : {"auc", "advantage", "tpr_at_fpr_0.01"}) {
    const Estimate& metric = cell.metrics.at(name);
    EXPECT_LT(*metric.lower, *metric.value) << name;
    EXPECT_GT(*metric.upper, *metric.value) << name;
    EXPECT_EQ(metric.n, 2000) << name;
  }
  EXPECT_GT(*cell.metrics.at("epsilon_lower").value, 3);
  EXPECT_EQ(cell.metrics.at("epsilon_lower").lower, cell.metrics.at("epsilon_lower").value);
  EXPECT_FALSE(cell.metrics.at("epsilon_lower").upper.has_value());
}

TEST(MembershipMetrics, AreNullWithAReasonWhereTheRecordsAreTooFew) {
  const Evidence run = audit_by(999, 999, 0.1);
  const CellResult cell = decide(make_suite(run), run, nullptr).cells.at(0);
  EXPECT_FALSE(cell.metrics.at("tpr_at_fpr_0.01").value);
  EXPECT_THAT(cell.metrics.at("tpr_at_fpr_0.01").reason,
              HasSubstr("need 1000 non-members, and there are 999"));
  EXPECT_TRUE(cell.metrics.at("auc").value);
  const Evidence one = audit_by(1, 100, 0.1);
  const CellResult lonely = decide(make_suite(one), one, nullptr).cells.at(0);
  for (const auto& [name, metric] : lonely.metrics) {
    EXPECT_FALSE(metric.value) << name;
    EXPECT_THAT(metric.reason, HasSubstr("has 1 and 100")) << name;
  }
}

TEST(MembershipMetrics, GiveNoEpsilonOfOneRunUnlessACoinDecided) {
  Evidence run = audit_by(500, 500, 0.3);
  run.header.cells[0].params["estimator"] = std::string("one_run");
  EXPECT_THAT(decide(make_suite(run), run, nullptr).cells[0].metrics.at("epsilon_lower").reason,
              HasSubstr("`inclusion: randomised`"));
  run.header.cells[0].params["inclusion"] = std::string("randomised");
  EXPECT_TRUE(decide(make_suite(run), run, nullptr).cells[0].metrics.at("epsilon_lower").value);
}

TEST(MembershipGate, DecidesASuiteOfMembershipCellsOnly) {
  const Evidence run = audit_by(2000, 2000, 0.02);
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kAtMost, 0.6);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kPass) << decision.reason;
  EXPECT_EQ(decision.cells[0].samples.total, 4000);
  EXPECT_EQ(decision.cells[0].samples.ok, 4000);
  EXPECT_TRUE(decision.cells[0].complete);
  EXPECT_FALSE(decision.clean_accuracy.has_value());
}

TEST(MembershipGate, DecidesASuiteWithBothFamilies) {
  Evidence run = testing::make_run(300);
  testing::add_cell(run, "pgd", {{'R', 300}});
  const Evidence audit = make_audit(300, 300);
  run.header.sets = audit.header.sets;
  add_scores(run, "mia", ramp(300, 0.4), ramp(300, 0));
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.9).cells = {0};
  EXPECT_EQ(decide(suite, run, nullptr).outcome, Outcome::kPass);
  add_rule(suite, "auc", Kind::kAtMost, 0.6).cells = {1};
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_THAT(decision.reason, HasSubstr("auc is"));
}

TEST(MembershipGate, IsIncompleteWithoutItsScores) {
  Evidence run = audit_by(100, 100, 0);
  run.units.pop_back();
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(decide(suite, run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(MembershipGate, IsIncompleteWhereAScoreIsOfNoRecord) {
  Evidence run = audit_by(100, 100, 0);
  scored(run).scores[7].record = 100;
  EXPECT_EQ(decide(make_suite(run), run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(MembershipGate, AuditsTheRecordsThatTheCellScoredAndNotAllThatOthersAsk) {
  Evidence run = make_audit(1000, 1000);
  add_scores(run, "mia", ramp(300, 0), ramp(200, 0));
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kAtMost, 0.6);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kPass);
  EXPECT_EQ(decision.cells[0].samples.total, 500);
}

TEST(MembershipGate, FailsWhereTheCandidateGaveNoNumbersAndNamesTheRecord) {
  Evidence run = audit_by(100, 100, 0);
  scored(run).scores[3].failed = true;
  scored(run).scores[150].score = std::numeric_limits<double>::quiet_NaN();
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kAtMost, 0.9);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_THAT(decision.reason, HasSubstr("failed on 2 samples: record 3 of train in mia"));
  EXPECT_THAT(decision.reason, HasSubstr("record 50 of held_out"));
  EXPECT_EQ(decision.cells[0].samples.error, 2);
  EXPECT_EQ(decision.cells[0].metrics.at("auc").n, 198);
}

TEST(MembershipGate, FailsWhereTheCandidateGaveNoNumbersForThePool) {
  Evidence run = audit_by(100, 100, 0);
  run.header.cells[0].sets["pool"] = "spare";
  scored(run).failed_pool = {"17", "a.png"};
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kAtMost, 0.9);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_THAT(decision.reason, HasSubstr("failed on 2 samples: record 17 of spare in mia"));
  EXPECT_THAT(decision.reason, HasSubstr("record a.png of spare"));
  EXPECT_EQ(decision.cells[0].samples.error, 2);
  EXPECT_TRUE(decision.cells[0].complete);
  EXPECT_EQ(decision.cells[0].metrics.at("auc").n, 200);
}

TEST(MembershipRules, AreThreeWay) {
  const Evidence run = audit_by(300, 300, 0.1);  // auc 0.595
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.7).verdict, Judged::kPass);
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.52).verdict, Judged::kFail);
  const RuleResult open = judge_one(run, "auc", Kind::kAtMost, 0.61);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.hint, HasSubstr("records"));
  EXPECT_THAT(open.hint, HasSubstr("can show at_most 0.6"));
  EXPECT_EQ(judge_one(run, "tpr_at_fpr_0.01", Kind::kAtMost, 0.9).verdict, Judged::kInconclusive);
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtLeast, 0.5).verdict, Judged::kPass);
}

TEST(MembershipRules, DoNotTakeAReversedScoreForSafety) {
  const Evidence run = audit_by(300, 300, -0.3);
  for (const char* metric : {"auc", "advantage", "epsilon_lower"}) {
    const RuleResult result = judge_one(run, metric, Kind::kAtMost, 0.6);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << metric;
    EXPECT_THAT(result.reason, HasSubstr("ranks non-members above members")) << metric;
  }
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtLeast, 0.6).verdict, Judged::kFail);
  const Decision decision = decide(make_suite(run), run, nullptr);
  ASSERT_EQ(decision.flags.size(), 1u);
  EXPECT_EQ(decision.flags[0].id, "score_reversed");
  EXPECT_THAT(
      decide(make_suite(audit_by(300, 300, -0.02)), audit_by(300, 300, -0.02), nullptr).flags,
      IsEmpty());
}

TEST(EpsilonRule, PassesOnlyIfTheAuditCouldHaveExceededTheLimit) {
  const RuleResult few = judge_one(audit_by(60, 60, 0), "epsilon_lower", Kind::kAtMost, 2);
  EXPECT_EQ(few.verdict, Judged::kInconclusive);
  EXPECT_THAT(few.reason, HasSubstr("had epsilon been 3"));
  EXPECT_THAT(few.hint, HasSubstr("members and"));
  EXPECT_EQ(judge_one(audit_by(2000, 2000, 0), "epsilon_lower", Kind::kAtMost, 2).verdict,
            Judged::kPass);
  const RuleResult leak = judge_one(audit_by(2000, 2000, 0.5), "epsilon_lower", Kind::kAtMost, 2);
  EXPECT_EQ(leak.verdict, Judged::kFail);
  EXPECT_THAT(leak.reason, HasSubstr("epsilon is at least"));
  EXPECT_EQ(judge_one(audit_by(60, 60, 0.9), "epsilon_lower", Kind::kAtMost, 0.5).verdict,
            Judged::kFail)
      << "what was exceeded needs no power";
}

TEST(EpsilonRule, AtLeastNeverFailsForABoundThatIsLow) {
  EXPECT_EQ(judge_one(audit_by(500, 500, 0), "epsilon_lower", Kind::kAtLeast, 1).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judge_one(audit_by(500, 500, 0.5), "epsilon_lower", Kind::kAtLeast, 1).verdict,
            Judged::kPass);
}

TEST(Fidelity, NearTheCandidateDecidesAsUsual) {
  Evidence run = audit_by(1000, 1000, 0.02);
  scored(run).fidelity = {16, 0.95, 0.88, 0.91, 0.92, "cnn", ""};
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).verdict, Judged::kPass);
}

TEST(Fidelity, FarFromTheCandidateMakesEveryMetricRuleInconclusive) {
  for (const Fidelity& far : {Fidelity{16, 0.99, 0.88, 0.90, 0.88, "cnn", ""},
                              Fidelity{16, 0.95, 0.80, 0.95, 0.88, "cnn", ""},
                              Fidelity{16, 0.95, std::nan(""), 0.95, 0.88, "cnn", ""}}) {
    Evidence run = audit_by(1000, 1000, 0.02);
    scored(run).fidelity = far;
    for (const char* metric : {"auc", "tpr_at_fpr_0.01", "epsilon_lower"}) {
      const RuleResult result = judge_one(run, metric, Kind::kAtMost, 0.6);
      EXPECT_EQ(result.verdict, Judged::kInconclusive);
      EXPECT_THAT(result.reason, HasSubstr("not comparable: the shadows' accuracy on what they"));
      EXPECT_FALSE(result.hint.empty());
    }
    Suite suite = make_suite(run);
    add_rule(suite, "flags", Kind::kFlagsClear, 0);
    const Decision decision = decide(suite, run, nullptr);
    EXPECT_EQ(decision.rules[0].verdict, Judged::kFail);
    EXPECT_EQ(decision.flags[0].id, "shadows_not_comparable");
    EXPECT_FALSE(decision.cells[0].membership->not_comparable.empty());
  }
}

TEST(Fidelity, ToleranceGrowsWithTheSamplingErrorOfFewRecords) {
  const Fidelity fidelity = {4, 0.90, 0.90, 0.83, 0.90, "cnn", ""};
  Evidence few = audit_by(50, 50, 0);
  scored(few).fidelity = fidelity;
  EXPECT_TRUE(not_comparable(view_evidence(few).cells[0]).empty());
  Evidence many = audit_by(5000, 5000, 0);
  scored(many).fidelity = fidelity;
  EXPECT_FALSE(not_comparable(view_evidence(many).cells[0]).empty());
}

TEST(PairedMembership, BoundsTheRiseOverTheSameRecords) {
  const Evidence base = audit_by(1000, 1000, 0.1);
  const Evidence worse = audit_by(1000, 1000, 0.4);
  for (const char* metric : {"auc", "advantage", "tpr_at_fpr_0.01"}) {
    const RuleResult fail = judge_one(worse, metric, Kind::kMaxRise, 0.05, &base);
    EXPECT_EQ(fail.verdict, Judged::kFail) << metric;
    EXPECT_GT(*fail.difference, 0.1) << metric;
    EXPECT_LT(*fail.lower, *fail.difference) << metric;
    EXPECT_EQ(fail.n, 2000) << metric;
    EXPECT_EQ(judge_one(base, metric, Kind::kMaxRise, 0.05, &base).verdict, Judged::kPass)
        << metric;
    EXPECT_EQ(judge_one(base, metric, Kind::kMaxRise, 0.05, &worse).verdict, Judged::kPass)
        << metric;
    EXPECT_EQ(judge_one(base, metric, Kind::kMaxDrop, 0.05, &worse).verdict, Judged::kFail)
        << metric;
  }
}

TEST(PairedMembership, PairsRecordsByIdAndDigestInAnyOrder) {
  Evidence base = audit_by(300, 300, 0.2);
  Evidence run = audit_by(300, 300, 0.2);
  std::vector<SampleInfo>& train = run.header.sets["train"];
  std::reverse(train.begin(), train.end());
  for (Score& score : scored(run).scores) {
    if (score.member) score.record = 299 - score.record;
  }
  const RuleResult same = judge_one(run, "auc", Kind::kMaxRise, 0.05, &base);
  EXPECT_NEAR(*same.difference, 0, 1e-12);
  EXPECT_EQ(same.verdict, Judged::kPass);
  for (size_t i = 0; i < 100; ++i) train[i].digest = "other content";
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.05, &base).n, 500);
}

TEST(PairedMembership, IsInconclusiveWithoutAUsablePartner) {
  const Evidence run = audit_by(300, 300, 0.2);
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.05).verdict, Judged::kInconclusive);
  Evidence other = audit_by(300, 300, 0.2);
  other.header.cells[0].key = "another";
  other.header.cells[0].key_fields["params.shadows"] = "4";
  EXPECT_THAT(judge_one(run, "auc", Kind::kMaxRise, 0.05, &other).reason,
              HasSubstr("shadows 4 in the baseline, 16 here"));
  Evidence strangers = audit_by(300, 300, 0.2);
  for (SampleInfo& record : strangers.header.sets["train"]) record.digest += "'";
  EXPECT_THAT(judge_one(run, "auc", Kind::kMaxRise, 0.05, &strangers).reason,
              HasSubstr("only 0 members and 300 non-members"));
  Evidence foreign = audit_by(300, 300, 0.2);
  scored(foreign).fidelity = {16, 1, 0.9, 0.6, 0.9, "cnn", ""};
  EXPECT_THAT(judge_one(run, "auc", Kind::kMaxRise, 0.05, &foreign).reason,
              HasSubstr("in the baseline not comparable"));
  EXPECT_THAT(judge_one(run, "epsilon_lower", Kind::kMaxRise, 0.5, &run).reason,
              HasSubstr("bounds nothing"));
}

TEST(PairedMembership, FlagsASignificantRiseInsideTheMargin) {
  const Evidence base = audit_by(2000, 2000, 0.10);
  const Evidence run = audit_by(2000, 2000, 0.14);
  Suite suite = make_suite(run);
  add_rule(suite, "auc", Kind::kMaxRise, 0.2);
  const Decision decision = decide(suite, run, &base);
  EXPECT_EQ(decision.outcome, Outcome::kPass);
  ASSERT_EQ(decision.flags.size(), 1u);
  EXPECT_EQ(decision.flags[0].id, "regression_within_margin");
}

TEST(PairedMembership, CallsALimitThatNothingCanBreakVacuous) {
  const Evidence base = audit_by(1000, 1000, 0.99);
  EXPECT_EQ(judge_one(base, "auc", Kind::kMaxRise, 0.05, &base).reason, "vacuous");
}

TEST(MembershipReport, HasARisingCurveWithinItsBands) {
  const Evidence run = audit_by(500, 400, 0.2);
  const MembershipResult result = *decide(make_suite(run), run, nullptr).cells[0].membership;
  ASSERT_GT(result.roc.size(), 20u);
  EXPECT_EQ(result.roc.front().fpr, 0);
  EXPECT_DOUBLE_EQ(result.roc.back().fpr, 1);
  EXPECT_DOUBLE_EQ(result.roc.back().tpr, 1);
  EXPECT_GE(result.roc[1].fpr, 1.0 / 400) << "from what one non-member is";
  EXPECT_LT(result.roc[1].fpr, 1.3 / 400);
  for (size_t i = 0; i < result.roc.size(); ++i) {
    EXPECT_LE(result.roc[i].lower, result.roc[i].tpr);
    EXPECT_GE(result.roc[i].upper, result.roc[i].tpr);
    if (i > 0) {
      EXPECT_GE(result.roc[i].tpr, result.roc[i - 1].tpr);
    }
  }
}

TEST(MembershipReport, CountsEveryScoreOnceInItsHistogram) {
  Evidence run = make_audit(1000, 600);
  std::vector<double> members = ramp(1000, 0.2);
  members[0] = 1e9;
  add_scores(run, "mia", members, ramp(600, 0));
  const ScoreHistogram histogram =
      decide(make_suite(run), run, nullptr).cells[0].membership->histogram;
  const auto sum = [](const std::vector<int64_t>& bins) {
    int64_t total = 0;
    for (const int64_t bin : bins) total += bin;
    return total;
  };
  EXPECT_EQ(sum(histogram.members), 1000);
  EXPECT_EQ(sum(histogram.non_members), 600);
  EXPECT_LT(histogram.most, 2) << "one wild score does not set the scale";
}

TEST(MembershipReport, SlicesByClass) {
  const Evidence run = audit_by(999, 1200, 0.3);
  const MembershipResult result = *decide(make_suite(run), run, nullptr).cells[0].membership;
  ASSERT_EQ(result.slices.size(), 3u);
  int64_t claimed = 0;
  for (const MembershipSlice& slice : result.slices) {
    EXPECT_EQ(slice.members, 333);
    EXPECT_EQ(slice.non_members, 400);
    EXPECT_NEAR(*slice.auc.value, 1 - 0.49 / 2, 0.01);
    claimed += std::llround(*slice.tpr.value * 333);
  }
  const CellResult cell = decide(make_suite(run), run, nullptr).cells[0];
  EXPECT_EQ(claimed, std::llround(*cell.metrics.at("tpr_at_fpr_0.01").value * 999));
}

TEST(MembershipReport, SaysWhatTheseRecordsCouldHaveTold) {
  const Evidence many = audit_by(10000, 10000, 1e-5);  // no ties
  const Evidence few = audit_by(100, 100, 1e-5);
  const MembershipPower strong = decide(make_suite(many), many, nullptr).cells[0].membership->power;
  const MembershipPower weak = decide(make_suite(few), few, nullptr).cells[0].membership->power;
  EXPECT_NEAR(*weak.auc.value, 0.5 + 2.4865 * std::sqrt(201.0 / 120000), 1e-4);
  EXPECT_LT(*strong.auc.value, *weak.auc.value);
  EXPECT_GT(*strong.tpr.at("tpr_at_fpr_0.01").value, 0.011);
  EXPECT_LT(*strong.tpr.at("tpr_at_fpr_0.01").value, 0.02);
  EXPECT_FALSE(weak.tpr.at("tpr_at_fpr_0.01").value);
  EXPECT_GT(*strong.epsilon_reach, *weak.epsilon_reach);
  EXPECT_LT(*strong.epsilon_detectable, *weak.epsilon_detectable);
}

}  // namespace
}  // namespace assay

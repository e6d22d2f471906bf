// Scores that rank non-members above members: an attacker would turn them round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::judge_one;
using testing::ramp;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

/// A run whose members score `shift` higher; both sets are uniform on an interval of 1.
Evidence shifted_audit(int64_t records, double shift) {
  Evidence run = testing::make_audit(records, records);
  testing::add_scores(run, "mia", ramp(records, shift), ramp(records, 0));
  return run;
}

TEST(ReversedAuc, PassesNoLimitThatTheScoreTurnedRoundWouldNotPass) {
  for (const int64_t records : {100, 1000}) {
    for (const double shift : {-0.13, -0.09, -0.05, -0.04, -0.02, -0.01}) {
      for (const double limit : {0.52, 0.55, 0.6}) {
        const auto passes = [&](double by) {
          return judge_one(shifted_audit(records, by), "auc", Kind::kAtMost, limit).verdict ==
                 Judged::kPass;
        };
        if (passes(shift)) {
          EXPECT_TRUE(passes(-shift)) << records << ' ' << shift << ' ' << limit;
        }
      }
    }
  }
}

TEST(ReversedAuc, IsInconclusiveWhereALeakIsShownButNotAt999) {
  // AUC about 0.38: under a half at 0.95, not at 0.999; turned round, 0.62 fails 0.54.
  const Evidence run = shifted_audit(100, -0.13);
  EXPECT_TRUE(decide(testing::make_suite(run), run, nullptr).flags.empty());
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.54);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("turned round may have 0."));
  EXPECT_EQ(result.hint, kReversedAdvice);
  EXPECT_EQ(judge_one(shifted_audit(100, 0.13), "auc", Kind::kAtMost, 0.54).verdict, Judged::kFail);
}

TEST(ReversedAuc, PassesWhereTheReverseIsShownToBeWithinTheLimit) {
  EXPECT_EQ(judge_one(shifted_audit(2000, -0.01), "auc", Kind::kAtMost, 0.55).verdict,
            Judged::kPass);
  const RuleResult few = judge_one(shifted_audit(150, -0.06), "auc", Kind::kAtMost, 0.55);
  EXPECT_EQ(few.verdict, Judged::kInconclusive);
  EXPECT_THAT(few.hint, HasSubstr("can show at_most 0.61"));
}

TEST(ReversedAuc, OfTiesPassesTheLimitThatItsBoundIs) {
  // The bounds lie as far from 0.5 as each other, but for rounding.
  for (const int64_t records : {50, 70, 90, 200, 333}) {
    Evidence run = testing::make_audit(records, records);
    const std::vector<double> ties(static_cast<size_t>(records), 1);
    testing::add_scores(run, "mia", ties, ties);
    const RuleResult open = judge_one(run, "auc", Kind::kAtMost, 0.5);
    EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, *open.upper).verdict, Judged::kPass) << records;
  }
}

TEST(ReversedScore, StopsOtherMetricsAtTheConfidenceOfTheRule) {
  const Evidence run = shifted_audit(100, -0.13);
  for (const char* metric : {"advantage", "epsilon_lower"}) {
    const RuleResult result = judge_one(run, metric, Kind::kAtMost, 0.9);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << metric;
    EXPECT_THAT(result.reason, HasSubstr("at confidence 0.95")) << metric;
  }
}

TEST(ReversedScore, LetsALeakThatIsShownFail) {
  // A few members are known by heart and the others lie a little low: the AUC is 0.44.
  std::vector<double> members = ramp(3760, -0.09);
  const std::vector<double> known = ramp(240, 2);
  members.insert(members.end(), known.begin(), known.end());
  Evidence run = testing::make_audit(4000, 4000);
  testing::add_scores(run, "mia", members, ramp(4000, 0));
  const RuleResult fail = judge_one(run, "tpr_at_fpr_0.01", Kind::kAtMost, 0.03);
  EXPECT_EQ(fail.verdict, Judged::kFail);
  EXPECT_GT(*fail.lower, 0.05);
  const RuleResult open = judge_one(run, "tpr_at_fpr_0.01", Kind::kAtMost, 0.2);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.reason, HasSubstr("ranks non-members above members"));
  const Evidence even = [] {
    Evidence base = testing::make_audit(4000, 4000);
    testing::add_scores(base, "mia", ramp(4000, 0), ramp(4000, 0));
    return base;
  }();
  EXPECT_EQ(judge_one(run, "tpr_at_fpr_0.01", Kind::kMaxRise, 0.02, &even).verdict, Judged::kFail);
  EXPECT_EQ(judge_one(run, "tpr_at_fpr_0.01", Kind::kMaxRise, 0.2, &even).verdict,
            Judged::kInconclusive);
}

/// 10,000 records of each set on one interval, but that `share` of the members score below all.
Evidence low_tail(double share, double sign = 1) {
  std::vector<double> members = ramp(10'000, 0);
  for (size_t i = 0; i < static_cast<size_t>(10'000 * share); ++i) {
    members[i * 50] = -1 - static_cast<double>(i);
  }
  std::vector<double> others = ramp(10'000, 0);
  for (double& score : members) score *= sign;
  for (double& score : others) score *= sign;
  Evidence run = testing::make_audit(10'000, 10'000);
  testing::add_scores(run, "mia", members, others);
  return run;
}

TEST(LowTail, PassesNoRuleThatTheScoreTurnedRoundFails) {
  const Evidence run = low_tail(0.01);
  EXPECT_TRUE(decide(testing::make_suite(run), run, nullptr).flags.empty());
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.55).verdict, Judged::kPass);
  const std::pair<const char*, double> rules[] = {
      {"tpr_at_fpr_0.01", 0.015}, {"tpr_at_fpr_0.001", 0.005}, {"epsilon_lower", 2}};
  for (const auto& [metric, limit] : rules) {
    const RuleResult result = judge_one(run, metric, Kind::kAtMost, limit);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << metric;
    EXPECT_THAT(result.reason, HasSubstr("of the score turned round at least ")) << metric;
    EXPECT_EQ(result.hint, kReversedAdvice) << metric;
    EXPECT_EQ(judge_one(low_tail(0.01, -1), metric, Kind::kAtMost, limit).verdict, Judged::kFail)
        << metric;
    EXPECT_EQ(judge_one(low_tail(0), metric, Kind::kAtMost, limit).verdict, Judged::kPass);
  }
}

TEST(LowTail, PassesNoAdvantageEither) {
  // 15 of 100 members below all others, and the rest as much above them as to hide it in the AUC.
  std::vector<double> members;
  for (int i = 0; i < 600; ++i) members.push_back(-1 - i);
  for (const double score : ramp(3400, 0)) members.push_back(0.18 + 0.82 * score);
  Evidence run = testing::make_audit(4000, 4000);
  testing::add_scores(run, "mia", members, ramp(4000, 0));
  const RuleResult result = judge_one(run, "advantage", Kind::kAtMost, 0.08);
  EXPECT_LT(*result.upper, 0.08);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("of the score turned round at least 0.1"));
  EXPECT_EQ(judge_one(run, "advantage", Kind::kAtMost, 0.16).verdict, Judged::kPass);
}

TEST(LowTail, PassesNoRise) {
  const Evidence base = low_tail(0);
  const Evidence run = low_tail(0.01);
  const std::pair<const char*, double> rules[] = {{"tpr_at_fpr_0.01", 0.005},
                                                  {"tpr_at_fpr_0.001", 0.005}};
  for (const auto& [metric, limit] : rules) {
    const RuleResult result = judge_one(run, metric, Kind::kMaxRise, limit, &base);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << metric;
    EXPECT_THAT(result.reason, HasSubstr("turned round rose by at least 0.0")) << metric;
    EXPECT_EQ(judge_one(low_tail(0.01, -1), metric, Kind::kMaxRise, limit, &base).verdict,
              Judged::kFail)
        << metric;
    EXPECT_EQ(judge_one(run, metric, Kind::kMaxRise, limit, &run).verdict, Judged::kPass)
        << "the baseline leaks as much";
  }
}

TEST(ReversedRise, PassesNoRiseOfTheScoreTurnedRound) {
  const Evidence even = shifted_audit(1000, 0);
  for (const double shift : {0.03, 0.04}) {
    EXPECT_NE(judge_one(shifted_audit(1000, shift), "auc", Kind::kMaxRise, 0.02, &even).verdict,
              Judged::kPass);
    const RuleResult turned =
        judge_one(shifted_audit(1000, -shift), "auc", Kind::kMaxRise, 0.02, &even);
    EXPECT_EQ(turned.verdict, Judged::kInconclusive) << shift;
    EXPECT_THAT(turned.reason, HasSubstr("turned round")) << shift;
  }
  EXPECT_EQ(judge_one(even, "auc", Kind::kMaxRise, 0.02, &even).verdict, Judged::kPass);
}

TEST(ReversedRise, OfAModelThatLeaksLessThanItsBaselinePasses) {
  for (const double leak : {0.1, 0.3, -0.02}) {
    const Evidence base = shifted_audit(1000, leak);
    EXPECT_EQ(judge_one(shifted_audit(1000, 0.01), "auc", Kind::kMaxRise, 0.05, &base).verdict,
              Judged::kPass)
        << leak;
  }
}

}  // namespace
}  // namespace assay

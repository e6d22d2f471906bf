// max_drop and max_rise of median_distance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "harness/gate/decision.h"
#include "harness/gate/pairing.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_distances;
using testing::add_rule;
using testing::kInfinity;
using testing::make_run;
using testing::make_suite;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;
using ::testing::HasSubstr;

Decision compare_distances(const std::vector<double>& here, const std::vector<double>& before,
                           Kind kind, double limit) {
  Evidence candidate = make_run(static_cast<int64_t>(here.size()));
  Evidence baseline = make_run(static_cast<int64_t>(before.size()));
  add_distances(candidate, "near", here);
  add_distances(baseline, "near", before);
  Suite suite = make_suite(candidate);
  add_rule(suite, "median_distance", kind, limit).relative = true;
  return decide(suite, candidate, &baseline);
}

TEST(MedianDrop, IsRelativeAndPaired) {
  // Distances over three orders of magnitude, all 4 % shorter: exact although the spread is vast.
  std::vector<double> before;
  std::vector<double> here;
  for (int i = 0; i < 40; ++i) {
    before.push_back(0.01 * std::pow(1.2, i));
    here.push_back(0.96 * before.back());
  }
  const Decision passed = compare_distances(here, before, Kind::kMaxDrop, 0.05);
  EXPECT_EQ(passed.outcome, Outcome::kPass);
  EXPECT_NEAR(*passed.rules[0].difference, 0.04, 1e-12);
  EXPECT_NEAR(*passed.rules[0].upper, 0.04, 1e-12);
  EXPECT_EQ(passed.rules[0].n, 40);
  ASSERT_EQ(passed.flags.size(), 1u);
  EXPECT_EQ(passed.flags[0].id, "regression_within_margin");
  const Decision failed = compare_distances(here, before, Kind::kMaxDrop, 0.03);
  EXPECT_EQ(failed.outcome, Outcome::kFail);
  EXPECT_THAT(failed.rules[0].reason, HasSubstr("over max_drop 3%"));
  const Decision risen = compare_distances(before, here, Kind::kMaxRise, 0.03);
  EXPECT_EQ(risen.outcome, Outcome::kFail);
  EXPECT_NEAR(*risen.rules[0].difference, 1 / 0.96 - 1, 1e-12);
}

TEST(MedianDrop, IsThatOfTheMedians) {
  // Ten samples in the middle lose nine tenths; the median falls with them, most ratios stay 1.
  std::vector<double> before(98, 0.1);
  std::fill_n(before.begin(), 51, 1);
  std::vector<double> here = before;
  std::fill_n(here.begin(), 10, 0.1);
  const RuleResult rule = compare_distances(here, before, Kind::kMaxDrop, 0.05).rules[0];
  EXPECT_DOUBLE_EQ(*rule.baseline, 1);
  EXPECT_DOUBLE_EQ(*rule.value, 0.1);
  EXPECT_DOUBLE_EQ(*rule.difference, 0.9);
  EXPECT_NE(rule.verdict, Judged::kPass);
}

TEST(MedianDrop, CoversWhatTheMediansTrulyLose) {
  constexpr int kRuns = 400;
  constexpr double kTrue = 0.04;
  std::mt19937_64 engine(5);
  std::normal_distribution<double> normal;
  for (const double noise : {0.1, 2.0}) {
    for (const int n : {8, 60}) {
      int below = 0;
      int above = 0;
      for (int run = 0; run < kRuns; ++run) {
        std::vector<DistancePair> pairs;
        for (int i = 0; i < n; ++i) {
          const double shared = normal(engine);
          pairs.push_back({(1 - kTrue) * std::exp(shared + noise * normal(engine)),
                           std::exp(shared + noise * normal(engine))});
        }
        const MedianDrop drop = median_drop(pairs, 0.95);
        below += *drop.upper < kTrue ? 1 : 0;
        above += *drop.lower > kTrue ? 1 : 0;
      }
      // 5 % and 3.5 standard errors.
      EXPECT_LE(below, kRuns * 0.088) << n << " samples, noise " << noise;
      EXPECT_LE(above, kRuns * 0.088) << n << " samples, noise " << noise;
      if (noise > 1 && n > 8) {
        EXPECT_GE(below + above, kRuns * 0.03) << "needlessly wide";
      }
    }
  }
}

TEST(MedianDrop, IsInconclusiveWhereTheRatiosDisagree) {
  std::vector<double> before(40, 1);
  std::vector<double> here;
  for (int i = 0; i < 40; ++i) here.push_back(i % 2 == 0 ? 0.8 : 1.2);
  const RuleResult rule = compare_distances(here, before, Kind::kMaxDrop, 0.05).rules[0];
  EXPECT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.hint, HasSubstr("can show max_drop 20%"));
  EXPECT_THAT(rule.hint, ::testing::ContainsRegex("about [0-9]+ samples would decide"));
  EXPECT_EQ(compare_distances({1, 1, 1, 1}, {1, 1, 1, 1}, Kind::kMaxDrop, 0.05).outcome,
            Outcome::kInconclusive)
      << "four samples bound no median";
}

TEST(MedianDrop, TakesInfinitiesInItsStride) {
  const std::vector<double> never(20, kInfinity);
  const std::vector<double> one(20, 1);
  const Decision kept = compare_distances(never, one, Kind::kMaxDrop, 0.05);
  EXPECT_EQ(kept.outcome, Outcome::kPass);
  EXPECT_FALSE(kept.rules[0].value.has_value());
  EXPECT_EQ(kept.rules[0].reason,
            "half or more of the samples were never broken in the candidate, whose median is "
            "infinite");
  const Decision fallen = compare_distances(one, never, Kind::kMaxDrop, 0.05);
  EXPECT_EQ(fallen.outcome, Outcome::kFail);
  EXPECT_DOUBLE_EQ(*fallen.rules[0].difference, 1);
  EXPECT_THAT(fallen.rules[0].reason, HasSubstr("never broken in the baseline"));
  const Decision risen = compare_distances(never, one, Kind::kMaxRise, 0.05);
  EXPECT_EQ(risen.outcome, Outcome::kFail);
  EXPECT_FALSE(risen.rules[0].difference.has_value());
}

TEST(MedianDrop, OfTwoInfiniteMediansIsUnknown) {
  std::vector<double> most(20, kInfinity);
  std::fill_n(most.begin(), 9, 0.1);
  std::vector<double> others(20, kInfinity);
  std::fill_n(others.begin(), 9, 2);
  for (const Kind kind : {Kind::kMaxDrop, Kind::kMaxRise}) {
    const RuleResult rule = compare_distances(most, others, kind, 0.05).rules[0];
    EXPECT_EQ(rule.verdict, Judged::kInconclusive);
    EXPECT_FALSE(rule.difference.has_value());
    EXPECT_THAT(rule.reason, HasSubstr("half or more of the samples were never broken in both"));
    EXPECT_THAT(rule.hint, HasSubstr("breaks more than half"));
  }
}

TEST(MedianDrop, IsNeverMinusZero) {
  const std::vector<double> one(20, 1);
  const RuleResult rule = compare_distances(one, one, Kind::kMaxRise, 0.05).rules[0];
  EXPECT_FALSE(std::signbit(*rule.difference));
  EXPECT_FALSE(std::signbit(*rule.lower));
  EXPECT_FALSE(std::signbit(*rule.upper));
}

TEST(MedianDrop, CountsWhatOnlyTheBaselineClassifiesAsLost) {
  // The candidate misclassifies the 30 samples that were near the boundary and keeps the rest.
  std::vector<double> before(40, 1);
  std::vector<double> here(40, 1);
  std::fill_n(here.begin(), 30, -1);
  const Decision decision = compare_distances(here, before, Kind::kMaxDrop, 0.05);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_EQ(decision.rules[0].n, 40);
}

TEST(MedianDrop, OfAHundredPercentIsVacuous) {
  const std::vector<double> one(20, 1);
  EXPECT_EQ(compare_distances(one, one, Kind::kMaxDrop, 1).rules[0].reason, "vacuous");
  const std::vector<double> zero(20, 0);
  EXPECT_EQ(compare_distances(one, zero, Kind::kMaxDrop, 0.05).rules[0].reason, "vacuous");
}

}  // namespace
}  // namespace assay

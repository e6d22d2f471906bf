// What audits could have shown where scores tie, and where the sets contradict the coin.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "harness/gate/epsilon.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using Estimator = EpsilonEstimator;
using testing::draw_uniform;

/// Members and non-members of whom `high` and `high_others` score 1 and the others 0.
ScoreSets two_values(size_t n, size_t high, size_t high_others) {
  ScoreSets scores;
  scores.members.assign(n, 0);
  scores.non_members.assign(n, 0);
  std::fill_n(scores.members.begin(), high, 1);
  std::fill_n(scores.non_members.begin(), high_others, 1);
  for (uint64_t i = 0; i < n; ++i) scores.member_keys.push_back(2 * i);
  for (uint64_t i = 0; i < n; ++i) scores.non_member_keys.push_back(2 * i + 1);
  return scores;
}

TEST(Resolution, ListsTiesFromTheHighestScoreDown) {
  const Resolution resolution = resolution_of({{3, 2, 1}, {0, 2, 2, 5}, {}, {}});
  EXPECT_EQ(resolution.members, 3);
  EXPECT_EQ(resolution.non_members, 4);
  ASSERT_EQ(resolution.non_member_ties.size(), 1u);
  EXPECT_EQ(resolution.non_member_ties[0].first, 1);
  EXPECT_EQ(resolution.non_member_ties[0].count, 2);
  ASSERT_EQ(resolution.record_ties.size(), 1u);
  EXPECT_EQ(resolution.record_ties[0].first, 2);
  EXPECT_EQ(resolution.record_ties[0].count, 3);
}

TEST(Power, OfConstantScoresIsNoneHoweverManyThereAre) {
  const Resolution constant = resolution_of(two_values(10'000, 0, 0));
  for (const Estimator estimator : testing::kEstimators) {
    const EpsilonAudit audit = {estimator, 1e-5, 0.95};
    EXPECT_TRUE(epsilon_detectable(audit, {10'000, 10'000}, 2, 5)) << static_cast<int>(estimator);
    EXPECT_FALSE(epsilon_detectable(audit, constant, 2, 5)) << static_cast<int>(estimator);
    EXPECT_FALSE(epsilon_detectable(audit, constant, 0, 20)) << static_cast<int>(estimator);
    EXPECT_FALSE(epsilon_growth(audit, constant, 2)) << static_cast<int>(estimator);
  }
}

TEST(Power, OfScoresThatDoNotTieIsThatOfTheSizes) {
  std::mt19937_64 engine(31);
  const ScoreSets scores = testing::normal_scores(engine, 400, 400, 0);
  for (const Estimator estimator : testing::kEstimators) {
    const EpsilonAudit audit = {estimator, 1e-5, 0.95};
    const auto truth = epsilon_detectable(audit, {400, 400}, 0.5, 9);
    ASSERT_TRUE(truth.has_value()) << static_cast<int>(estimator);
    EXPECT_EQ(truth, epsilon_detectable(audit, resolution_of(scores), 0.5, 9));
  }
}

TEST(Power, OfTiesIsLessTheFewerThresholdsTheyLeave) {
  std::mt19937_64 engine(32);
  ScoreSets coarse = testing::normal_scores(engine, 2000, 2000, 0);
  for (auto* set : {&coarse.members, &coarse.non_members}) {
    for (double& score : *set) score = score > 2.3 ? 1 : 0;  // about 1 % of the records
  }
  for (const Estimator estimator : testing::kEstimators) {
    const EpsilonAudit audit = {estimator, 1e-5, 0.95};
    const auto fine = epsilon_detectable(audit, {2000, 2000}, 1, 20);
    const auto few = epsilon_detectable(audit, resolution_of(coarse), 1, 20);
    ASSERT_TRUE(fine.has_value()) << static_cast<int>(estimator);
    EXPECT_GT(few.value_or(99), *fine + 0.05) << static_cast<int>(estimator);
  }
}

/// The best attack with two scores at this epsilon, 1 for a share `high` of the non-members.
ScoreSets best_of_two(std::mt19937_64& engine, int n, double high, double epsilon, bool coin) {
  const double claimed =
      std::min({1.0, std::exp(epsilon) * high, 1 - std::exp(-epsilon) * (1 - high)});
  ScoreSets scores;
  for (int i = 0; i < 2 * n; ++i) {
    const bool member = coin ? draw_uniform(engine) < 0.5 : i < n;
    const double score = draw_uniform(engine) < (member ? claimed : high) ? 1 : 0;
    (member ? scores.members : scores.non_members).push_back(score);
    (member ? scores.member_keys : scores.non_member_keys).push_back(engine());
  }
  return scores;
}

TEST(Power, OfTwoScoresIsWhatSimulationFinds) {
  constexpr int kRuns = 200;
  for (const Estimator estimator :
       {Estimator::kBonferroni, Estimator::kSplit, Estimator::kOneRun}) {
    const bool coin = estimator == Estimator::kOneRun;
    const EpsilonAudit audit = {estimator, 0, 0.95};
    std::mt19937_64 engine(33);
    const auto truth =
        epsilon_detectable(audit, resolution_of(best_of_two(engine, 1000, 0.3, 0, coin)), 0.3, 20);
    ASSERT_TRUE(truth.has_value()) << static_cast<int>(estimator);
    int beyond = 0;
    for (int run = 0; run < kRuns; ++run) {
      const ScoreSets scores = best_of_two(engine, 1000, 0.3, *truth, coin);
      beyond += epsilon_lower(scores, audit) > 0.3 ? 1 : 0;
    }
    EXPECT_GE(beyond, kRuns * kPower - 18) << static_cast<int>(estimator) << " at " << *truth;
  }
}

/// Randomised response on a scale without ties: the best attack that a pure epsilon allows.
ScoreSets best_without_ties(std::mt19937_64& engine, int n, double epsilon) {
  ScoreSets scores = best_of_two(engine, n, 1 / (1 + std::exp(epsilon)), epsilon, false);
  for (double& score : scores.members) score += draw_uniform(engine);
  for (double& score : scores.non_members) score += draw_uniform(engine);
  return scores;
}

TEST(Power, OfASplitAllowsForTheChoiceOfItsThreshold) {
  // At the highest limit that an audit of this size may pass, four of five such audits of an
  // epsilon that is 1 more exceed it: 0.8 less two and a half standard errors of 200.
  constexpr int kRuns = 200;
  const EpsilonAudit audit = {Estimator::kSplit, 1e-5, 0.95};
  for (const int n : {400, 1000, 10'000}) {
    double limit = 0;
    double beyond = 8;
    while (beyond - limit > 0.08) {
      const double middle = (limit + beyond) / 2;
      (epsilon_detectable(audit, {n, n}, middle, middle + kEpsilonMargin) ? limit : beyond) =
          middle;
    }
    std::mt19937_64 engine(34);
    int seen = 0;
    for (int run = 0; run < kRuns; ++run) {
      seen += epsilon_lower(best_without_ties(engine, n, limit + kEpsilonMargin), audit) > limit;
    }
    EXPECT_GE(seen, kRuns * (kPower - 0.07)) << n << " at " << limit;
    EXPECT_LE(seen, kRuns * 0.95) << n << " at " << limit << ": no more cautious than need be";
  }
}

TEST(Split, ChoosesAmongAllThresholdsThatClaimFewOrAllButFew) {
  // Of the half that chooses, 18 members stand above all others, and one non-member next; of the
  // half that tests, 100 non-members stand there. Among 10,000 records every 19th threshold misses
  // the gap. And the same from the other end.
  for (const double sign : {1.0, -1.0}) {
    ScoreSets scores;
    const auto add = [&](bool member, double score, uint64_t half) {
      (member == (sign > 0) ? scores.members : scores.non_members).push_back(sign * score);
      (member == (sign > 0) ? scores.member_keys : scores.non_member_keys).push_back(half);
    };
    for (int i = 0; i < 5000; ++i) {
      for (const uint64_t half : {0, 1}) {
        add(true, i < 18 ? 1000 + i : -2 * i, half);
        const bool near = i < (half == 0 ? 1 : 100);
        add(false, near ? 900 + sign * i : -2 * i - 1, half);
      }
    }
    EXPECT_GT(epsilon_lower(scores, {Estimator::kSplit, 1e-5, 0.95}), 0.9) << sign;
  }
}

TEST(OneRun, RefusesSetsThatNoFairCoinDivides) {
  const EpsilonAudit audit = {Estimator::kOneRun, 1e-5, 0.95};
  EXPECT_NE(epsilon_obstacle(audit, 9000, 1000), "");
  EXPECT_NE(epsilon_obstacle(audit, 1000, 9000), "");
  // Of 10,000 tosses a fair coin gives one side 5,246 or more less than once in a million times.
  EXPECT_EQ(epsilon_obstacle(audit, 5245, 4755), "");
  EXPECT_NE(epsilon_obstacle(audit, 5246, 4754), "");
  EXPECT_EQ(epsilon_obstacle({Estimator::kBonferroni, 1e-5, 0.95}, 9000, 1000), "");
}

TEST(OneRun, DoesNotCountTheGuessThatAllAreMembers) {
  // Three standard deviations from even, which a coin still gives, and members at every height.
  ScoreSets scores;
  for (uint64_t i = 0; i < 5150; ++i)
    scores.members.push_back((0.5 + static_cast<double>(i)) / 5150);
  for (uint64_t i = 0; i < 4850; ++i)
    scores.non_members.push_back((0.5 + static_cast<double>(i)) / 4850);
  scores.member_keys.assign(5150, 1);
  scores.non_member_keys.assign(4850, 2);
  EXPECT_EQ(epsilon_lower(scores, {Estimator::kOneRun, 0, 0.95}), 0);
}

}  // namespace
}  // namespace assay

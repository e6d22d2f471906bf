// Published formulas computed elsewhere, mechanisms whose epsilon is known, and power.
#include "harness/gate/epsilon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "harness/gate/epsilon_internal.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using Estimator = EpsilonEstimator;
using testing::draw_uniform;

/// Randomised response: of scores above 1, members have e^eps times as many as non-members, and the
/// other way round below; no region shows more. `coin` draws each record's set, as one_run wants.
ScoreSets randomised_response(std::mt19937_64& engine, int members, int non_members, double epsilon,
                              bool coin) {
  const double q = 1 / (1 + std::exp(-epsilon));
  ScoreSets scores;
  for (int i = 0; i < members + non_members; ++i) {
    const bool member = coin ? draw_uniform(engine) < 0.5 : i < members;
    const bool high = draw_uniform(engine) < (member ? q : 1 - q);
    (member ? scores.members : scores.non_members).push_back((high ? 1 : 0) + draw_uniform(engine));
    (member ? scores.member_keys : scores.non_member_keys).push_back(engine());
  }
  return scores;
}

ScoreSets perfect(int members, int non_members) {
  ScoreSets scores;
  for (int i = 0; i < members; ++i) scores.members.push_back(1 + i);
  for (int i = 0; i < non_members; ++i) scores.non_members.push_back(-i);
  for (int i = 0; i < members; ++i) scores.member_keys.push_back(static_cast<uint64_t>(i));
  for (int i = 0; i < non_members; ++i) scores.non_member_keys.push_back(static_cast<uint64_t>(i));
  return scores;
}

TEST(EpsilonOfARegion, IsTheLogarithmOfTheRatioInEitherDirection) {
  const EpsilonAudit audit = {Estimator::kBonferroni, 0.01, 0.95};
  EXPECT_NEAR(epsilon_of({0.41, 0.1}, audit), std::log(4), 1e-12);
  EXPECT_NEAR(epsilon_of({0.9, 0.49}, audit), std::log(5), 1e-12);  // (1 - 0.49 - 0.01)/(1 - 0.9)
  EXPECT_LT(epsilon_of({0, 1}, audit), 0);
}

TEST(OneRun, HasThePValueOfTheReferenceFormula) {
  // binom.sf and binom.pmf of SciPy in the published formula.
  EXPECT_NEAR(one_run_p_value(1000, 100, 90, 2, 1e-5), 0.3449868367938024, 1e-9);
  EXPECT_NEAR(one_run_p_value(1000, 1000, 600, 0.3, 0), 0.05420718855127691, 1e-9);
  EXPECT_NEAR(one_run_p_value(2000, 50, 50, 3, 1e-4), 0.1854493007669381, 1e-9);
  EXPECT_EQ(one_run_p_value(100, 10, 0, 1, 0), 1);
}

TEST(OneRun, StaysFiniteFarFromTheMean) {
  EXPECT_LT(one_run_p_value(20000, 20000, 20000, 0.1, 1e-5), 1e-3);
  EXPECT_NEAR(one_run_p_value(20000, 20000, 10, 5, 1e-5), 1, 1e-9);
}

TEST(Gaussian, MuAndEpsilonAreInverse) {
  // Brent's method on SciPy's normal distribution.
  EXPECT_NEAR(mu_of_epsilon(1, 1e-5), 0.268051123211294, 1e-7);
  EXPECT_NEAR(epsilon_of_mu(1, 1e-5), 4.377178095681237, 1e-7);
  EXPECT_EQ(epsilon_of_mu(0, 1e-5), 0);
  EXPECT_EQ(epsilon_of_mu(1e-9, 1e-5), 0);
}

TEST(ThresholdRanks, AreFixedByTheNumberOfNonMembersAlone) {
  for (const int64_t n : {1, 2, 3, 10, 1000, 12345}) {
    const std::vector<int64_t> ranks = threshold_ranks(n);
    EXPECT_TRUE(std::is_sorted(ranks.begin(), ranks.end()));
    EXPECT_EQ(ranks.front(), 0);
    EXPECT_EQ(ranks.back(), n - 1);
    EXPECT_EQ(std::adjacent_find(ranks.begin(), ranks.end()), ranks.end());
    EXPECT_LE(ranks.size(), 4 + 4 * std::log10(static_cast<double>(n)));
  }
}

TEST(EpsilonLower, OfTwoThousandNullsIsAboveZeroNoMoreOftenThanStated) {
  constexpr int kRuns = 2000;
  for (const Estimator estimator : testing::kEstimators) {
    std::mt19937_64 engine(21);
    int above = 0;
    for (int run = 0; run < kRuns; ++run) {
      const bool coin = estimator == Estimator::kOneRun;
      const ScoreSets scores = randomised_response(engine, 60, 60, 0, coin);
      above += epsilon_lower(scores, {estimator, 1e-5, 0.95}) > 0 ? 1 : 0;
    }
    EXPECT_LE(above, 131) << static_cast<int>(estimator);
  }
}

TEST(EpsilonLower, StaysUnderTheEpsilonOfRandomisedResponseAndComesNear) {
  constexpr int kRuns = 300;
  for (const Estimator estimator :
       {Estimator::kBonferroni, Estimator::kSplit, Estimator::kOneRun}) {
    std::mt19937_64 engine(22);
    int above = 0;
    double sum = 0;
    for (int run = 0; run < kRuns; ++run) {
      const bool coin = estimator == Estimator::kOneRun;
      const double bound =
          epsilon_lower(randomised_response(engine, 400, 400, 1.5, coin), {estimator, 0, 0.95});
      above += bound > 1.5 ? 1 : 0;
      sum += bound;
    }
    EXPECT_LE(above, 26) << static_cast<int>(estimator);  // 5 % and three standard errors
    EXPECT_GT(sum / kRuns, 0.9) << static_cast<int>(estimator);
  }
}

TEST(EpsilonLower, OfAGaussianMechanismStaysUnderIt) {
  constexpr int kRuns = 300;
  std::mt19937_64 engine(23);
  const double truth = epsilon_of_mu(1, 1e-5);
  int above = 0;
  double sum = 0;
  for (int run = 0; run < kRuns; ++run) {
    const double bound =
        epsilon_lower(testing::normal_scores(engine, 500, 500, 1), {Estimator::kGdp, 1e-5, 0.95});
    above += bound > truth ? 1 : 0;
    sum += bound;
  }
  EXPECT_LE(above, 26);
  EXPECT_GT(sum / kRuns, truth / 2);
}

TEST(EpsilonLower, OfAPerfectAttackIsTheReach) {
  for (const Estimator estimator : {Estimator::kBonferroni, Estimator::kGdp, Estimator::kOneRun}) {
    const EpsilonAudit audit = {estimator, 1e-5, 0.95};
    EXPECT_NEAR(epsilon_lower(perfect(300, 200), audit), epsilon_reach(audit, 300, 200), 1e-6)
        << static_cast<int>(estimator);
  }
  // One threshold, level 0.025 each: TPR at least 0.025^(1/150), FPR at most 1 - 0.025^(1/100).
  const EpsilonAudit split = {Estimator::kSplit, 0, 0.95};
  const double tpr = std::pow(0.025, 1.0 / 150);
  const double fpr = 1 - std::pow(0.025, 1.0 / 100);
  const double expected = std::max(std::log(tpr / fpr), std::log((1 - fpr) / (1 - tpr)));
  EXPECT_NEAR(epsilon_lower(perfect(300, 200), split), expected, 1e-9);
  EXPECT_NEAR(epsilon_reach(split, 300, 200), expected, 1e-9);
}

TEST(EpsilonLower, IsZeroWhereAllScoresAreEqual) {
  ScoreSets equal = perfect(50, 50);
  equal.members.assign(50, 0);
  equal.non_members.assign(50, 0);
  for (const Estimator estimator : testing::kEstimators) {
    EXPECT_EQ(epsilon_lower(equal, {estimator, 1e-5, 0.95}), 0) << static_cast<int>(estimator);
  }
}

TEST(EpsilonLower, DoesNotDependOnTheOrderOfTheRecords) {
  std::mt19937_64 engine(24);
  ScoreSets scores = testing::normal_scores(engine, 200, 200, 1);
  for (double& score : scores.members) score = std::round(score);  // ties
  for (double& score : scores.non_members) score = std::round(score);
  ScoreSets turned = scores;
  for (auto* list : {&turned.members, &turned.non_members}) {
    std::reverse(list->begin(), list->end());
  }
  for (auto* list : {&turned.member_keys, &turned.non_member_keys}) {
    std::reverse(list->begin(), list->end());
  }
  for (const Estimator estimator : testing::kEstimators) {
    const EpsilonAudit audit = {estimator, 1e-5, 0.95};
    EXPECT_EQ(epsilon_lower(scores, audit), epsilon_lower(turned, audit));
  }
}

TEST(Power, IsWhatSimulationFinds) {
  // At the detectable epsilon four of five audits exceed the limit; the best threshold alone is
  // credited, so a little more do.
  constexpr int kRuns = 400;
  for (const Estimator estimator :
       {Estimator::kBonferroni, Estimator::kSplit, Estimator::kOneRun}) {
    const EpsilonAudit audit = {estimator, 0, 0.95};
    const std::optional<double> truth = epsilon_detectable(audit, {300, 300}, 1, 21);
    ASSERT_TRUE(truth.has_value());
    std::mt19937_64 engine(25);
    int beyond = 0;
    for (int run = 0; run < kRuns; ++run) {
      const bool coin = estimator == Estimator::kOneRun;
      beyond += epsilon_lower(randomised_response(engine, 300, 300, *truth, coin), audit) > 1;
    }
    EXPECT_GE(beyond, kRuns * kPower - 24) << static_cast<int>(estimator);
    EXPECT_LE(beyond, kRuns * 0.97) << static_cast<int>(estimator);
  }
}

TEST(Power, FallsWithTheLimitAndRisesWithTheRecords) {
  const EpsilonAudit audit;
  EXPECT_TRUE(epsilon_detectable(audit, {1000, 1000}, 1, 2));
  EXPECT_FALSE(epsilon_detectable(audit, {1000, 1000}, 8, 9));
  EXPECT_FALSE(epsilon_detectable(audit, {50, 50}, 2, 3));
  EXPECT_TRUE(epsilon_detectable(audit, {5000, 5000}, 2, 3));
  EXPECT_LT(epsilon_reach(audit, 100, 100), epsilon_reach(audit, 10000, 10000));
}

TEST(Growth, IsEnoughAndNotMuchMore) {
  const EpsilonAudit audit;
  const std::optional<double> growth = epsilon_growth(audit, {100, 100}, 2);
  ASSERT_TRUE(growth.has_value());
  const auto grown = [&](double factor) {
    return static_cast<int64_t>(std::ceil(100 * *growth * factor));
  };
  EXPECT_TRUE(epsilon_detectable(audit, {grown(1), grown(1)}, 2, 3));
  EXPECT_FALSE(epsilon_detectable(audit, {grown(0.8), grown(0.8)}, 2, 3));
  // More records cost one_run more than they tell once m delta is large.
  EXPECT_FALSE(epsilon_growth({Estimator::kOneRun, 1e-2, 0.95}, {100, 100}, 8));
}

}  // namespace
}  // namespace assay

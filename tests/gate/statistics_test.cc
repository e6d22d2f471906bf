// Published vectors, closed forms, and simulated coverage (seeded) of every interval that decides.
#include "harness/gate/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/gate/fixture.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using testing::kInfinity;
using testing::normal_cdf;

/// Uniform in [0, 1) by arithmetic of our own, so that the draws are the same everywhere.
double uniform(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1.0p-53; }

int64_t draw_binomial(std::mt19937_64& engine, int64_t n, double p) {
  int64_t k = 0;
  for (int64_t i = 0; i < n; ++i) k += uniform(engine) < p ? 1 : 0;
  return k;
}

TEST(NormalQuantile, HasTheTextbookValues) {
  EXPECT_NEAR(normal_quantile(0.95), 1.6448536269514722, 1e-12);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-15);
}

TEST(ClopperPearson, SolvesItsDefiningEquationAtTheEnds) {
  // 0 of n: (1 - u)^n = alpha; n of n: l^n = alpha.
  const Interval none = clopper_pearson(0, 100, 0.95);
  EXPECT_EQ(none.lower, 0);
  EXPECT_NEAR(none.upper, 1 - std::pow(0.05, 0.01), 1e-12);
  EXPECT_NEAR(none.upper, 3.0 / 100, 1e-3);  // the rule of three
  const Interval all = clopper_pearson(100, 100, 0.95);
  EXPECT_EQ(all.upper, 1);
  EXPECT_NEAR(all.lower, std::pow(0.05, 0.01), 1e-12);
}

TEST(ClopperPearson, IsNeverOfWidthZero) {
  for (const int64_t n : {1, 2, 10, 1000}) {
    for (const int64_t k : {int64_t{0}, n / 2, n}) {
      const Interval bounds = clopper_pearson(k, n, 0.95);
      EXPECT_GT(bounds.upper - bounds.lower, 0) << k << " of " << n;
    }
  }
}

TEST(ClopperPearson, MatchesTheTableForFiveOfTen) {
  const Interval bounds = clopper_pearson(5, 10, 0.975);
  EXPECT_NEAR(bounds.lower, 0.1871, 1e-4);
  EXPECT_NEAR(bounds.upper, 0.8129, 1e-4);
}

TEST(ClopperPearson, CoversAtLeastAsOftenAsItSays) {
  std::mt19937_64 engine(1);
  for (const double p : {0.01, 0.3, 0.9}) {
    constexpr int kRuns = 4000;
    int below = 0;
    int above = 0;
    for (int run = 0; run < kRuns; ++run) {
      const Interval bounds = clopper_pearson(draw_binomial(engine, 60, p), 60, 0.95);
      below += bounds.lower <= p ? 1 : 0;
      above += bounds.upper >= p ? 1 : 0;
    }
    // Three standard errors of a simulation of 4,000 runs.
    EXPECT_GE(below, kRuns * 0.95 - 42) << p;
    EXPECT_GE(above, kRuns * 0.95 - 42) << p;
  }
}

TEST(Wilson, GivesThePublishedLowerBoundOfTenOfTen) {
  EXPECT_NEAR(wilson(10, 10, 0.975).lower, 0.7225, 5e-5);
  EXPECT_EQ(wilson(10, 10, 0.975).upper, 1);
  EXPECT_EQ(wilson(0, 10, 0.975).lower, 0);
}

TEST(Tango, GivesThePublishedUpperBounds) {
  EXPECT_NEAR(tango(25, 12, 1000, 0.95).upper, 0.02368, 5e-6);
  EXPECT_NEAR(tango(10, 2, 500, 0.95).upper, 0.02965, 5e-6);
  EXPECT_NEAR(tango(0, 0, 200, 0.95).upper, 0.01335, 5e-6);  // where Wald says 0
}

TEST(Tango, IsMcNemarAtZero) {
  // z(0) = (25 - 12)/sqrt(25 + 12) = 2.1372: at that confidence the lower bound is exactly 0.
  const double z = 13 / std::sqrt(37.0);
  EXPECT_NEAR(z, 2.1372, 5e-5);
  EXPECT_NEAR(tango(25, 12, 1000, normal_cdf(z)).lower, 0, 1e-9);
  EXPECT_GT(tango(25, 12, 1000, normal_cdf(z) - 1e-3).lower, 0);
  EXPECT_LT(tango(25, 12, 1000, normal_cdf(z) + 1e-3).lower, 0);
}

TEST(Tango, IsMirroredWhenTheModelsAreSwapped) {
  for (const auto& [b, c] : {std::pair<int64_t, int64_t>{7, 3}, {0, 9}, {40, 0}, {0, 0}}) {
    const Interval one = tango(b, c, 100, 0.9);
    const Interval other = tango(c, b, 100, 0.9);
    EXPECT_DOUBLE_EQ(one.lower, -other.upper);
    EXPECT_DOUBLE_EQ(one.upper, -other.lower);
  }
}

TEST(Tango, HasClosedFormsAtTheEdges) {
  const double z2 = std::pow(normal_quantile(0.95), 2);
  EXPECT_NEAR(tango(0, 0, 50, 0.95).upper, z2 / (50 + z2), 1e-9);
  EXPECT_NEAR(tango(0, 0, 50, 0.95).lower, -z2 / (50 + z2), 1e-9);
  // All pairs lost: the upper bound is 1, and the lower (n - z²)/(n + z²).
  EXPECT_EQ(tango(50, 0, 50, 0.95).upper, 1);
  EXPECT_NEAR(tango(50, 0, 50, 0.95).lower, (50 - z2) / (50 + z2), 1e-9);
  EXPECT_EQ(tango(0, 1, 1, 0.95).lower, -1);
}

TEST(Tango, ContainsTheEstimateWithinMinusOneAndOne) {
  for (int64_t n = 1; n <= 14; ++n) {
    for (int64_t b = 0; b <= n; ++b) {
      for (int64_t c = 0; b + c <= n; ++c) {
        const Interval bounds = tango(b, c, n, 0.95);
        const double difference = static_cast<double>(b - c) / static_cast<double>(n);
        EXPECT_LE(bounds.lower, difference);
        EXPECT_GE(bounds.upper, difference);
        EXPECT_GE(bounds.lower, -1);
        EXPECT_LE(bounds.upper, 1);
        EXPECT_GT(bounds.upper - bounds.lower, 0) << b << ' ' << c << ' ' << n;
      }
    }
  }
}

TEST(Tango, StaysPreciseForMillionsOfSamples) {
  // Far from the edges Tango meets Wald.
  constexpr int64_t kN = 4'000'000;
  const Interval bounds = tango(60'000, 50'000, kN, 0.95);
  const double wald = normal_quantile(0.95) * std::sqrt(110'000.0) / kN;
  EXPECT_NEAR(bounds.upper, 0.0025 + wald, 2e-6);
  EXPECT_NEAR(bounds.lower, 0.0025 - wald, 2e-6);
}

TEST(Tango, CoversCloseToNominalAlsoWhereDiscordanceIsRare) {
  std::mt19937_64 engine(2);
  struct Case {
    double lost;
    double gained;
  };
  for (const Case& truth : {Case{0.02, 0.02}, Case{0.06, 0.03}, Case{0.005, 0.0}}) {
    constexpr int kRuns = 3000;
    constexpr int64_t kN = 400;
    int covered = 0;
    for (int run = 0; run < kRuns; ++run) {
      int64_t b = 0;
      int64_t c = 0;
      for (int64_t i = 0; i < kN; ++i) {
        const double u = uniform(engine);
        b += u < truth.lost ? 1 : 0;
        c += u >= truth.lost && u < truth.lost + truth.gained ? 1 : 0;
      }
      covered += tango(b, c, kN, 0.95).upper >= truth.lost - truth.gained ? 1 : 0;
    }
    // A score interval is approximate: a false pass at most 6.5 % of the time where 5 % is meant.
    EXPECT_GE(covered, kRuns * 0.935) << truth.lost << ' ' << truth.gained;
  }
}

TEST(McNemar, GivesThePublishedMidP) {
  EXPECT_NEAR(mcnemar_mid_p(25, 12), 0.01678, 5e-6);
  EXPECT_NEAR(2 * mcnemar_mid_p(7, 1), 0.0391, 5e-5);
  for (int64_t b = 0; b < 12; ++b) {
    EXPECT_NEAR(mcnemar_mid_p(b, 0), std::pow(0.5, static_cast<double>(b + 1)), 1e-15);
  }
  EXPECT_NEAR(mcnemar_mid_p(0, 5), 1 - std::pow(0.5, 6), 1e-15);
  EXPECT_NEAR(mcnemar_mid_p(8, 8), 0.5, 1e-12);
}

TEST(MedianBounds, TakeTheOrderStatisticsOfTheTables) {
  std::vector<double> values;
  for (int i = 1; i <= 20; ++i) values.push_back(21 - i);
  // n = 20: P(Bin <= 5) = 0.0207, P(Bin <= 6) = 0.0577, so r = 6.
  const MedianBounds bounds = median_bounds(values, 0.95);
  EXPECT_DOUBLE_EQ(bounds.value, 10.5);
  EXPECT_EQ(bounds.lower, 6);
  EXPECT_EQ(bounds.upper, 15);
}

TEST(MedianBounds, AreAbsentWhereTheSampleCannotGiveThem) {
  const MedianBounds four = median_bounds({1, 2, 3, 4}, 0.95);  // 2^-4 > 0.05
  EXPECT_DOUBLE_EQ(four.value, 2.5);
  EXPECT_FALSE(four.lower.has_value());
  EXPECT_FALSE(four.upper.has_value());
  const MedianBounds five = median_bounds({1, 2, 3, 4, 5}, 0.95);  // 2^-5 < 0.05
  EXPECT_EQ(five.lower, 1);
  EXPECT_EQ(five.upper, 5);
}

TEST(MedianBounds, CarryInfinitiesWithoutNan) {
  const MedianBounds most = median_bounds({kInfinity, kInfinity, kInfinity, 1, kInfinity}, 0.95);
  EXPECT_EQ(most.value, kInfinity);
  EXPECT_EQ(most.lower, 1);
  EXPECT_EQ(most.upper, kInfinity);
  EXPECT_EQ(median_bounds({1, kInfinity}, 0.95).value, kInfinity);
  EXPECT_EQ(median_bounds({kInfinity, kInfinity}, 0.95).value, kInfinity);
  EXPECT_EQ(median_bounds({0, 0}, 0.95).value, 0);
}

TEST(MedianBounds, CoverAtLeastAsOftenAsTheySayAlsoWithTies) {
  std::mt19937_64 engine(3);
  constexpr int kRuns = 4000;
  for (const bool coarse : {false, true}) {
    int below = 0;
    int above = 0;
    const double median = 0.5;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<double> values(31);
      for (double& value : values) {
        value = uniform(engine);
        if (coarse) value = std::floor(value * 5) / 4;  // 0, 1/4, 1/2, 3/4, 1; the median is 1/2
      }
      const MedianBounds bounds = median_bounds(values, 0.95);
      below += *bounds.lower <= median ? 1 : 0;
      above += *bounds.upper >= median ? 1 : 0;
    }
    EXPECT_GE(below, kRuns * 0.95 - 42) << coarse;
    EXPECT_GE(above, kRuns * 0.95 - 42) << coarse;
  }
}

TEST(Delong, GivesTheIntervalOfTheAneurysmData) {
  // s100b by outcome, Turck et al. 2010, as distributed with pROC: AUC .7314, 95 % CI .6301-.8326.
  const std::vector<double> poor = {
      0.03, 0.07, 0.07, 0.07, 0.08, 0.09, 0.09, 0.1,  0.1,  0.11, 0.12, 0.13, 0.13, 0.14,
      0.16, 0.22, 0.23, 0.25, 0.26, 0.27, 0.3,  0.32, 0.33, 0.35, 0.41, 0.44, 0.44, 0.48,
      0.49, 0.52, 0.56, 0.58, 0.7,  0.71, 0.71, 0.74, 0.77, 0.82, 0.86, 0.96, 2.07};
  const std::vector<double> good = {
      0.04, 0.04, 0.04, 0.04, 0.04, 0.05, 0.05, 0.05, 0.06, 0.06, 0.07, 0.07, 0.07, 0.07, 0.07,
      0.07, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.1,  0.1,
      0.1,  0.1,  0.1,  0.1,  0.1,  0.11, 0.11, 0.11, 0.11, 0.13, 0.13, 0.13, 0.14, 0.14, 0.14,
      0.14, 0.15, 0.15, 0.15, 0.15, 0.16, 0.16, 0.16, 0.17, 0.17, 0.18, 0.19, 0.19, 0.24, 0.28,
      0.32, 0.33, 0.34, 0.38, 0.43, 0.45, 0.46, 0.47, 0.47, 0.48, 0.5,  0.5};
  const Auc auc = delong(poor, good);
  EXPECT_NEAR(auc.value, 0.7314, 5e-5);
  const double half = normal_quantile(0.975) * std::sqrt(auc.variance);
  EXPECT_NEAR(auc.value - half, 0.6301, 5e-5);
  EXPECT_NEAR(auc.value + half, 0.8326, 5e-5);
}

TEST(Delong, CountsATieAsHalf) {
  EXPECT_DOUBLE_EQ(delong({1, 1, 1}, {1, 1}).value, 0.5);
  EXPECT_DOUBLE_EQ(delong({2, 3}, {0, 1}).value, 1);
  EXPECT_DOUBLE_EQ(delong({2, 2}, {2, 1}).value, 0.75);
}

TEST(SamplesForMargin, FollowsTheFormulaOfNonInferiority) {
  // (1.6449 + 0.8416)² · 0.05 / 0.01² = 3091.3
  EXPECT_EQ(samples_for_margin(0.01, 0.05, 0.95), 3092);
  EXPECT_NEAR(static_cast<double>(samples_for_margin(0.02, 0.10, 0.95)), 1546, 1);
}

TEST(SamplesForMargin, AnswersWhatTangoShowsWithoutDiscordantPairs) {
  const int64_t n = samples_for_margin(0.01, 0, 0.95);
  EXPECT_LE(tango(0, 0, n, 0.95).upper, 0.01);
  EXPECT_GT(tango(0, 0, n - 1, 0.95).upper, 0.01);
}

TEST(SamplesForLimit, IsTheSmallestNumberThatSeparates) {
  const int64_t above = samples_for_limit(0.5, 0.4, 0.95);
  EXPECT_GE(clopper_pearson((above + 1) / 2, above, 0.95).lower, 0.4);
  EXPECT_LT(clopper_pearson(above / 2 - 2, above - 4, 0.95).lower, 0.4);
  const int64_t none = samples_for_limit(0, 0.03, 0.95);
  EXPECT_LT(clopper_pearson(0, none, 0.95).upper, 0.03);
  EXPECT_GE(clopper_pearson(0, none - 1, 0.95).upper, 0.03);
}

TEST(SamplesForLimit, SaysThatNoneSufficesWhereNoneDoes) {
  EXPECT_EQ(samples_for_limit(0.4, 0.4, 0.95), kNoSampleSuffices);
  EXPECT_EQ(samples_for_limit(1, 1, 0.95), kNoSampleSuffices);
}

}  // namespace
}  // namespace assay

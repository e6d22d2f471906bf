#include "harness/monitor/drift.h"

#include <gmock/gmock.h>

#include <bit>
#include <random>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using testing::HasSubstr;

// n rows of `width` normal features, feature 0 moved by `shift`; labels 0 … 3, 0 likelier by
// `bias`.
QueryStream normal_rows(int64_t n, int width, float shift, double bias, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::discrete_distribution<int64_t> label({1 + bias, 1, 1, 1});
  QueryStream stream;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> row(static_cast<size_t>(width));
    for (float& value : row) value = normal(random);
    row[0] += shift;
    append(stream, row, label(random));
  }
  return stream;
}

TEST(Drift, KolmogorovsLimitIsNearTheExactProbability) {
  struct Case {
    int64_t m, n;
    double d, p;  // exact, scipy.stats.ks_2samp
  };
  for (const auto& [m, n, d, p] : std::vector<Case>{{100, 100, 0.2, 0.036384},
                                                    {1000, 1000, 0.06, 0.054627},
                                                    {1000, 500, 0.1, 0.0024728},
                                                    {5000, 5000, 0.04, 0.00067003},
                                                    {40, 30, 0.4, 0.0060496}}) {
    EXPECT_NEAR(kolmogorov_p_value(d, m, n), p, 0.25 * p) << m << ' ' << n;
  }
  EXPECT_NEAR(kolmogorov_p_value(0, 100, 100), 1, 1e-12);
  EXPECT_EQ(kolmogorov_p_value(0, 1000, 1000), 1);
  EXPECT_NEAR(kolmogorov_p_value(1, 1000, 1000), 0, 1e-300);
  // Kolmogorov's table: P(sup |B| > 1.3581) = 0.05.
  EXPECT_NEAR(kolmogorov_p_value(1.3581 / std::sqrt(5e7), 100000000, 100000000), 0.05, 1e-4);
}

// All ways in which m and n values may lie among each other, by the bits of a number.
double counted(double d, int64_t m, int64_t n) {
  int64_t all = 0, apart = 0;
  for (uint64_t order = 0; order < uint64_t{1} << (m + n); ++order) {
    if (std::popcount(order) != m) continue;
    int64_t i = 0, j = 0, most = 0;
    for (int64_t k = 0; k < m + n; ++k) {
      (order >> k & 1) == 1 ? ++i : ++j;
      most = std::max(most, std::abs(i * n - j * m));
    }
    ++all;
    apart += static_cast<double>(most) / static_cast<double>(m * n) >= d - 1e-12;
  }
  return static_cast<double>(apart) / static_cast<double>(all);
}

TEST(Drift, APValueOfFewRowsCountsWhatIsAsFarApart) {
  EXPECT_NEAR(kolmogorov_p_value(1, 3, 3), 0.1, 1e-15);
  for (const auto& [m, n] : {std::pair(5, 6), std::pair(8, 8), std::pair(4, 12), std::pair(1, 9)}) {
    for (int k = 1; k <= m * n; ++k) {
      const double d = static_cast<double>(k) / (m * n);
      EXPECT_NEAR(kolmogorov_p_value(d, m, n), counted(d, m, n), 1e-13)
          << d << ' ' << m << ' ' << n;
    }
  }
  EXPECT_NEAR(kolmogorov_p_value(1, 20, 20) / (2.0 / 137846528820), 1, 1e-7) << "2 of 40 over 20";
}

// Exact, by the same walk in numpy.
TEST(Drift, APValueOfManyRowsIsNoSmallerThanTheExactOne) {
  struct Case {
    int64_t m, n;
    double d, p;
  };
  for (const auto& [m, n, d, p] : std::vector<Case>{{300, 300, 8700.0 / 90000, 0.121227},
                                                    {300, 300, 16200.0 / 90000, 0.000115807},
                                                    {300, 299, 11728.0 / 89700, 0.0108653},
                                                    {250, 500, 21250.0 / 125000, 0.00012189},
                                                    {50, 900, 10450.0 / 45000, 0.0101468}}) {
    EXPECT_GE(kolmogorov_p_value(d, m, n), 0.99 * p) << m << ' ' << n;
    EXPECT_LE(kolmogorov_p_value(d, m, n), 1.35 * p) << m << ' ' << n;
  }
}

TEST(Drift, HoldsItsLevelWhereNothingChanged) {
  const DriftOptions options{.alpha = 0.1, .permutations = 200};
  int any = 0;
  std::vector<int> small = {0, 0, 0};  // p-values of ks, mmd, labels up to 0.1
  const int kRuns = 300;
  for (int run = 0; run < kRuns; ++run) {
    const auto seed = static_cast<unsigned>(run);
    const QueryStream a = normal_rows(60, 6, 0, 0, 2 * seed);
    const QueryStream b = normal_rows(50, 6, 0, 0, 2 * seed + 1);
    DriftOptions each = options;
    each.seed = seed;
    bool drift = false;
    const std::vector<DriftTest> tests = drift_tests(a.view(), b.view(), true, each);
    for (size_t i = 0; i < tests.size(); ++i) {
      EXPECT_EQ(tests[i].reason, "");
      small[i] += tests[i].p_value <= 0.1;
      drift |= tests[i].drift;
    }
    any += drift;
  }
  // 30 of 300 are expected at most; 49 are beyond 0.9998 of the binomial.
  EXPECT_LT(any, 49);
  for (const int each : small) {
    EXPECT_LT(each, 49);
    EXPECT_GT(each, 2) << "a test that never is small says nothing";
  }
}

TEST(Drift, SeesAShiftedFeatureAndOtherLabels) {
  const QueryStream reference = normal_rows(500, 20, 0, 0, 1);
  const QueryStream shifted = normal_rows(500, 20, 1, 0, 2);
  std::vector<DriftTest> tests = drift_tests(reference.view(), shifted.view(), true, {});
  EXPECT_TRUE(tests[0].drift);
  EXPECT_EQ(tests[0].most_different, 0);
  EXPECT_EQ(tests[0].features, 20);
  EXPECT_EQ(tests[0].drifted, 1);
  EXPECT_TRUE(tests[1].drift);
  EXPECT_GT(tests[1].statistic, 0);
  EXPECT_FALSE(tests[2].drift);

  const QueryStream other_labels = normal_rows(500, 20, 0, 1, 3);
  tests = drift_tests(reference.view(), other_labels.view(), true, {});
  EXPECT_FALSE(tests[0].drift);
  EXPECT_FALSE(tests[1].drift);
  EXPECT_TRUE(tests[2].drift);
}

// What marginals cannot show: the features are each the same, and no longer independent.
TEST(Drift, MmdSeesAChangeThatNoFeatureShows) {
  QueryStream reference = normal_rows(800, 2, 0, 0, 1);
  QueryStream tied = normal_rows(800, 2, 0, 0, 2);
  for (size_t i = 0; i < 800; ++i) tied.inputs[2 * i + 1] = tied.inputs[2 * i];
  const std::vector<DriftTest> tests = drift_tests(reference.view(), tied.view(), false, {});
  EXPECT_FALSE(tests[0].drift);
  EXPECT_TRUE(tests[1].drift);
}

TEST(Drift, MmdTakesThePermutationsThatTheLevelAsksFor) {
  const QueryStream reference = normal_rows(60, 2, 0, 0, 1);
  const QueryStream shifted = normal_rows(60, 2, 3, 0, 2);
  const auto mmd = [&](double alpha) {
    return drift_tests(reference.view(), shifted.view(), false, {.alpha = alpha})[1];
  };
  for (const double alpha : {0.05, 0.002, 0.0004}) {
    EXPECT_LT(mmd(alpha).p_value, alpha / 3);
    EXPECT_TRUE(mmd(alpha).drift) << alpha;
  }
  EXPECT_NEAR(mmd(0.05).p_value, 1.0 / 501, 1e-12);
  const DriftTest beyond = mmd(1e-4);
  EXPECT_FALSE(beyond.drift);
  EXPECT_THAT(beyond.reason, HasSubstr("10000 permutations"));
}

// P(|X − E X| ≥ |x − E x|) of X hypergeometric: `marked` of m + n rows, m of them drawn.
double both_tails(int64_t x, int64_t marked, int64_t m, int64_t n) {
  const auto log_ways = [](int64_t of, int64_t k) {
    const auto gamma = [](int64_t i) { return std::lgamma(static_cast<double>(i + 1)); };
    return gamma(of) - gamma(k) - gamma(of - k);
  };
  double sum = 0;
  for (int64_t k = std::max<int64_t>(0, marked - n); k <= std::min(m, marked); ++k) {
    if (std::abs(k * (m + n) - marked * m) < std::abs(x * (m + n) - marked * m)) continue;
    sum += std::exp(log_ways(m, k) + log_ways(n, marked - k) - log_ways(m + n, marked));
  }
  return sum;
}

// Of two distinct rows MMD² is how their shares differ, and as many permutations tie with it.
TEST(Drift, MmdCountsTies) {
  QueryStream values = scattered(2, 1);
  for (const auto& [ours, theirs] : {std::pair<int64_t, int64_t>{12, 3}, {10, 2}, {9, 4}}) {
    const auto rows = [&](int64_t marked) {
      QueryStream stream;
      for (int64_t i = 0; i < 20; ++i) append(stream, row_of(values, i < marked ? 0 : 1), 0);
      return stream;
    };
    const DriftOptions options{.permutations = 9000};
    const DriftTest mmd = drift_tests(rows(ours).view(), rows(theirs).view(), false, options)[1];
    const double exact = both_tails(ours, ours + theirs, 20, 20);
    EXPECT_NEAR(mmd.p_value, exact, 5 * std::sqrt(exact / 9000)) << ours << ' ' << theirs;
  }
}

TEST(Drift, ConstantFeaturesAreLeftOutUnlessTheyChange) {
  QueryStream a = normal_rows(100, 3, 0, 0, 1);
  QueryStream b = normal_rows(100, 3, 0, 0, 2);
  for (size_t i = 0; i < 100; ++i) a.inputs[3 * i + 1] = b.inputs[3 * i + 1] = 0.5F;
  EXPECT_EQ(drift_tests(a.view(), b.view(), false, {})[0].features, 2);
  for (size_t i = 0; i < 100; ++i) b.inputs[3 * i + 1] = 0.6F;
  const DriftTest ks = drift_tests(a.view(), b.view(), false, {})[0];
  EXPECT_EQ(ks.features, 3);
  EXPECT_EQ(ks.most_different, 1);
  EXPECT_EQ(ks.statistic, 1);
  EXPECT_TRUE(ks.drift);
}

TEST(Drift, SaysWhyATestIsNotPossible) {
  const QueryStream many = normal_rows(100, 2, 0, 0, 1);
  const QueryStream few = normal_rows(19, 2, 0, 0, 2);
  for (const DriftTest& test : drift_tests(many.view(), few.view(), true, {})) {
    EXPECT_THAT(test.reason, HasSubstr("needs 20 rows a side, and has 100"));
    EXPECT_FALSE(test.drift);
  }
  QueryStream same;
  for (int i = 0; i < 50; ++i) append(same, {1, 1}, 3);
  const std::vector<DriftTest> tests = drift_tests(same.view(), same.view(), true, {});
  EXPECT_EQ(tests[0].reason, "no feature varies");
  EXPECT_EQ(tests[1].reason, "no feature varies");
  EXPECT_THAT(tests[2].reason, HasSubstr("fewer than two labels"));
  EXPECT_THAT(drift_tests(many.view(), many.view(), false, {})[2].reason,
              HasSubstr("needs the model's answers"));
}

TEST(Drift, RareLabelsAreTakenTogether) {
  QueryStream a = normal_rows(1000, 2, 0, 0, 1);
  QueryStream b = normal_rows(1000, 2, 0, 0, 2);
  for (size_t i = 0; i < 8; ++i) a.labels[i] = static_cast<int64_t>(100 + i);
  const std::vector<DriftTest> tests = drift_tests(a.view(), b.view(), true, {});
  EXPECT_FALSE(tests[2].drift);  // as 8 labels that only one side has they would be
  EXPECT_EQ(tests[2].reference, 992);
}

TEST(Drift, MmdLooksAtNoMoreRowsThanItIsTold) {
  const QueryStream many = normal_rows(300, 2, 0, 0, 1);
  const std::vector<DriftTest> tests =
      drift_tests(many.view(), many.view(), false, {.permutations = 200, .most_rows = 60});
  EXPECT_EQ(tests[1].reference, 60);
  EXPECT_EQ(tests[1].recent, 60);
  EXPECT_EQ(tests[0].reference, 300);
}

TEST(Drift, AStatisticThatIsNoNumberIsNoDrift) {
  QueryStream reference = scattered(100, 1);
  for (float& value : reference.inputs) value = (value - 0.5F) * 1e30F;
  const std::vector<DriftTest> tests =
      drift_tests(reference.view(), rows_of(reference, 0, 50).view(), false, {});
  EXPECT_EQ(tests[1].name, "mmd");
  EXPECT_FALSE(tests[1].drift);
  EXPECT_NE(tests[1].reason, "");
  EXPECT_EQ(tests[1].statistic, 0);
}

}  // namespace
}  // namespace assay

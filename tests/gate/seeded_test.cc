#include "harness/gate/seeded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "harness/gate/random.h"
#include "harness/gate/statistics.h"

namespace assay {
namespace {

constexpr double kConfidence = 0.95;

/// What the figure of a world is on average, and how it varies.
struct World {
  double mean = 0.9;
  double tau = 0;  ///< standard deviation of a seed's level
  /// Of the records' shares of ones: towards 0 each has all or none, at a large one all are alike.
  double concentration = 1;
  int64_t seeds = 3;
  int64_t records = 200;
};

/// Ones and zeros: each record has a share of its own (beta), which a seed's level raises or lowers
/// so that the mean over records moves by just that.
SeededTerms draw(const World& world, Draws& draws) {
  const double p = world.mean;
  SeededTerms terms;
  const double seeds = static_cast<double>(world.seeds);
  terms.records.assign(static_cast<size_t>(world.records), {0, seeds});
  terms.seeds.assign(static_cast<size_t>(world.seeds), {0, static_cast<double>(world.records)});
  terms.high = {seeds, seeds};
  terms.low = {0, seeds};
  std::vector<double> share;
  for (int64_t i = 0; i < world.records; ++i) {
    const double up = draws.gamma(p * world.concentration);
    share.push_back(up / (up + draws.gamma((1 - p) * world.concentration)));
  }
  for (Terms& seed : terms.seeds) {
    const double level = std::clamp(world.tau * draws.normal(), -(1 - p), 1 - p);
    for (size_t i = 0; i < share.size(); ++i) {
      const double one =
          level > 0 ? share[i] + level / (1 - p) * (1 - share[i]) : share[i] + level / p * share[i];
      if (draws.uniform() >= one) continue;
      ++seed.num;
      ++terms.records[i].num;
    }
  }
  return terms;
}

struct SeededMisses {
  double over = 0;   ///< share of lower bounds above the mean
  double under = 0;  ///< share of upper bounds under it
};

SeededMisses misses(const World& world, int trials) {
  Draws draws(static_cast<uint64_t>(world.seeds * 1000 + world.records));
  SeededMisses missed;
  for (int i = 0; i < trials; ++i) {
    const SeededBounds bounds =
        seeded_bounds(draw(world, draws), kConfidence, static_cast<uint64_t>(i));
    missed.over += *bounds.lower > world.mean ? 1.0 / trials : 0;
    missed.under += *bounds.upper < world.mean ? 1.0 / trials : 0;
  }
  return missed;
}

/// The share of misses of which chance explains all but one in a thousand.
double allowed(int trials) {
  return 1 - kConfidence + 3.1 * std::sqrt(kConfidence * (1 - kConfidence) / trials);
}

TEST(SeededBounds, MissNoMoreOftenThanStatedWhateverTheSpreadOfTheSeeds) {
  constexpr int kTrials = 150;
  for (const int64_t seeds : {3, 5, 10}) {
    for (const double tau : {0.0, 0.005, 0.02, 0.05}) {
      const World world = {.tau = tau, .seeds = seeds, .records = seeds == 10 ? 200 : 2000};
      const SeededMisses missed = misses(world, kTrials);
      EXPECT_LE(missed.over, allowed(kTrials)) << seeds << " seeds, tau " << tau;
      EXPECT_LE(missed.under, allowed(kTrials)) << seeds << " seeds, tau " << tau;
    }
  }
}

TEST(SeededBounds, MissNoMoreOftenThanStatedNearOneAndWhereRecordsAreAllOrNone) {
  constexpr int kTrials = 400;
  for (const World& world : {World{.mean = 0.985, .records = 200}, World{.mean = 0.5, .tau = 0.05},
                             World{.mean = 0.9, .tau = 0.005, .concentration = 0.01}}) {
    const SeededMisses missed = misses(world, kTrials);
    EXPECT_LE(missed.over, allowed(kTrials)) << world.mean;
    EXPECT_LE(missed.under, allowed(kTrials)) << world.mean;
  }
}

TEST(SeededBounds, OfSeedsThatAgreeAreClopperPearsonsOverRecords) {
  for (const int64_t ones : {0, 1, 30, 199, 200}) {
    SeededTerms terms;
    terms.high = {3, 3};
    terms.low = {0, 3};
    terms.seeds.assign(3, {static_cast<double>(ones), 200});
    for (int64_t i = 0; i < 200; ++i) terms.records.push_back({i < ones ? 3.0 : 0.0, 3});
    const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
    const Interval exact = clopper_pearson(ones, 200, kConfidence);
    EXPECT_NEAR(*bounds.lower, exact.lower, 0.004) << ones;
    EXPECT_NEAR(*bounds.upper, exact.upper, 0.004) << ones;
    EXPECT_EQ(bounds.seed_error, 0);
  }
}

TEST(SeededBounds, HaveAWidthWhereAllSeedsAndRecordsAgree) {
  SeededTerms terms;
  terms.high = {3, 3};
  terms.low = {0, 3};
  terms.seeds.assign(3, {10'000, 10'000});
  terms.records.assign(10'000, {3, 3});
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  EXPECT_EQ(bounds.value, 1);
  EXPECT_EQ(*bounds.upper, 1);
  EXPECT_LT(*bounds.lower, 1);
  EXPECT_NEAR(*bounds.lower, std::pow(0.05, 1e-4), 1e-4);
}

TEST(SeededBounds, AreStudentsWhereRecordsDoNotVary) {
  // Every record takes the mean of the seeds, so that only the seeds vary.
  SeededTerms terms;
  terms.high = {3, 3};
  terms.low = {0, 3};
  for (const double seed : {0.7, 0.8, 0.9}) terms.seeds.push_back({seed * 1e6, 1e6});
  terms.records.assign(1'000'000, {2.4, 3});
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  const double reach =
      boost::math::quantile(boost::math::students_t_distribution<double>(2), kConfidence) * 0.1 /
      std::sqrt(3);
  EXPECT_NEAR(*bounds.upper - 0.8, std::min(0.2, reach), 0.01);
  EXPECT_NEAR(0.8 - *bounds.lower, reach, 0.01);
  EXPECT_NEAR(bounds.seed_error, 0.1 / std::sqrt(3), 1e-9);
}

TEST(SeededBounds, OfOneSeedAreNone) {
  SeededTerms terms;
  terms.seeds = {{8, 10}};
  terms.records.assign(10, {0.8, 1});
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  EXPECT_DOUBLE_EQ(bounds.value, 0.8);
  EXPECT_FALSE(bounds.lower || bounds.upper);
}

TEST(SeededBounds, OfADifferenceOfRatiosHoldTheDifference) {
  // 90 of 100 against 60 of 80, for each of three seeds.
  SeededTerms terms;
  terms.least = -1e9;
  terms.most = 1e9;
  terms.high = {3, 0, 0, 3};
  terms.low = {0, 3, 3, 0};
  terms.seeds.assign(3, {90, 100, 60, 80});
  for (int i = 0; i < 100; ++i) {
    terms.records.push_back({i < 90 ? 3.0 : 0.0, 3, i < 60 ? 3.0 : 0.0, i < 80 ? 3.0 : 0.0});
  }
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  EXPECT_DOUBLE_EQ(bounds.value, 0.9 - 0.75);
  // By the delta method the standard error is 0.0569; a record at the end of the range adds to it.
  const double reach = normal_quantile(kConfidence) * 0.0569;
  EXPECT_LT(*bounds.lower, 0.15 - reach);
  EXPECT_GT(*bounds.lower, 0.15 - reach - 0.04);
  EXPECT_GT(*bounds.upper, 0.15 + reach);
  EXPECT_LT(*bounds.upper, 0.15 + reach + 0.04);
}

TEST(SeededBounds, RepeatTheirDrawsAndWidenWithConfidence) {
  Draws draws(5);
  const SeededTerms terms = draw({.tau = 0.02, .records = 500}, draws);
  const SeededBounds one = seeded_bounds(terms, kConfidence, 7);
  const SeededBounds again = seeded_bounds(terms, kConfidence, 7);
  EXPECT_EQ(*one.lower, *again.lower);
  EXPECT_EQ(*one.upper, *again.upper);
  const SeededBounds strict = seeded_bounds(terms, 0.99, 7);
  EXPECT_LT(*strict.lower, *one.lower);
  EXPECT_GE(*strict.upper, *one.upper);
}

TEST(SeededBounds, KeepTheSpreadOfContinuousFiguresThatAreTakenInSteps) {
  // The record error of a mean of exponentials, one of them a hundred times the others' mean.
  Draws draws(3);
  SeededTerms terms;
  terms.most = 1e9;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 5000; ++i) {
    const double value = i == 0 ? 100 : draws.gamma(1);
    terms.records.push_back({3 * value, 3});
    sum += value;
    squares += value * value;
  }
  terms.seeds.assign(3, {sum, 5000});
  terms.high = {300, 3};
  terms.low = {0, 3};
  const double variance = squares / 5000 - std::pow(sum / 5000, 2);
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  EXPECT_NEAR(bounds.value, sum / 5000, 1e-9);
  EXPECT_NEAR(bounds.record_error / std::sqrt(variance / 5000), 1, 0.05);
}

TEST(SeedsForLimit, AreFewestThatBringTheBoundsThatNear) {
  SeededBounds bounds;
  bounds.value = 0.9;
  bounds.seed_error = 0.02;
  bounds.record_error = 0.003;
  const auto reach = [&](int64_t seeds) {
    const double n = static_cast<double>(seeds);
    return std::hypot(
        boost::math::quantile(boost::math::students_t_distribution<double>(n - 1), kConfidence) *
            0.02 * std::sqrt(3 / n),
        normal_quantile(kConfidence) * 0.003);
  };
  bounds.lower = 0.9 - reach(3);
  bounds.upper = 0.9 + reach(3);
  for (const double limit : {0.92, 0.88}) {
    const int64_t needed = seeds_for_limit(bounds, 3, limit, kConfidence, 1000);
    ASSERT_GT(needed, 3);
    EXPECT_LT(reach(needed), 0.02);
    EXPECT_GE(reach(needed - 1), 0.02);
  }
  EXPECT_EQ(seeds_for_limit(bounds, 3, 0.904, kConfidence, 1000), 0)
      << "the records alone are worse";
  EXPECT_GT(records_for_limit(bounds, 3, 2000, 0.904, kConfidence),
            2000 * std::pow(normal_quantile(kConfidence) * 0.003 / 0.004, 2));
}

TEST(RecordsForLimit, AreThoseOfTheOneMoreWhereNothingVaries) {
  SeededTerms terms;
  terms.high = {3, 3};
  terms.low = {0, 3};
  terms.seeds.assign(3, {300, 300});
  terms.records.assign(300, {3, 3});
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  for (const double limit : {0.995, 0.999}) {
    EXPECT_EQ(seeds_for_limit(bounds, 3, limit, kConfidence, 1000), 0) << limit;
    const double exact = std::log(1 / (1 - kConfidence)) / (1 - limit);
    const double records = records_for_limit(bounds, 3, 300, limit, kConfidence);
    EXPECT_GT(records, exact) << limit;
    EXPECT_LT(records, 1.15 * exact) << limit;
  }
  EXPECT_TRUE(std::isinf(records_for_limit(bounds, 3, 300, 1, kConfidence)));
}

TEST(RecordsForLimit, AreInfinitelyManyWhereAnExactZeroIsTheLimit) {
  SeededTerms terms;
  terms.high = {3, 3};
  terms.low = {0, 3};
  terms.seeds.assign(3, {0, 300});
  terms.records.assign(300, {0, 3});
  const SeededBounds bounds = seeded_bounds(terms, kConfidence, 1);
  EXPECT_TRUE(std::isinf(records_for_limit(bounds, 3, 300, 0, kConfidence)));
}

TEST(Draws, HaveTheMomentsOfTheirDistributions) {
  constexpr int kDraws = 200'000;
  for (const double shape : {0.5, 1.0, 2.0, 30.0}) {
    Draws draws(11);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double value = draws.gamma(shape);
      sum += value / kDraws;
      squares += value * value / kDraws;
    }
    EXPECT_NEAR(sum / shape, 1, 0.01) << shape;
    EXPECT_NEAR((squares - sum * sum) / shape, 1, 0.03) << shape;
  }
}

}  // namespace
}  // namespace assay

// Closed forms, ties, extremes, and simulated coverage (seeded) of every bound of a ROC.
#include "harness/gate/roc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <random>
#include <vector>

#include "harness/gate/roc_internal.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using testing::draw_normal;
using testing::normal_cdf;
using testing::normal_scores;

/// Draws of both sets from normal distributions `shift` apart, and what is true of them.
struct Truth {
  double shift = 0;
  double auc() const { return normal_cdf(shift / std::sqrt(2.0)); }
  double advantage() const { return 2 * normal_cdf(shift / 2) - 1; }
  double tpr(double fpr) const { return normal_cdf(shift - normal_quantile(1 - fpr)); }
};

/// How often each bound lies on the wrong side of the truth.
struct Misses {
  int below = 0;
  int above = 0;
  void count(const Bounded& bounds, double truth) {
    below += bounds.lower > truth ? 1 : 0;
    above += bounds.upper < truth ? 1 : 0;
  }
};

TEST(Roc, HasOnePointPerDistinctScoreFromNoneToAll) {
  const Roc roc = make_roc({{3, 2, 2, 0}, {2, 1, 0}, {}, {}});
  ASSERT_EQ(roc.points.size(), 5u);
  const std::vector<std::pair<int64_t, int64_t>> expected = {
      {0, 0}, {1, 0}, {3, 1}, {3, 2}, {4, 3}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(roc.points[i].members, expected[i].first) << i;
    EXPECT_EQ(roc.points[i].non_members, expected[i].second) << i;
  }
}

TEST(TprAtFpr, NeverInterpolatesBetweenTies) {
  // All 10 non-members tie with 4 of the members: one claims all of them or none.
  const Roc roc = make_roc({{2, 1, 1, 1, 1}, std::vector<double>(10, 1), {}, {}});
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 0, 0.95).value, 0.2);
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 0.9, 0.95).value, 0.2);
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 1, 0.95).value, 1);
}

TEST(TprAtFpr, AllowsExactlyTheFalsePositivesOfTheRate) {
  ScoreSets scores;
  for (int i = 0; i < 1000; ++i) scores.non_members.push_back(i);
  scores.members = {989, 989.5, 990, 2000};
  const Roc roc = make_roc(scores);
  // Ten of a thousand, 990 to 999, may be claimed; so may the member that ties with 990.
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 0.01, 0.95).value, 0.75);
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 0.009, 0.95).value, 0.25);
  EXPECT_DOUBLE_EQ(tpr_at_fpr(roc, 0.011, 0.95).value, 1);
}

TEST(TprAtFpr, NeedsTenAllowedFalsePositives) {
  EXPECT_EQ(non_members_needed(0.01), 1000);
  EXPECT_EQ(non_members_needed(0.001), 10000);
}

TEST(Scores, ThatAreAllEqualSayNothing) {
  const ScoreSets equal = {std::vector<double>(50, 1), std::vector<double>(70, 1), {}, {}};
  const Bounded auc = auc_with_bounds(equal, 0.95);
  EXPECT_DOUBLE_EQ(auc.value, 0.5);
  EXPECT_LE(auc.lower, 0.5);
  EXPECT_GE(auc.upper, 0.5);
  const Bounded gain = advantage(make_roc(equal), 0.95);
  EXPECT_EQ(gain.value, 0);
  EXPECT_EQ(gain.lower, 0);
  EXPECT_GT(gain.upper, 0);
}

TEST(Scores, ThatSeparatePerfectlyStillLeaveRoomForDoubt) {
  ScoreSets perfect;
  perfect.members.assign(100, 1);
  perfect.non_members.assign(100, 0);
  const Bounded auc = auc_with_bounds(perfect, 0.95);
  EXPECT_EQ(auc.value, 1);
  EXPECT_EQ(auc.upper, 1);
  EXPECT_NEAR(auc.lower, std::pow(0.05, 0.01), 1e-12);  // a hundred pairs of a hundred
  const Bounded gain = advantage(make_roc(perfect), 0.95);
  EXPECT_EQ(gain.value, 1);
  EXPECT_LT(gain.lower, 0.95);
  const Bounded tpr = tpr_at_fpr(make_roc(perfect), 0.1, 0.95);
  EXPECT_EQ(tpr.value, 1);
  EXPECT_NEAR(tpr.lower, std::pow(0.05, 0.01), 1e-12);
  std::swap(perfect.members, perfect.non_members);
  EXPECT_EQ(auc_with_bounds(perfect, 0.95).lower, 0);
  EXPECT_NEAR(auc_with_bounds(perfect, 0.95).upper, 1 - std::pow(0.05, 0.01), 1e-12);
}

TEST(Scores, OfTwoRecordsGiveBoundsWithinZeroAndOne) {
  for (const ScoreSets& few : {ScoreSets{{1, 2}, {0, 3}, {}, {}}, ScoreSets{{1, 1}, {1, 1}, {}, {}},
                               ScoreSets{{1, 2}, {-1, 0}, {}, {}}}) {
    const Roc roc = make_roc(few);
    for (const Bounded& bounds :
         {auc_with_bounds(few, 0.95), advantage(roc, 0.95), tpr_at_fpr(roc, 0.5, 0.95)}) {
      EXPECT_GE(bounds.lower, 0);
      EXPECT_LE(bounds.lower, bounds.value);
      EXPECT_LE(bounds.value, bounds.upper);
      EXPECT_LE(bounds.upper, 1);
      EXPECT_GT(bounds.upper - bounds.lower, 0);
    }
  }
}

TEST(Coverage, OfTwoThousandNullsIsAsStated) {
  // Both sets from one distribution: 5 % of 2,000 is 100, and 131 is three standard errors above.
  constexpr int kRuns = 2000;
  constexpr int kMost = 131;
  std::mt19937_64 engine(11);
  const Truth truth;
  Misses auc;
  Misses gain;
  Misses tpr;
  for (int run = 0; run < kRuns; ++run) {
    const ScoreSets scores = normal_scores(engine, 200, 300, 0);
    const Roc roc = make_roc(scores);
    auc.count(auc_with_bounds(scores, 0.95), 0.5);
    gain.count(advantage(roc, 0.95), 0);
    tpr.count(tpr_at_fpr(roc, 0.05, 0.95), truth.tpr(0.05));
  }
  for (const Misses& misses : {auc, gain, tpr}) {
    EXPECT_LE(misses.below, kMost);
    EXPECT_LE(misses.above, kMost);
  }
  // DeLong is no more cautious than it says; the others pay for the choice of their threshold.
  EXPECT_GE(auc.below, 69);
  EXPECT_GE(auc.above, 69);
}

TEST(Coverage, HoldsForModelsThatLeakLittleAndMuch) {
  constexpr int kRuns = 1000;
  constexpr int kMost = 70;  // 5 % and three standard errors
  std::mt19937_64 engine(12);
  for (const double shift : {0.5, 2.0, 3.5}) {
    const Truth truth = {shift};
    Misses auc;
    Misses gain;
    Misses tpr;
    for (int run = 0; run < kRuns; ++run) {
      const ScoreSets scores = normal_scores(engine, 250, 150, shift);
      const Roc roc = make_roc(scores);
      auc.count(auc_with_bounds(scores, 0.95), truth.auc());
      gain.count(advantage(roc, 0.95), truth.advantage());
      tpr.count(tpr_at_fpr(roc, 0.1, 0.95), truth.tpr(0.1));
    }
    for (const Misses& misses : {auc, gain, tpr}) {
      EXPECT_LE(misses.below, kMost) << shift;
      EXPECT_LE(misses.above, kMost) << shift;
    }
  }
}

TEST(Coverage, HoldsWhereMembersNearlyTieAtTheThreshold) {
  // 30 % of the members lie within `width` of the threshold, all above it or all below.
  constexpr int kRuns = 300;
  constexpr int kMost = 26;  // 5 % and three standard errors
  const double threshold = normal_quantile(0.99);
  std::mt19937_64 engine(14);
  for (const auto& [members, others] : {std::pair<int, int>{1000, 1000}, {100, 1000}}) {
    for (const double width : {1e-6, 0.01, 0.03, 0.1}) {
      for (const double side : {1.0, -1.0}) {
        Misses tpr;
        for (int run = 0; run < kRuns; ++run) {
          ScoreSets scores = normal_scores(engine, members, others, 0);
          for (double& score : scores.members) {
            if (testing::draw_uniform(engine) >= 0.3) continue;
            score = threshold + side * width * testing::draw_uniform(engine);
          }
          tpr.count(tpr_at_fpr(make_roc(scores), 0.01, 0.95), 0.7 * 0.01 + (side > 0 ? 0.3 : 0.0));
        }
        // Where the slope changes at the threshold itself, bounds that add squares hold less well.
        const int most = width < 0.05 ? kMost : 2 * kMost;
        EXPECT_LE(tpr.below, most) << members << ' ' << width << ' ' << side;
        EXPECT_LE(tpr.above, most) << members << ' ' << width << ' ' << side;
      }
    }
  }
}

TEST(TprAtFpr, IsHardlyWiderForTheChanceThatMembersCrowd) {
  // A continuous ROC: what is more than a step of its own is rare, and then small.
  std::mt19937_64 engine(15);
  for (const double shift : {0.0, 1.0}) {
    double width = 0, squared = 0;
    for (int run = 0; run < 200; ++run) {
      const Roc roc = make_roc(normal_scores(engine, 1000, 1000, shift));
      const Bounded found = tpr_at_fpr(roc, 0.01, 0.95);
      const size_t claimed = region(roc, 10), outer = region(roc, 15);
      const double up = clopper_pearson(roc.points[claimed].members, 1000, 0.95).upper;
      width += found.upper - found.value;
      squared += std::hypot(up - found.value, tpr_of(roc, outer) - found.value);
    }
    EXPECT_GE(width, 0.999 * squared) << shift;
    EXPECT_LE(width, 1.12 * squared) << shift;
  }
}

TEST(Coverage, HoldsForFewRecordsOfOneSetAndManyOfTheOther) {
  constexpr int kRuns = 1500;
  constexpr int kMost = 100;  // 5 % and three standard errors
  std::mt19937_64 engine(13);
  for (const auto& [members, others] :
       {std::pair<int, int>{4, 400}, {5, 400}, {10, 400}, {20, 400}, {400, 10}, {10, 10}}) {
    for (const double shift : {0.0, 0.36, 0.8}) {
      const Truth truth = {shift};
      Misses auc;
      for (int run = 0; run < kRuns; ++run) {
        auc.count(auc_with_bounds(normal_scores(engine, members, others, shift), 0.95),
                  truth.auc());
      }
      EXPECT_LE(auc.below, kMost) << members << ' ' << others << ' ' << shift;
      EXPECT_LE(auc.above, kMost) << members << ' ' << others << ' ' << shift;
    }
  }
}

TEST(DelongDifference, KnowsThatOneModelCannotDifferFromItself) {
  std::mt19937_64 engine(3);
  const ScoreSets scores = normal_scores(engine, 100, 100, 1);
  const Auc none = delong_difference(place(scores.members, scores.non_members),
                                     place(scores.members, scores.non_members));
  EXPECT_EQ(none.value, 0);
  EXPECT_EQ(none.variance, 0);
  const Bounded bounds = auc_difference(scores, scores, 0.95);
  EXPECT_LT(bounds.lower, 0) << "but a hundred records cannot exclude every difference";
  EXPECT_GT(bounds.upper, 0);
}

TEST(DelongDifference, OfIndependentScoresHasTheSumOfTheVariances) {
  std::mt19937_64 engine(4);
  const ScoreSets one = normal_scores(engine, 3000, 3000, 1);
  const ScoreSets two = normal_scores(engine, 3000, 3000, 0.5);
  const Auc first = delong(one.members, one.non_members);
  const Auc second = delong(two.members, two.non_members);
  const Auc both =
      delong_difference(place(one.members, one.non_members), place(two.members, two.non_members));
  EXPECT_NEAR(both.value, first.value - second.value, 1e-12);
  EXPECT_NEAR(both.variance / (first.variance + second.variance), 1, 0.1);
}

TEST(PairedDifferences, CoverAsStatedWhicheverModelLeaks) {
  constexpr int kRuns = 60;
  constexpr int kMost = 8;  // 5 % is 3; three standard errors more
  std::mt19937_64 engine(5);
  for (const auto& [here, there] : {std::pair<double, double>{0, 0}, {0.8, 0}, {0, 0.8}}) {
    const Truth truth = {here};
    const Truth other = {there};
    Misses auc;
    Misses gain;
    Misses tpr;
    for (int run = 0; run < kRuns; ++run) {
      const auto [one, two] = testing::correlated_scores(engine, 150, 150, here, there);
      const uint64_t seed = static_cast<uint64_t>(run);
      auc.count(auc_difference(one, two, 0.95), truth.auc() - other.auc());
      gain.count(advantage_difference(one, two, 0.95, seed), truth.advantage() - other.advantage());
      tpr.count(tpr_difference(one, two, 0.1, 0.95, seed), truth.tpr(0.1) - other.tpr(0.1));
    }
    for (const Misses& misses : {auc, gain, tpr}) {
      EXPECT_LE(misses.below, kMost) << here << ' ' << there;
      EXPECT_LE(misses.above, kMost) << here << ' ' << there;
    }
  }
}

TEST(PairedDifferences, CoverWhereMembersNearlyTieAtTheThreshold) {
  // Of one model 30 % of the members lie just above the threshold, or just below it.
  constexpr int kRuns = 100;
  constexpr int kMost = 11;  // 5 % and three standard errors
  const double threshold = normal_quantile(0.99);
  std::mt19937_64 engine(16);
  for (const double side : {1.0, -1.0}) {
    Misses misses;
    for (int run = 0; run < kRuns; ++run) {
      auto [here, there] = testing::correlated_scores(engine, 600, 1000, 0, 0);
      for (double& score : here.members) {
        if (testing::draw_uniform(engine) >= 0.3) continue;
        score = threshold + side * 1e-6 * testing::draw_uniform(engine);
      }
      misses.count(tpr_difference(here, there, 0.01, 0.95, static_cast<uint64_t>(run)),
                   (side > 0 ? 0.3 : 0) - 0.3 * 0.01);
    }
    EXPECT_LE(misses.below, kMost) << side;
    EXPECT_LE(misses.above, kMost) << side;
  }
}

TEST(PairedDifferences, AreMirroredWhenTheModelsAreSwapped) {
  std::mt19937_64 engine(6);
  const auto [one, two] = testing::correlated_scores(engine, 80, 60, 0.5, 1);
  EXPECT_DOUBLE_EQ(auc_difference(one, two, 0.9).upper, -auc_difference(two, one, 0.9).lower);
  EXPECT_NEAR(advantage_difference(one, two, 0.9, 1).upper,
              -advantage_difference(two, one, 0.9, 1).lower, 1e-12);
  EXPECT_NEAR(tpr_difference(one, two, 0.1, 0.9, 1).upper,
              -tpr_difference(two, one, 0.1, 0.9, 1).lower, 1e-12);
}

TEST(PairedDifferences, AreNeverOfWidthZero) {
  ScoreSets perfect;
  perfect.members.assign(40, 1);
  perfect.non_members.assign(40, 0);
  for (const Bounded& bounds :
       {auc_difference(perfect, perfect, 0.95), advantage_difference(perfect, perfect, 0.95, 1),
        tpr_difference(perfect, perfect, 0.1, 0.95, 1)}) {
    EXPECT_EQ(bounds.value, 0);
    EXPECT_LT(bounds.lower, 0);
    EXPECT_GT(bounds.upper, 0);
  }
}

TEST(PairedDifferences, DependOnTheSeedAlone) {
  std::mt19937_64 engine(7);
  const auto [one, two] = testing::correlated_scores(engine, 101, 77, 0.5, 0.2);
  const Bounded first = advantage_difference(one, two, 0.95, 42);
  EXPECT_EQ(first.upper, advantage_difference(one, two, 0.95, 42).upper);
  EXPECT_NE(first.upper, advantage_difference(one, two, 0.95, 43).upper);
  // Written down once: the same bytes on every machine.
  ScoreSets ramp;
  ScoreSets other;
  for (int i = 0; i < 50; ++i) {
    ramp.members.push_back(i + 5);
    ramp.non_members.push_back(i);
    other.members.push_back((i * 37) % 50);
    other.non_members.push_back((i * 23) % 50);
  }
  EXPECT_DOUBLE_EQ(tpr_difference(ramp, other, 0.1, 0.95, 9).upper, 0.26);
  EXPECT_NEAR(advantage_difference(ramp, other, 0.95, 9).lower, -0.165862, 1e-9);
}

TEST(PairedDifferences, TakeEachRecordOnceForBothModels) {
  // Scores that agree differ by nothing in every draw, so the interval is Tango's alone; scores
  // that were drawn apart are wide.
  std::mt19937_64 engine(8);
  const ScoreSets one = normal_scores(engine, 200, 200, 1);
  const ScoreSets two = normal_scores(engine, 200, 200, 1);
  EXPECT_DOUBLE_EQ(tpr_difference(one, one, 0.1, 0.95, 1).upper, tango(0, 0, 200, 0.95).upper);
  EXPECT_GT(
      tpr_difference(one, two, 0.1, 0.95, 1).upper - tpr_difference(one, two, 0.1, 0.95, 1).value,
      0.05);
}

TEST(PairedBootstrap, OfTenThousandRecordsTakesUnderTwoSeconds) {
  std::mt19937_64 engine(9);
  const auto [one, two] = testing::correlated_scores(engine, 5000, 5000, 0.5, 0.2);
  const std::clock_t start = std::clock();  // of this process, whatever else runs
  EXPECT_GT(advantage_difference(one, two, 0.95, 1).upper, 0);
  const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(took, 2);
#else
  EXPECT_LT(took, 60);
#endif
}

}  // namespace
}  // namespace assay

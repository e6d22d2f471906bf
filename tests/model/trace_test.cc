#include "harness/model/trace.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::values;

at::Tensor of_rows(const std::vector<int64_t>& list) { return at::tensor(list, at::kLong); }

// Feeds one sample of label 0 a margin per query.
Trace trace_of(const std::vector<double>& margins) {
  Trace trace(of_rows({0}), {});
  for (const double margin : margins) {
    trace.add(values({margin, 0.0, -100.0}).view({1, 3}), of_rows({0}));
  }
  return trace;
}

std::vector<double> falling(int64_t n, double end) {
  std::vector<double> margins;
  for (int64_t i = 0; i < n; ++i) {
    margins.push_back(10 + (end - 10) * static_cast<double>(i) / static_cast<double>(n - 1));
  }
  return margins;
}

TEST(Trace, AMarginThatFallsToTheEndIsUnfinishedHoweverLongItTook) {
  for (const int64_t n : {10, 11, 63, 64, 65, 100, 1000, 12345}) {
    const Trace trace = trace_of(falling(n, 1));
    EXPECT_TRUE(trace.tells(0)) << n;
    EXPECT_TRUE(trace.unfinished(0)) << n;
  }
}

TEST(Trace, AMarginThatHasSettledIsNot) {
  for (const int64_t n : {10, 64, 65, 100, 1000, 12345}) {
    std::vector<double> margins = falling(n / 2, 1);
    margins.resize(static_cast<size_t>(n), 1.0);
    for (size_t i = static_cast<size_t>(n) - 1; i > static_cast<size_t>(n / 2); i -= 2) {
      margins[i] = 3;  // above the best seen: what comes later is no progress
    }
    EXPECT_TRUE(trace_of(margins).tells(0));
    EXPECT_FALSE(trace_of(margins).unfinished(0)) << n;
  }
}

TEST(Trace, TheLastTenthCountsAndNothingBeforeIt) {
  std::vector<double> margins(100, 10.0);
  margins[85] = 1;
  EXPECT_FALSE(trace_of(margins).unfinished(0));
  margins[85] = 10;
  margins[95] = 1;
  EXPECT_TRUE(trace_of(margins).unfinished(0));
}

TEST(Trace, AFallByATwentiethOfTheWholeIsNone) {
  std::vector<double> margins(100, 10.0);
  for (size_t i = 50; i < 100; ++i) margins[i] = 1;
  margins[95] = 0.6;
  EXPECT_FALSE(trace_of(margins).unfinished(0)) << ".4 of 9.4";
  margins[95] = 0.4;
  EXPECT_TRUE(trace_of(margins).unfinished(0)) << ".6 of 9.6";
}

TEST(Trace, AFlatLossIsNotUnfinishedAndAFewQueriesTellNothing) {
  EXPECT_FALSE(trace_of(std::vector<double>(50, 2.0)).unfinished(0));
  const Trace few = trace_of(falling(9, 1));
  EXPECT_FALSE(few.tells(0));
  EXPECT_FALSE(few.unfinished(0));
}

TEST(Trace, OfTooFewStepsItIsHastyAndOfNoneItSaysNothing) {
  EXPECT_TRUE(trace_of(falling(9, 1)).hasty(0));
  EXPECT_FALSE(trace_of(falling(10, 1)).hasty(0));
  EXPECT_FALSE(trace_of({}).hasty(0));
  EXPECT_FALSE(trace_of({}).tells(0));
}

// As trace_of, but a step is `window` queries, of which each margin pays for `each`.
Trace trace_in_windows(const std::vector<double>& margins, int64_t window, int64_t each = 1) {
  Trace trace(of_rows({0}), {}, false, window);
  for (const double margin : margins) {
    for (int64_t query = 0; query < each; ++query) trace.spend(of_rows({0}));
    trace.add(values({margin, 0.0, -100.0}).view({1, 3}), of_rows({0}));
  }
  return trace;
}

TEST(Trace, WhereAWindowOfQueriesIsAStepFewerThanTenWindowsTellNothing) {
  EXPECT_TRUE(trace_in_windows(falling(5, 1), 100).hasty(0)) << "not one of them is full";
  EXPECT_TRUE(trace_in_windows(falling(999, 1), 100).hasty(0));
  EXPECT_TRUE(trace_in_windows(falling(1000, 1), 100).unfinished(0));
  EXPECT_TRUE(trace_in_windows(falling(9, 1), 100, 101).hasty(0));
  EXPECT_TRUE(trace_in_windows(falling(10, 1), 100, 101).unfinished(0)) << "a step each";
  EXPECT_FALSE(trace_in_windows({}, 100).hasty(0));
}

// Whether one of the last few queries happens to find something must not matter.
TEST(Trace, OfWindowsTheLastTenthCountsWhereverItsGainsFall) {
  for (const size_t lucky : {1650U, 1810U, 1999U}) {
    std::vector<double> margins = falling(2000, 1);
    std::fill(margins.begin() + 1600, margins.end(), 2.8);
    margins[lucky] = 1;
    EXPECT_EQ(trace_in_windows(margins, 100).unfinished(0), lucky > 1800) << lucky;
  }
}

// Feeds one sample of label 0 several ascents.
Trace trace_of_ascents(const std::vector<std::vector<double>>& ascents) {
  Trace trace(of_rows({0}), {});
  for (const std::vector<double>& margins : ascents) {
    trace.start(of_rows({0}));
    for (const double margin : margins) {
      trace.add(values({margin, 0.0}).view({1, 2}), of_rows({0}));
    }
  }
  return trace;
}

std::vector<double> settled(double end) {
  std::vector<double> margins = falling(10, end);
  margins.resize(20, end);
  return margins;
}

TEST(Trace, SeveralShortAscentsDoNotMakeALongOne) {
  const Trace hasty = trace_of_ascents(std::vector(10, falling(4, 1)));
  EXPECT_FALSE(hasty.tells(0));
  EXPECT_TRUE(hasty.hasty(0));
  const Trace falling_still = trace_of_ascents(std::vector(10, falling(12, 1)));
  EXPECT_TRUE(falling_still.tells(0));
  EXPECT_TRUE(falling_still.unfinished(0));
  EXPECT_FALSE(trace_of_ascents(std::vector(10, settled(1))).unfinished(0));
}

TEST(Trace, OneConvergedAscentIsEnoughIfItCameAsFarAsAny) {
  EXPECT_FALSE(trace_of_ascents({falling(12, 1.2), settled(1), falling(4, 1.5)}).unfinished(0));
  EXPECT_FALSE(trace_of_ascents({settled(1.4), falling(12, 1)}).unfinished(0)) << ".4 of 9";
  EXPECT_TRUE(trace_of_ascents({settled(1.5), falling(12, 1)}).unfinished(0)) << ".5 of 9";
  EXPECT_TRUE(trace_of_ascents({falling(12, 1), settled(1.5)}).unfinished(0));
  EXPECT_TRUE(trace_of_ascents({settled(4), falling(4, 1)}).unfinished(0)) << "a short one, too";
}

TEST(Trace, AnAscentThatEndsByItsOwnRuleTellsNothing) {
  Trace trace = trace_of(falling(12, 1));
  trace.settle(of_rows({0}));
  EXPECT_FALSE(trace.tells(0));
  EXPECT_FALSE(trace.hasty(0));
}

// Margins above 0 throughout, and points across the boundary at these distances, 0 for none.
Trace trace_of_crossings(const std::vector<double>& distances, bool counts = false) {
  Trace trace(of_rows({0}), {}, counts);
  for (const double distance : distances) {
    if (distance > 0) trace.cross(0, distance);
    trace.add(values({7, 0}).view({1, 2}), of_rows({0}));
  }
  return trace;
}

TEST(Trace, OnceAcrossTheDistanceCountsAndByWhatIsLeftOfIt) {
  std::vector<double> distances(100, 0.0);
  distances[20] = 100;
  distances[80] = 1;
  EXPECT_FALSE(trace_of_crossings(distances).unfinished(0)) << "nothing since";
  distances[95] = 0.92;
  EXPECT_FALSE(trace_of_crossings(distances).unfinished(0)) << "9 % of .92";
  distances[97] = 0.8;
  EXPECT_TRUE(trace_of_crossings(distances).unfinished(0)) << "25 % of .8, though little of 100";
  EXPECT_TRUE(trace_of_crossings({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}).unfinished(0))
      << "just across";
  EXPECT_TRUE(trace_of_crossings({5, 4, 3}).hasty(0));
}

TEST(Trace, OneEntryOfFewIsNoSign) {
  std::vector<double> counts(100, 5.0);
  counts[95] = 4;
  EXPECT_FALSE(trace_of_crossings(counts, true).unfinished(0));
  EXPECT_TRUE(trace_of_crossings(counts, false).unfinished(0));
  counts[96] = 3;
  EXPECT_TRUE(trace_of_crossings(counts, true).unfinished(0));
}

TEST(Trace, AFifthOfTheDistanceThatIsLeftIsNone) {
  for (const double end : {0.84, 0.82}) {
    Trace trace(of_rows({0}), {});
    trace.cross(0, 1);
    for (int64_t i = 0; i < 20; ++i) {
      if (i == 19) trace.cross(0, end);
      trace.add(of_rows({0}));
    }
    EXPECT_EQ(trace.unfinished(0), end < 0.83) << end;
  }
}

TEST(Trace, WithoutMarginsStepsCountFromTheFirstCrossingOn) {
  Trace trace(of_rows({0}), {});
  for (int64_t i = 0; i < 20; ++i) trace.add(of_rows({0}));
  EXPECT_FALSE(trace.hasty(0));
  EXPECT_FALSE(trace.tells(0));
  trace.cross(0, 3);
  EXPECT_TRUE(trace.hasty(0));
  for (int64_t i = 0; i < 20; ++i) trace.add(of_rows({0}));
  EXPECT_TRUE(trace.tells(0));
  EXPECT_FALSE(trace.unfinished(0));
}

TEST(Trace, WhatElseIsInTheBatchDoesNotMatter) {
  const std::vector<double> margins = falling(300, 2);
  const Trace alone = trace_of(margins);
  Trace together(of_rows({0, 0, 0}), {});
  for (size_t i = 0; i < margins.size(); i += 2) {
    // Two rows of sample 1 beside a flat neighbour, as restarts in one batch are.
    together.add(values({5, 0, margins[i], 0, margins[i + 1], 0}).view({3, 2}), of_rows({2, 1, 1}));
  }
  EXPECT_EQ(alone.unfinished(0), together.unfinished(1));
  EXPECT_FALSE(together.unfinished(2));
  EXPECT_FALSE(together.tells(0));
}

TEST(Trace, ATargetedMarginIsThatOfTheTarget) {
  Trace trace(of_rows({0}), of_rows({2}));
  for (int64_t i = 0; i < 20; ++i) {
    // The target rises steadily while the true label's lead over label 1 stays.
    trace.add(values({5, 3, static_cast<double>(i) * 0.1}).view({1, 3}), of_rows({0}));
  }
  EXPECT_TRUE(trace.unfinished(0));
}

TEST(Trace, LogitsThatAreNotFiniteAreNoMargins) {
  Trace trace(of_rows({0}), {});
  for (int64_t i = 0; i < 20; ++i) {
    trace.add(values({NAN, 0, 0}).view({1, 3}), of_rows({0}));
  }
  EXPECT_FALSE(trace.tells(0));
}

TEST(Trace, TakesFloat64Logits) {
  Trace trace(of_rows({0}), {});
  for (int64_t i = 0; i < 20; ++i) {
    const double margin = static_cast<double>(20 - i);
    trace.add(values({margin, 0}, at::kDouble).view({1, 2}), of_rows({0}));
  }
  EXPECT_TRUE(trace.unfinished(0));
}

TEST(Trace, AMarginThatNeverFallsIsStalledUnlessAnAscentFellOrCrossed) {
  std::vector<double> rising(20, 5.0);
  rising[7] = 6;
  EXPECT_TRUE(trace_of(rising).stalled(0));
  EXPECT_EQ(trace_of(rising).least_margin(0), 5);
  rising[12] = 4.9;
  EXPECT_FALSE(trace_of(rising).stalled(0));
  EXPECT_FALSE(trace_of(std::vector<double>(9, 5.0)).stalled(0)) << "too few steps to tell";
  Trace again = trace_of(std::vector<double>(20, 5.0));
  again.start(of_rows({0}));
  again.add(values({4.0, 0.0, -1.0}).view({1, 3}), of_rows({0}));
  EXPECT_TRUE(again.stalled(0)) << "a start is no step";
  EXPECT_EQ(again.least_margin(0), 4);
  again.cross(0, 0.5);
  EXPECT_FALSE(again.stalled(0));
}

}  // namespace
}  // namespace assay

// By how much records must grow until bounds decide.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "harness/gate/roc.h"

namespace assay {
namespace {

/// Each record so many times, in the same places but for ties.
ScoreSets times(const ScoreSets& scores, double factor) {
  ScoreSets grown;
  for (int copy = 0; copy < std::lround(factor); ++copy) {
    for (const double score : scores.members) grown.members.push_back(score + 1e-3 * copy / factor);
    for (const double score : scores.non_members)
      grown.non_members.push_back(score + 1e-3 * copy / factor);
  }
  return grown;
}

TEST(AucGrowth, IsWhereItsBoundsDecide) {
  for (const ScoreSets& scores :
       {ScoreSets{{1, 3}, {0, 2}, {}, {}}, ScoreSets{{2, 3}, {0, 1}, {}, {}},
        ScoreSets{{0, 1}, {2, 3}, {}, {}}, ScoreSets{{1, 3, 5, 7}, {0, 2, 4, 6}, {}, {}}}) {
    for (const double limit : {0.1, 0.45, 0.55, 0.9}) {
      const double growth = auc_growth(scores, limit, 0.95);
      const auto decides = [&](double factor) {
        const Bounded found = auc_with_bounds(times(scores, factor), 0.95);
        return found.value > limit ? found.lower > limit : found.upper <= limit;
      };
      EXPECT_TRUE(decides(1.3 * growth + 1)) << growth << ' ' << limit;
      if (growth < 4) continue;  // copies are whole
      EXPECT_FALSE(decides(0.75 * growth)) << growth << ' ' << limit;
    }
  }
  EXPECT_TRUE(std::isinf(auc_growth({{1, 3}, {0, 2}, {}, {}}, 0.75, 0.95)));
  EXPECT_TRUE(std::isinf(auc_growth({{2, 3}, {0, 1}, {}, {}}, 1, 0.95)));
}

TEST(AucDifferenceGrowth, IsWhereItsBoundsDecide) {
  const ScoreSets two{{1, 3}, {0, 2}, {}, {}};
  for (const double records : {1, 5}) {
    const ScoreSets here = times(two, records);
    for (const ScoreSets& there : {times({{1, 2}, {0, 3}, {}, {}}, records), here}) {
      for (const double limit : {0.1, 0.4}) {
        const double growth = auc_difference_growth(here, there, limit, 0.95);
        const auto decides = [&](double factor) {
          const Bounded found = auc_difference(times(here, factor), times(there, factor), 0.95);
          return found.value > limit ? found.lower > limit : found.upper <= limit;
        };
        EXPECT_TRUE(decides(1.3 * growth + 1)) << growth << ' ' << limit;
        if (records == 1 || growth < 4)
          continue;  // copies of two vary less than they, and are whole
        EXPECT_FALSE(decides(0.75 * growth)) << growth << ' ' << limit;
      }
    }
  }
}

TEST(AdvantageGrowth, IsWhereItsBoundsDecide) {
  // The threshold claims half of the members and more, and of the others as much less than half.
  const auto bounds = [](double value, double m, double n) {
    Roc roc;
    roc.members = std::llround(m);
    roc.non_members = std::llround(n);
    roc.points = {{9, 0, 0},
                  {1, std::llround(m * (0.5 + value / 2)), std::llround(n * (0.5 - value / 2))},
                  {0, roc.members, roc.non_members}};
    return advantage(roc, 0.95);
  };
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{8, 8}, {200, 100}, {1000, 5000}}) {
    for (const auto& [value, limit] :
         {std::pair<double, double>{0.6, 0.1}, {0.2, 0.1}, {0.1, 0.2}, {0.5, 0.8}}) {
      const double growth = advantage_growth(value, m, n, limit, 0.95);
      const auto decides = [&](double factor) {
        const Bounded found = bounds(value, factor * m, factor * n);
        return value > limit ? found.lower > limit : found.upper <= limit;
      };
      EXPECT_TRUE(decides(1.3 * growth + 2.0 / m)) << m << ' ' << value << ' ' << limit;
      if (growth * static_cast<double>(std::min(m, n)) < 30) continue;  // counts are whole
      EXPECT_FALSE(decides(0.75 * growth)) << m << ' ' << value << ' ' << limit;
    }
  }
}

}  // namespace
}  // namespace assay

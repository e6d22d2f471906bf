#include "attacks/math/bandit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/model/rng.h"

namespace assay::attacks {
namespace {

TEST(Bandit, MovesItsPreferencesByTheFormula) {
  Bandit bandit(3);
  const std::vector<bool> open(3, true);
  const std::vector<double> even = bandit.shares(open);
  EXPECT_EQ(even, std::vector<double>(3, 1.0 / 3));
  bandit.learn(0, 5, even);  // the average is 5 then, and nothing moves
  EXPECT_EQ(bandit.shares(open), even);
  bandit.learn(0, 1, even);  // 2 below the average of 3, at a rate of a half
  // Preferences: -2/3 and twice 1/3.
  const double sum = std::exp(-2.0 / 3) + 2 * std::exp(1.0 / 3);
  EXPECT_NEAR(bandit.shares(open)[0], std::exp(-2.0 / 3) / sum, 1e-12);
  EXPECT_NEAR(bandit.shares(open)[1], std::exp(1.0 / 3) / sum, 1e-12);
  EXPECT_NEAR(bandit.shares(open)[2], std::exp(1.0 / 3) / sum, 1e-12);
}

TEST(Bandit, FindsTheArmThatPaysMost) {
  Bandit bandit(4);
  const std::vector<bool> open(4, true);
  const Rng rng(1, "bandit", 0);
  for (uint64_t i = 0; i < 300; ++i) {
    const size_t arm = static_cast<size_t>(rng.uniform(i, 0, 0) * 4);
    bandit.learn(arm, (arm == 2 ? 1.0 : -1.0) + rng.uniform(i, 0, 1), bandit.shares(open));
  }
  EXPECT_GT(bandit.shares(open)[2], 0.8);
}

TEST(Bandit, GivesNothingToArmsThatAreClosed) {
  Bandit bandit(3);
  const std::vector<double> even = bandit.shares({true, true, true});
  bandit.learn(1, 0, even);
  bandit.learn(1, 1e6, even);  // leaves the others next to nothing
  const std::vector<double> shares = bandit.shares({true, false, true});
  EXPECT_EQ(shares, (std::vector<double>{0.5, 0, 0.5}));
}

TEST(RunningScore, StandardisesByWhatCameUpToNow) {
  RunningScore score;
  std::vector<double> seen;
  for (const double value : {3.0, -1.0, 2.5, 2.5, 100.0}) {
    seen.push_back(value);
    double mean = 0, variance = 0;
    for (const double one : seen) mean += one / static_cast<double>(seen.size());
    for (const double one : seen) {
      variance += (one - mean) * (one - mean) / static_cast<double>(seen.size());
    }
    const double expected = variance > 0 ? (value - mean) / std::sqrt(variance) : 0;
    EXPECT_NEAR(score(value), expected, 1e-12);
  }
}

TEST(RunningScore, IsZeroWithoutVariety) {
  RunningScore score;
  for (int i = 0; i < 1000; ++i) {
    // Equal but for rounding.
    EXPECT_EQ(score(i % 2 == 0 ? 0.3 : 0.1 + 0.2), 0);
  }
}

TEST(RunningScore, LeavesOutWhatIsNoNumber) {
  RunningScore score, plain;
  for (const double value : {1.0, 4.0, 2.0}) {
    EXPECT_EQ(score(std::numeric_limits<double>::infinity()), 0);
    EXPECT_EQ(score(std::numeric_limits<double>::quiet_NaN()), 0);
    EXPECT_EQ(score(value), plain(value));
  }
}

}  // namespace
}  // namespace assay::attacks

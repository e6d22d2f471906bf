// Scores drawn by arithmetic of our own, so that they are the same everywhere.
#pragma once

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "harness/gate/epsilon.h"
#include "harness/gate/roc.h"
#include "harness/gate/statistics.h"

namespace assay::testing {

inline constexpr EpsilonEstimator kEstimators[] = {EpsilonEstimator::kBonferroni,
                                                   EpsilonEstimator::kSplit, EpsilonEstimator::kGdp,
                                                   EpsilonEstimator::kOneRun};

inline double normal_cdf(double z) {
  return boost::math::cdf(boost::math::normal_distribution<double>(), z);
}

/// Uniform in (0, 1).
inline double draw_uniform(std::mt19937_64& engine) {
  return (static_cast<double>(engine() >> 11) + 0.5) * 0x1.0p-53;
}

inline double draw_normal(std::mt19937_64& engine) { return normal_quantile(draw_uniform(engine)); }

/// Members from N(shift, 1), non-members from N(0, 1).
inline ScoreSets normal_scores(std::mt19937_64& engine, int members, int non_members,
                               double shift) {
  ScoreSets scores;
  for (int i = 0; i < members; ++i) scores.members.push_back(shift + draw_normal(engine));
  for (int i = 0; i < non_members; ++i) scores.non_members.push_back(draw_normal(engine));
  for (int i = 0; i < members; ++i) scores.member_keys.push_back(engine());
  for (int i = 0; i < non_members; ++i) scores.non_member_keys.push_back(engine());
  return scores;
}

/// Two models' scores of the same records, with correlation 0.8.
inline std::pair<ScoreSets, ScoreSets> correlated_scores(std::mt19937_64& engine, int members,
                                                         int non_members, double here,
                                                         double there) {
  std::pair<ScoreSets, ScoreSets> pair;
  const auto add = [&](std::vector<double>& one, std::vector<double>& two, double shift_here,
                       double shift_there) {
    const double common = std::sqrt(0.8) * draw_normal(engine);
    one.push_back(shift_here + common + std::sqrt(0.2) * draw_normal(engine));
    two.push_back(shift_there + common + std::sqrt(0.2) * draw_normal(engine));
  };
  for (int i = 0; i < members; ++i) add(pair.first.members, pair.second.members, here, there);
  for (int i = 0; i < non_members; ++i) {
    add(pair.first.non_members, pair.second.non_members, 0, 0);
  }
  return pair;
}

}  // namespace assay::testing

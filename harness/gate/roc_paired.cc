// Differences between two models on the same records. The bootstrap: Efron & Tibshirani 1993,
// chapter 14.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "harness/gate/random.h"
#include "harness/gate/roc.h"
#include "harness/gate/roc_internal.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

/// How often each of `n` records is drawn when n are drawn with replacement, times `weight`.
void resample(uint64_t stream, uint32_t n, int32_t weight, int32_t* out) {
  std::fill(out, out + n, 0);
  uint64_t counter = stream;
  for (uint32_t i = 0; i < n; i += 2) {
    const uint64_t word = mix64(counter += kGolden);
    // The high half of a product scales 32 random bits to an index; the bias is under n / 2^32.
    out[((word >> 32) * n) >> 32] += weight;
    if (i + 1 < n) out[((word & 0xffffffff) * n) >> 32] += weight;
  }
}

/// One model's records, best score first: members are 0 … m - 1, non-members m … m + n - 1.
struct Ranking {
  std::vector<uint32_t> order;
  std::vector<int64_t> ends;  ///< all bits where the next record scores less, else 0
};

Ranking rank(const ScoreSets& scores) {
  std::vector<double> all = scores.members;
  all.insert(all.end(), scores.non_members.begin(), scores.non_members.end());
  Ranking ranking;
  ranking.order.resize(all.size());
  std::iota(ranking.order.begin(), ranking.order.end(), uint32_t{0});
  std::sort(ranking.order.begin(), ranking.order.end(), [&](uint32_t left, uint32_t right) {
    return all[left] != all[right] ? all[left] > all[right] : left < right;
  });
  ranking.ends.resize(all.size(), -1);
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[ranking.order[i]] == all[ranking.order[i + 1]]) ranking.ends[i] = 0;
  }
  return ranking;
}

/// max TPR - FPR, times m · n, where a member weighs n and a non-member -m each time it is drawn.
int64_t best_difference(const Ranking& ranking, const std::vector<int32_t>& weights) {
  int64_t sum = 0;
  int64_t best = 0;
  for (size_t i = 0; i < ranking.order.size(); ++i) {
    sum += weights[ranking.order[i]];
    best = std::max(best, sum & ranking.ends[i]);
  }
  return best;
}

/// Members drawn above the threshold at which at most `allowed` drawn non-members are claimed.
int64_t claimed_members(const Ranking& ranking, const std::vector<int32_t>& weights, uint32_t m,
                        int64_t allowed) {
  int64_t members = 0;
  int64_t others = 0;
  int64_t best = 0;
  for (size_t i = 0; i < ranking.order.size(); ++i) {
    const uint32_t record = ranking.order[i];
    (record < m ? members : others) += weights[record];
    if (others > allowed) break;
    if (ranking.ends[i] != 0) best = members;
  }
  return best;
}

struct Pair {
  Ranking here;
  Ranking there;
  uint32_t m = 0;
  uint32_t n = 0;
};

Pair rank_both(const ScoreSets& here, const ScoreSets& there) {
  ASSAY_CHECK(here.members.size() == there.members.size() &&
                  here.non_members.size() == there.non_members.size() && !here.members.empty() &&
                  !here.non_members.empty(),
              "a paired bootstrap needs the same records twice");
  return {rank(here), rank(there), static_cast<uint32_t>(here.members.size()),
          static_cast<uint32_t>(here.non_members.size())};
}

/// What `measure` finds of both models in each draw.
struct Resamples {
  std::vector<double> differences;  ///< sorted
  double mean_here = 0;
  double mean_there = 0;
};

template <typename Measure>
Resamples draw(const Pair& pair, int32_t member_weight, int32_t other_weight, uint64_t seed,
               Measure measure) {
  std::vector<int32_t> weights(pair.m + pair.n);
  Resamples draws;
  draws.differences.resize(kDraws);
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t stream = mix64(seed + mix64(static_cast<uint64_t>(2 * i)));
    resample(stream, pair.m, member_weight, weights.data());
    resample(mix64(stream), pair.n, other_weight, weights.data() + pair.m);
    const double here = measure(pair.here, weights);
    const double there = measure(pair.there, weights);
    draws.mean_here += here / kDraws;
    draws.mean_there += there / kDraws;
    draws.differences[static_cast<size_t>(i)] = here - there;
  }
  std::sort(draws.differences.begin(), draws.differences.end());
  return draws;
}

double quantile(const std::vector<double>& sorted, double probability) {
  const double at = probability * static_cast<double>(sorted.size() + 1) - 1;
  const double last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(std::clamp(std::round(at), 0.0, last))];
}

/// Tango's bounds of the difference of two shares of one set that score at least a threshold.
Interval claimed_bounds(const std::vector<double>& here, double threshold_here,
                        const std::vector<double>& there, double threshold_there,
                        double confidence) {
  int64_t only_here = 0;
  int64_t only_there = 0;
  for (size_t i = 0; i < here.size(); ++i) {
    const bool one = here[i] >= threshold_here;
    const bool other = there[i] >= threshold_there;
    only_here += one && !other ? 1 : 0;
    only_there += other && !one ? 1 : 0;
  }
  return tango(only_here, only_there, static_cast<int64_t>(here.size()), confidence);
}

OperatingPoint best_point(const Roc& roc) {
  const auto gain = [&](const OperatingPoint& at) {
    return at.members * roc.non_members - at.non_members * roc.members;
  };
  return *std::max_element(
      roc.points.begin(), roc.points.end(),
      [&](const OperatingPoint& one, const OperatingPoint& two) { return gain(one) < gain(two); });
}

/// Percentiles of the draws, and at least as wide as `least`.
Bounded widened(double value, const Resamples& draws, double confidence, const Interval& least) {
  return {value, std::min(quantile(draws.differences, 1 - confidence), least.lower),
          std::max(quantile(draws.differences, confidence), least.upper)};
}

/// Bounds of the mean of differences that lie in [-1, 1], were there `factor` times as many.
Interval mean_difference(const std::vector<double>& here, const std::vector<double>& there,
                         double confidence, double factor) {
  std::vector<double> shares(here.size());
  for (size_t i = 0; i < here.size(); ++i) {
    shares[i] = std::clamp((1 + here[i] - there[i]) / 2, 0.0, 1.0);
  }
  const Interval bounds = grown_mean_bounds(shares, confidence, factor);
  return {2 * bounds.lower - 1, 2 * bounds.upper - 1};
}

/// How far TPR of `here` minus TPR of `there` may lie above the value found where members tie: at
/// the largest region that the FPR may mean here and the smallest there (see widen_by_jumps).
double reach_by_jumps(const std::vector<double>& here, const Roc& roc_here,
                      const std::vector<double>& there, const Roc& roc_there, double fpr,
                      double confidence) {
  const double third = 1 - (1 - confidence) / 3;  // two regions and their TPR
  const Regions at = regions_at(roc_here, fpr, third);
  const Regions at_there = regions_at(roc_there, fpr, third);
  if (at.down + at.up + at_there.down + at_there.up <= 0) return 0;
  const double difference = tpr_of(roc_here, at.outer) - tpr_of(roc_there, at_there.inner);
  const double upper = claimed_bounds(here, roc_here.points[at.outer].threshold, there,
                                      roc_there.points[at_there.inner].threshold, third)
                           .upper;
  const double rise = tpr_of(roc_here, at.outer) - tpr_of(roc_here, at.claimed) - at.up;
  const double fall =
      tpr_of(roc_there, at_there.claimed) - tpr_of(roc_there, at_there.inner) - at_there.down;
  return at.up + at_there.down + std::hypot(upper - difference, rise, fall);
}

struct PlacedDifference {
  PlacedDifference(const ScoreSets& here, const ScoreSets& there)
      : placed(place(here.members, here.non_members)),
        other(place(there.members, there.non_members)),
        auc(delong_difference(placed, other)),
        ties(tie_much(here) || tie_much(there)),
        fewest(static_cast<double>(std::min(here.members.size(), here.non_members.size()))) {}

  Placements placed, other;
  Auc auc;  ///< the difference
  bool ties;
  double fewest;  ///< records of a set
};

/// The bounds, were there `factor` times as many records, placed as these are.
Bounded grown_difference(const PlacedDifference& found, double confidence, double factor) {
  const double value = found.auc.value;
  const double fewest = found.fewest * factor;
  const auto records = static_cast<int64_t>(std::floor(fewest));
  const double reach = std::max(student_quantile(confidence, found.auc.freedom * factor) *
                                    std::sqrt(found.auc.variance / factor),
                                tango(0, 0, records, confidence).upper);
  Bounded bounded = {value, value - reach, value + reach};
  if (found.ties || fewest < kFewRecords) {
    const Interval members =
        mean_difference(found.placed.below, found.other.below, confidence, factor);
    const Interval others =
        mean_difference(found.placed.above, found.other.above, confidence, factor);
    bounded.lower =
        std::min(bounded.lower, value - std::hypot(value - members.lower, value - others.lower));
    bounded.upper =
        std::max(bounded.upper, value + std::hypot(members.upper - value, others.upper - value));
  }
  bounded.lower = std::max(-1.0, bounded.lower);
  bounded.upper = std::min(1.0, bounded.upper);
  return bounded;
}

}  // namespace

Bounded auc_difference(const ScoreSets& here, const ScoreSets& there, double confidence) {
  return grown_difference(PlacedDifference(here, there), confidence, 1);
}

double auc_difference_growth(const ScoreSets& here, const ScoreSets& there, double limit,
                             double confidence) {
  const PlacedDifference placed(here, there);
  if (placed.auc.value == limit) return std::numeric_limits<double>::infinity();
  return growth_until([&](double factor) {
    const Bounded bounded = grown_difference(placed, confidence, factor);
    return placed.auc.value > limit ? bounded.lower > limit : bounded.upper <= limit;
  });
}

Bounded advantage_difference(const ScoreSets& here, const ScoreSets& there, double confidence,
                             uint64_t seed) {
  const Pair pair = rank_both(here, there);
  const double scale = static_cast<double>(pair.m) * static_cast<double>(pair.n);
  const Resamples draws =
      draw(pair, static_cast<int32_t>(pair.n), -static_cast<int32_t>(pair.m), seed,
           [&](const Ranking& ranking, const std::vector<int32_t>& weights) {
             return static_cast<double>(best_difference(ranking, weights)) / scale;
           });
  const Roc roc_here = make_roc(here);
  const Roc roc_there = make_roc(there);
  const OperatingPoint at = best_point(roc_here);
  const OperatingPoint at_there = best_point(roc_there);
  const double here_value = advantage(roc_here, confidence).value;
  const double there_value = advantage(roc_there, confidence).value;
  const double value = here_value - there_value;
  const Interval tpr =
      claimed_bounds(here.members, at.threshold, there.members, at_there.threshold, confidence);
  const Interval fpr = claimed_bounds(here.non_members, at.threshold, there.non_members,
                                      at_there.threshold, confidence);
  const double tpr_rise = static_cast<double>(at.members - at_there.members) / pair.m;
  const double fpr_rise = static_cast<double>(at.non_members - at_there.non_members) / pair.n;
  const Interval least = {value - std::hypot(tpr_rise - tpr.lower, fpr.upper - fpr_rise),
                          value + std::hypot(tpr.upper - tpr_rise, fpr_rise - fpr.lower)};
  // A maximum is found too large, most so for a model that leaks least, and a draw repeats that
  // error: each bound is moved out by the bias of the model that narrowed it.
  Bounded bounded = widened(value, draws, confidence, least);
  bounded.lower = std::max(-1.0, bounded.lower - std::max(0.0, draws.mean_here - here_value));
  bounded.upper = std::min(1.0, bounded.upper + std::max(0.0, draws.mean_there - there_value));
  return bounded;
}

Bounded tpr_difference(const ScoreSets& here, const ScoreSets& there, double fpr, double confidence,
                       uint64_t seed) {
  const Pair pair = rank_both(here, there);
  const Roc roc_here = make_roc(here);
  const Roc roc_there = make_roc(there);
  const int64_t allowed = allowed_positives(roc_here, fpr);
  const Resamples draws =
      draw(pair, 1, 1, seed, [&](const Ranking& ranking, const std::vector<int32_t>& weights) {
        return static_cast<double>(claimed_members(ranking, weights, pair.m, allowed)) / pair.m;
      });
  const OperatingPoint at = roc_here.points[region(roc_here, allowed)];
  const OperatingPoint at_there = roc_there.points[region(roc_there, allowed)];
  const double value = static_cast<double>(at.members - at_there.members) / pair.m;
  Bounded bounded = widened(
      value, draws, confidence,
      claimed_bounds(here.members, at.threshold, there.members, at_there.threshold, confidence));
  const double up =
      reach_by_jumps(here.members, roc_here, there.members, roc_there, fpr, confidence);
  const double down =
      reach_by_jumps(there.members, roc_there, here.members, roc_here, fpr, confidence);
  bounded.lower = std::max(-1.0, std::min(bounded.lower, value - down));
  bounded.upper = std::min(1.0, std::max(bounded.upper, value + up));
  return bounded;
}

}  // namespace assay

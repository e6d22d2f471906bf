// What an audit could have shown. The attack that is assumed is the best one that the true epsilon
// allows (the trade-off curve of an (epsilon, delta) or a Gaussian mechanism; every guess right
// with probability e^eps/(1 + e^eps)), and one threshold is credited, the best of those tried: the
// power stated is that of the luckiest single test and so a little less than that of them all.
// `split` tests the one threshold that it chose, which epsilon_split.cc simulates.
// Scores that tie cannot be told apart by any attack that reads them: a threshold inside a tie is
// the one above it, and guesses inside a tie are right as often as the tie has members.
#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "harness/gate/epsilon.h"
#include "harness/gate/epsilon_internal.h"

namespace assay {
namespace {

constexpr int kQuantiles = 8;

using Binomial = boost::math::binomial_distribution<double>;

double at_least(int64_t n, double p, int64_t k) {
  if (k <= 0) return 1;
  if (k > n) return 0;
  return boost::math::cdf(boost::math::complement(
      Binomial(static_cast<double>(n), std::clamp(p, 0.0, 1.0)), static_cast<double>(k - 1)));
}

/// The smallest count in [0, n] that `shows` what it should, or n + 1; shows is monotone.
template <typename Shows>
int64_t smallest(int64_t n, Shows shows) {
  return last_that_holds(n, [&](int64_t k) { return !shows(k); }) + 1;
}

/// Records that an attack cannot tell apart, or that all are guessed the same.
struct Group {
  double records = 0;
  double as_members = 0;      ///< how many are guessed members
  double as_non_members = 0;  ///< how many are guessed non-members
  /// By how many guesses more come out right for each member more in the group.
  double pull() const { return (as_members - as_non_members) / records; }
};

/// A test that exceeds the limit if `needed` of `trials` come out right.
struct Test {
  int64_t trials = 0;
  int64_t needed = 0;
  std::vector<double> fprs;    ///< quantiles of the FPR at its threshold
  std::vector<double> strays;  ///< of guesses: quantiles of how many are on the wrong side
  std::vector<Group> groups;   ///< of guesses: all records, by falling `pull`
};

/// The tie that holds a place, as `scale` times as many records would have it; else count 0.
Tie tie_at(const std::vector<Tie>& ties, int64_t place, double scale) {
  const auto scaled = [&](int64_t at) { return std::llround(static_cast<double>(at) * scale); };
  const auto beyond =
      std::upper_bound(ties.begin(), ties.end(), place,
                       [&](int64_t here, const Tie& tie) { return here < scaled(tie.first); });
  if (beyond == ties.begin()) return {};
  const Tie& tie = *std::prev(beyond);
  const int64_t end = scaled(tie.first + tie.count);
  return place < end ? Tie{scaled(tie.first), end - scaled(tie.first)} : Tie{};
}

std::vector<Test> threshold_tests(const EpsilonAudit& audit, const Resolution& resolution,
                                  int64_t m, int64_t n, double limit) {
  const double scale = static_cast<double>(n) / static_cast<double>(resolution.non_members);
  const std::vector<int64_t> ranks = threshold_ranks(n);
  const double alpha = level_of_each(audit, ranks.size());
  std::vector<Test> tests;
  for (const int64_t k : ranks) {
    const Tie tie = tie_at(resolution.non_member_ties, k, scale);
    const bool tied = tie.count > 0;
    if (tied && tie.first == 0) continue;  // above the highest score lies nothing
    Test test;
    test.trials = m;
    // Paid for is the rank, though the threshold above the tie claims fewer.
    const double fpr = clopper_pearson(k, n, 1 - alpha).upper;
    test.needed = smallest(m, [&](int64_t a) {
      return epsilon_of({clopper_pearson(a, m, 1 - alpha).lower, fpr}, audit) > limit;
    });
    if (test.needed > m) continue;
    const double claimed = static_cast<double>(tied ? tie.first : k + 1);
    const boost::math::beta_distribution<double> realised(claimed,
                                                          static_cast<double>(n) + 1 - claimed);
    for (int i = 0; i < kQuantiles; ++i) {
      test.fprs.push_back(boost::math::quantile(realised, (i + 0.5) / kQuantiles));
    }
    tests.push_back(test);
  }
  return tests;
}

/// Records by how they are guessed where the first `top` are called members and the last `bottom`
/// non-members; the ties that these two ends cut are groups of their own.
std::vector<Group> groups_of(const Resolution& resolution, int64_t records, int64_t top,
                             int64_t bottom) {
  const double scale = static_cast<double>(records) /
                       static_cast<double>(resolution.members + resolution.non_members);
  std::set<int64_t> ends = {0, top, records - bottom, records};
  std::set<int64_t> inside;  // of a tie: these ends divide nothing
  for (const int64_t end : {top, records - bottom}) {
    if (end == 0 || end == records) continue;
    const Tie tie = tie_at(resolution.record_ties, end, scale);
    if (tie.count == 0 || tie.first == end) continue;
    ends.insert({tie.first, std::min(records, tie.first + tie.count)});
    inside.insert(end);
  }
  for (const int64_t end : inside) ends.erase(end);
  std::vector<Group> groups;
  for (auto at = ends.begin(); std::next(at) != ends.end(); ++at) {
    const int64_t first = *at;
    const int64_t end = *std::next(at);
    groups.push_back(
        {static_cast<double>(end - first),
         static_cast<double>(std::max<int64_t>(0, std::min(end, top) - first)),
         static_cast<double>(std::max<int64_t>(0, end - std::max(first, records - bottom)))});
  }
  std::sort(groups.begin(), groups.end(),
            [](const Group& left, const Group& right) { return left.pull() > right.pull(); });
  return groups;
}

/// The largest share of right guesses where each group's share of members lies in [1 - q, q] and
/// half of all records are members, as the coin has it.
double right_at_most(const std::vector<Group>& groups, double q) {
  double records = 0;
  double guesses = 0;
  double right = 0;
  for (const Group& group : groups) {
    records += group.records;
    guesses += group.as_members + group.as_non_members;
    right += (1 - q) * group.as_members + q * group.as_non_members;
  }
  double members = records * (q - 0.5);  // beyond what 1 - q of every group has
  for (const Group& group : groups) {
    const double more = std::min(members, (2 * q - 1) * group.records);
    right += more * group.pull();
    members -= more;
  }
  return right / guesses;
}

std::vector<Test> guess_tests(const EpsilonAudit& audit, const Resolution& resolution,
                              int64_t records, double limit) {
  const double alpha = one_run_level(audit, records);
  std::vector<Test> tests;
  for (const int64_t r : guess_counts(records)) {
    const int64_t needed = smallest(r, [&](int64_t right) {
      return one_run_p_value(records, r, right, limit, audit.delta) < alpha;
    });
    if (needed > r) continue;
    for (const bool both : {false, true}) {
      if (r == records && !both) continue;
      const int64_t top = both ? r - r / 2 : r;
      Test test = {r, needed, {}, {}, groups_of(resolution, records, top, r - top)};
      // Half of the records are guessed members, but the best attack calls a random number of them
      // so; only where fewer records are guessed are all guesses of one side its own.
      for (int i = 0; i < kQuantiles; ++i) {
        const double deviation = normal_quantile(0.5 + (i + 0.5) / (2 * kQuantiles));
        const double strays = deviation * std::sqrt(static_cast<double>(records)) / 2;
        test.strays.push_back(r == records ? strays : 0);
      }
      tests.push_back(test);
    }
  }
  return tests;
}

double power_of_best(const std::vector<Test>& tests, const EpsilonAudit& audit, double truth) {
  const bool gdp = audit.estimator == EpsilonEstimator::kGdp;
  const double mu = gdp ? mu_of_epsilon(truth, audit.delta) : 0;
  const auto tpr_at = [&](double fpr) {
    if (gdp) return normal_probability(normal_quantile(fpr) + mu);
    return std::min(
        {1.0, audit.delta + std::exp(truth) * fpr, 1 - std::exp(-truth) * (1 - audit.delta - fpr)});
  };
  double best = 0;
  for (const Test& test : tests) {
    double power = 0;
    for (const double fpr : test.fprs) {
      power += at_least(test.trials, tpr_at(fpr), test.needed) / kQuantiles;
    }
    const double q = 1 / (1 + std::exp(-truth));
    const double share = test.groups.empty() ? 0 : right_at_most(test.groups, q);
    for (const double strays : test.strays) {
      const double right = share - (2 * share - 1) * strays / static_cast<double>(test.trials);
      power += at_least(test.trials, right, test.needed) / kQuantiles;
    }
    best = std::max(best, power);
  }
  return best;
}

using Power = std::function<double(double truth)>;

/// With `factor` times the records of `resolution`, by the true epsilon.
Power power_of(const EpsilonAudit& audit, const Resolution& resolution, double factor,
               double limit) {
  const auto grown = [&](int64_t n) {
    return std::llround(std::ceil(static_cast<double>(n) * factor));
  };
  const int64_t members = grown(resolution.members);
  const int64_t non_members = grown(resolution.non_members);
  if (audit.estimator == EpsilonEstimator::kSplit) {
    return [=](double truth) {
      return split_power(audit, resolution, members, non_members, limit, truth);
    };
  }
  const std::vector<Test> tests =
      audit.estimator == EpsilonEstimator::kOneRun
          ? guess_tests(audit, resolution, members + non_members, limit)
          : threshold_tests(audit, resolution, members, non_members, limit);
  return [=](double truth) { return power_of_best(tests, audit, truth); };
}

std::vector<Tie> ties_of(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end(), std::greater<>());
  std::vector<Tie> ties;
  for (auto first = scores.begin(); first != scores.end();) {
    const auto end = std::upper_bound(first, scores.end(), *first, std::greater<>());
    if (end - first > 1) ties.push_back({first - scores.begin(), end - first});
    first = end;
  }
  return ties;
}

}  // namespace

Resolution resolution_of(const ScoreSets& scores) {
  std::vector<double> all = scores.members;
  all.insert(all.end(), scores.non_members.begin(), scores.non_members.end());
  return {static_cast<int64_t>(scores.members.size()),
          static_cast<int64_t>(scores.non_members.size()), ties_of(scores.non_members),
          ties_of(std::move(all))};
}

double epsilon_reach(const EpsilonAudit& audit, int64_t members, int64_t non_members) {
  if (audit.estimator == EpsilonEstimator::kOneRun) {
    ScoreSets perfect;
    perfect.members.assign(static_cast<size_t>(members), 1);
    perfect.non_members.assign(static_cast<size_t>(non_members), 0);
    perfect.member_keys.assign(static_cast<size_t>(members), 0);
    perfect.non_member_keys.assign(static_cast<size_t>(non_members), 0);
    return epsilon_lower(perfect, audit);
  }
  const bool split = audit.estimator == EpsilonEstimator::kSplit;
  const int64_t m = split ? members / 2 : members;
  const int64_t n = split ? non_members / 2 : non_members;
  if (m == 0 || n == 0) return 0;
  const double alpha = level_of_each(audit, split ? 1 : threshold_ranks(n).size());
  const Region perfect = bound_region(m, m, 0, n, alpha);
  return std::max(0.0, epsilon_of(perfect, audit));
}

std::optional<double> epsilon_detectable(const EpsilonAudit& audit, const Resolution& resolution,
                                         double limit, double most) {
  const Power power = power_of(audit, resolution, 1, limit);
  if (power(most) < kPower) return std::nullopt;
  double low = limit;
  double high = most;
  while (high - low > 1e-3) {
    const double middle = low + (high - low) / 2;
    (power(middle) < kPower ? low : high) = middle;
  }
  return high;
}

std::optional<double> epsilon_growth(const EpsilonAudit& audit, const Resolution& resolution,
                                     double limit) {
  const auto enough = [&](double factor) {
    return power_of(audit, resolution, factor, limit)(limit + kEpsilonMargin) >= kPower;
  };
  constexpr double kMost = 1e4;
  double few = 1;
  double many = 2;
  while (!enough(many)) {
    few = many;
    many *= 2;
    if (many > kMost) return std::nullopt;
  }
  for (int i = 0; i < 7; ++i) {
    const double middle = std::sqrt(few * many);
    (enough(middle) ? many : few) = middle;
  }
  return many;
}

}  // namespace assay

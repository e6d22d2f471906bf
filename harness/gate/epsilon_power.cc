// What an audit could have shown. The attack that is assumed is the best one that the true epsilon
// allows (the trade-off curve of an (epsilon, delta) or a Gaussian mechanism; every guess right
// with probability e^eps/(1 + e^eps)), and one threshold is credited, the best of those tried: the
// power stated is that of the luckiest single test and so a little less than that of them all.
#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <limits>

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
  int64_t few = -1;
  int64_t enough = n + 1;
  while (enough - few > 1) {
    const int64_t middle = few + (enough - few) / 2;
    (shows(middle) ? enough : few) = middle;
  }
  return enough;
}

/// A test that exceeds the limit if `needed` of `trials` come out right.
struct Test {
  int64_t trials = 0;
  int64_t needed = 0;
  std::vector<double> fprs;    ///< quantiles of the FPR at its threshold
  std::vector<double> strays;  ///< of guesses: quantiles of how many are on the wrong side
};

/// Sizes of the sets that test: half of them where the other half chooses.
struct Sizes {
  int64_t members;
  int64_t non_members;
};

std::vector<Test> threshold_tests(const EpsilonAudit& audit, Sizes sizes, double limit) {
  const std::vector<int64_t> ranks = threshold_ranks(sizes.non_members);
  const bool split = audit.estimator == EpsilonEstimator::kSplit;
  const double alpha = level_of_each(audit, split ? 1 : ranks.size());
  std::vector<Test> tests;
  for (const int64_t k : ranks) {
    Test test;
    test.trials = sizes.members;
    const double fpr = clopper_pearson(k, sizes.non_members, 1 - alpha).upper;
    test.needed = smallest(sizes.members, [&](int64_t a) {
      return epsilon_of({clopper_pearson(a, sizes.members, 1 - alpha).lower, fpr}, audit) > limit;
    });
    if (test.needed > sizes.members) continue;
    const boost::math::beta_distribution<double> realised(
        static_cast<double>(k + 1), static_cast<double>(sizes.non_members - k));
    for (int i = 0; i < kQuantiles; ++i) {
      test.fprs.push_back(boost::math::quantile(realised, (i + 0.5) / kQuantiles));
    }
    tests.push_back(test);
  }
  return tests;
}

std::vector<Test> guess_tests(const EpsilonAudit& audit, int64_t records, double limit) {
  const double alpha = one_run_level(audit, records);
  std::vector<Test> tests;
  for (const int64_t r : guess_counts(records)) {
    const int64_t needed = smallest(r, [&](int64_t right) {
      return one_run_p_value(records, r, right, limit, audit.delta) < alpha;
    });
    if (needed > r) continue;
    Test test = {r, needed, {}, {}};
    // Half of the records are guessed members, but the best attack calls a random number of them
    // so; only where fewer records are guessed are all guesses of one side its own.
    for (int i = 0; i < kQuantiles; ++i) {
      const double deviation = normal_quantile(0.5 + (i + 0.5) / (2 * kQuantiles));
      const double strays = deviation * std::sqrt(static_cast<double>(records)) / 2;
      test.strays.push_back(r == records ? strays : 0);
    }
    tests.push_back(test);
  }
  return tests;
}

Sizes testing_sizes(const EpsilonAudit& audit, int64_t members, int64_t non_members) {
  const bool split = audit.estimator == EpsilonEstimator::kSplit;
  return split ? Sizes{members / 2, non_members / 2} : Sizes{members, non_members};
}

std::vector<Test> tests_of(const EpsilonAudit& audit, int64_t members, int64_t non_members,
                           double limit) {
  if (audit.estimator == EpsilonEstimator::kOneRun) {
    return guess_tests(audit, members + non_members, limit);
  }
  const Sizes sizes = testing_sizes(audit, members, non_members);
  if (sizes.members == 0 || sizes.non_members == 0) return {};
  return threshold_tests(audit, sizes, limit);
}

double power_of(const std::vector<Test>& tests, const EpsilonAudit& audit, double truth) {
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
    for (const double strays : test.strays) {
      const double right = q - (2 * q - 1) * strays / static_cast<double>(test.trials);
      power += at_least(test.trials, right, test.needed) / kQuantiles;
    }
    best = std::max(best, power);
  }
  return best;
}

}  // namespace

double epsilon_reach(const EpsilonAudit& audit, int64_t members, int64_t non_members) {
  if (audit.estimator == EpsilonEstimator::kOneRun) {
    ScoreSets perfect;
    perfect.members.assign(static_cast<size_t>(members), 1);
    perfect.non_members.assign(static_cast<size_t>(non_members), 0);
    perfect.member_keys.assign(static_cast<size_t>(members), 0);
    perfect.non_member_keys.assign(static_cast<size_t>(non_members), 0);
    return epsilon_lower(perfect, audit);
  }
  const Sizes sizes = testing_sizes(audit, members, non_members);
  if (sizes.members == 0 || sizes.non_members == 0) return 0;
  const bool split = audit.estimator == EpsilonEstimator::kSplit;
  const double alpha = level_of_each(audit, split ? 1 : threshold_ranks(sizes.non_members).size());
  const Region perfect = bound_region(sizes.members, sizes.members, 0, sizes.non_members, alpha);
  return std::max(0.0, epsilon_of(perfect, audit));
}

std::optional<double> epsilon_detectable(const EpsilonAudit& audit, int64_t members,
                                         int64_t non_members, double limit, double most) {
  const std::vector<Test> tests = tests_of(audit, members, non_members, limit);
  if (power_of(tests, audit, most) < kPower) return std::nullopt;
  double low = limit;
  double high = most;
  while (high - low > 1e-3) {
    const double middle = low + (high - low) / 2;
    (power_of(tests, audit, middle) < kPower ? low : high) = middle;
  }
  return high;
}

std::optional<double> epsilon_growth(const EpsilonAudit& audit, int64_t members,
                                     int64_t non_members, double limit) {
  const auto enough = [&](double factor) {
    const auto grown = [&](int64_t n) {
      return std::llround(std::ceil(static_cast<double>(n) * factor));
    };
    const std::vector<Test> tests = tests_of(audit, grown(members), grown(non_members), limit);
    return power_of(tests, audit, limit + kEpsilonMargin) >= kPower;
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

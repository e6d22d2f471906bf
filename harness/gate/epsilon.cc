// (epsilon, delta)-privacy allows no region with TPR > e^eps FPR + delta or TNR > e^eps FNR +
// delta, so bounds of TPR and FPR bound epsilon from below. A threshold that was chosen on the same
// records has to be paid for: by Bonferroni over thresholds fixed in advance (ranks of non-members,
// whose FPR is Beta distributed whatever the scores), or by splitting the records. Sources: Nasr et
// al., IEEE S&P 2021 and google-deepmind/jax_privacy auditing.py (corrections); Dong, Roth & Su,
// JRSS B 84 (2022) 3 (Gaussian); Steinke, Nasr & Jagielski, NeurIPS 2023, theorem 5.2 (one run).
#include "harness/gate/epsilon.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "harness/gate/epsilon_internal.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Where the true values change to false between low and high.
double bisect(double low, double high, const std::function<bool(double)>& holds) {
  for (int i = 0; i < 60; ++i) {
    const double middle = low + (high - low) / 2;
    (holds(middle) ? low : high) = middle;
  }
  return low;
}

int64_t count_above(const std::vector<double>& scores, double threshold) {
  return std::count_if(scores.begin(), scores.end(),
                       [&](double score) { return score > threshold; });
}

double over_ranks(const ScoreSets& scores, const EpsilonAudit& audit) {
  std::vector<double> sorted = scores.non_members;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const int64_t m = static_cast<int64_t>(scores.members.size());
  const int64_t n = static_cast<int64_t>(sorted.size());
  const std::vector<int64_t> ranks = threshold_ranks(n);
  const double alpha = level_of_each(audit, ranks.size());
  double best = 0;
  for (const int64_t k : ranks) {
    const int64_t a = count_above(scores.members, sorted[static_cast<size_t>(k)]);
    best = std::max(best, epsilon_of(bound_region(a, m, k, n, alpha), audit));
  }
  return best;
}

/// The half of the records that chooses the threshold, or the half that tests it.
ScoreSets half_of(const ScoreSets& scores, bool first) {
  ScoreSets half;
  const auto take = [&](const std::vector<double>& from, const std::vector<uint64_t>& keys,
                        std::vector<double>& to) {
    for (size_t i = 0; i < from.size(); ++i) {
      if ((keys[i] % 2 == 0) == first) to.push_back(from[i]);
    }
  };
  take(scores.members, scores.member_keys, half.members);
  take(scores.non_members, scores.non_member_keys, half.non_members);
  return half;
}

double by_split(const ScoreSets& scores, const EpsilonAudit& audit) {
  const ScoreSets choice = half_of(scores, true);
  const ScoreSets test = half_of(scores, false);
  if (choice.members.empty() || choice.non_members.empty() || test.members.empty() ||
      test.non_members.empty()) {
    return 0;
  }
  const double alpha = level_of_each(audit, 1);
  const Roc roc = make_roc(choice);
  double best = -kInfinity;
  double threshold = kInfinity;
  // Any choice is a fair one on this half: Wilson's bounds are quick, and a thinned list is enough
  // but for its ends, where one point is much of a small FPR or FNR.
  constexpr size_t kWhole = 512;
  const size_t step = std::max<size_t>(1, roc.points.size() / kWhole);
  for (size_t i = 0; i < roc.points.size();) {
    const OperatingPoint& at = roc.points[i];
    const Region likely = {wilson(at.members, roc.members, 1 - alpha).lower,
                           wilson(at.non_members, roc.non_members, 1 - alpha).upper};
    const double here = epsilon_of(likely, audit);
    if (here > best) {
      best = here;
      threshold = at.threshold;
    }
    const bool inside = i >= kWhole && i + step + kWhole < roc.points.size();
    i += inside ? step : 1;
  }
  const auto claimed = [&](const std::vector<double>& set) {
    return std::count_if(set.begin(), set.end(), [&](double score) { return score >= threshold; });
  };
  const Region region =
      bound_region(claimed(test.members), static_cast<int64_t>(test.members.size()),
                   claimed(test.non_members), static_cast<int64_t>(test.non_members.size()), alpha);
  return std::max(0.0, epsilon_of(region, audit));
}

double by_guesses(const ScoreSets& scores, const EpsilonAudit& audit) {
  struct Record {
    double score;
    uint64_t key;
    bool member;
  };
  std::vector<Record> records;
  for (size_t i = 0; i < scores.members.size(); ++i) {
    records.push_back({scores.members[i], scores.member_keys[i], true});
  }
  for (size_t i = 0; i < scores.non_members.size(); ++i) {
    records.push_back({scores.non_members[i], scores.non_member_keys[i], false});
  }
  std::sort(records.begin(), records.end(), [](const Record& left, const Record& right) {
    return left.score != right.score ? left.score > right.score : left.key < right.key;
  });
  const int64_t total = static_cast<int64_t>(records.size());
  std::vector<int64_t> members = {0};  // among the first i
  for (const Record& record : records) members.push_back(members.back() + (record.member ? 1 : 0));
  const double alpha = one_run_level(audit, total);
  double best = 0;
  for (const int64_t r : guess_counts(total)) {
    for (const bool both : {false, true}) {
      if (r == total && !both) continue;
      const int64_t top = both ? r - r / 2 : r;
      const int64_t bottom = r - top;
      const int64_t right = members[static_cast<size_t>(top)] + bottom -
                            (members.back() - members[static_cast<size_t>(total - bottom)]);
      const auto refuted = [&](double epsilon) {
        return one_run_p_value(total, r, right, epsilon, audit.delta) < alpha;
      };
      if (refuted(best)) best = bisect(best, 50, refuted);
    }
  }
  return best;
}

}  // namespace

double normal_probability(double z) {
  return boost::math::cdf(boost::math::normal_distribution<double>(), z);
}

double epsilon_of_mu(double mu, double delta) {
  const auto above = [&](double epsilon) {
    return normal_probability(mu / 2 - epsilon / mu) -
               std::exp(epsilon) * normal_probability(-mu / 2 - epsilon / mu) >
           delta;
  };
  if (mu <= 0 || !above(0)) return 0;
  return bisect(0, 200, above);
}

double mu_of_epsilon(double epsilon, double delta) {
  return bisect(0, 100, [&](double mu) { return epsilon_of_mu(mu, delta) < epsilon; });
}

Region bound_region(int64_t a, int64_t m, int64_t k, int64_t n, double alpha) {
  return {clopper_pearson(a, m, 1 - alpha).lower, clopper_pearson(k, n, 1 - alpha).upper};
}

double epsilon_of(const Region& region, const EpsilonAudit& audit) {
  if (audit.estimator == EpsilonEstimator::kGdp) {
    if (region.tpr <= 0 || region.fpr >= 1) return -kInfinity;
    return epsilon_of_mu(normal_quantile(region.tpr) - normal_quantile(region.fpr), audit.delta);
  }
  // Neither bound can be 0: a bound of FPR or of FNR from above never is.
  const double claimed = region.tpr - audit.delta;
  const double cleared = 1 - region.fpr - audit.delta;
  return std::max(claimed > 0 ? std::log(claimed / region.fpr) : -kInfinity,
                  cleared > 0 ? std::log(cleared / (1 - region.tpr)) : -kInfinity);
}

std::vector<int64_t> threshold_ranks(int64_t n) {
  std::set<int64_t> ranks;
  for (double k = 1; k <= static_cast<double>(n) / 2; k *= std::sqrt(10.0)) {
    ranks.insert(std::llround(k));
    ranks.insert(n - 1 - std::llround(k));
  }
  ranks.insert({0, n - 1});
  return {ranks.lower_bound(0), ranks.end()};
}

double level_of_each(const EpsilonAudit& audit, size_t thresholds) {
  return (1 - audit.confidence) / (2 * static_cast<double>(thresholds));
}

std::vector<int64_t> guess_counts(int64_t records) {
  std::vector<int64_t> counts;
  for (int64_t r = records; r >= 10 || counts.empty(); r /= 4) counts.push_back(r);
  return counts;
}

double one_run_level(const EpsilonAudit& audit, int64_t records) {
  return (1 - audit.confidence) / (2 * static_cast<double>(guess_counts(records).size()) - 1);
}

double one_run_p_value(int64_t records, int64_t guesses, int64_t right, double epsilon,
                       double delta) {
  const double q = 1 / (1 + std::exp(-epsilon));
  const double r = static_cast<double>(guesses);
  const boost::math::binomial_distribution<double> chance(r, q);
  const double beta =
      right == 0
          ? 1
          : boost::math::cdf(boost::math::complement(chance, static_cast<double>(right - 1)));
  if (delta <= 0) return beta;
  // max over i of P[right - i <= Bin < right] / i; in logarithms, since far from the mean a
  // probability underflows and its neighbours need not.
  constexpr int64_t kEach = 64;
  double most = 0;
  double sum = 0;
  double j = static_cast<double>(right - 1);
  double log_p = std::lgamma(r + 1) - std::lgamma(j + 1) - std::lgamma(r - j + 1) +
                 j * std::log(q) - (r - j) * (epsilon + std::log1p(std::exp(-epsilon)));
  int64_t i = 1;
  for (; i <= std::min(right, kEach) && 1 / static_cast<double>(i) > most; ++i, --j) {
    sum += std::exp(log_p);
    most = std::max(most, sum / static_cast<double>(i));
    log_p += std::log(j) - std::log(r - j + 1) - epsilon;
  }
  // Beyond, in steps of a twentieth, each with the sum of its end over the i of its start: no less.
  const double below = right == 0 ? 0 : boost::math::cdf(chance, static_cast<double>(right - 1));
  while (i <= right && 1 / static_cast<double>(i) > most) {
    const int64_t end = std::min(right, i + i / 20);
    const double rest =
        end == right ? 0 : boost::math::cdf(chance, static_cast<double>(right - end - 1));
    most = std::max(most, (below - rest) / static_cast<double>(i));
    i = end + 1;
  }
  return std::min(1.0, beta + 2 * static_cast<double>(records) * delta * most);
}

EpsilonEstimator epsilon_estimator(std::string_view name) {
  if (name == "split") return EpsilonEstimator::kSplit;
  if (name == "gdp") return EpsilonEstimator::kGdp;
  if (name == "one_run") return EpsilonEstimator::kOneRun;
  ASSAY_CHECK(name == "bonferroni", "an estimator of this name: " + std::string(name));
  return EpsilonEstimator::kBonferroni;
}

std::string epsilon_obstacle(const EpsilonAudit& audit, int64_t members, int64_t non_members) {
  if (members < 2 || non_members < 2) return "an audit needs two members and two non-members";
  if (audit.estimator == EpsilonEstimator::kGdp && audit.delta <= 0) {
    return "a Gaussian mechanism has no epsilon at delta 0; set `delta`";
  }
  if (audit.estimator == EpsilonEstimator::kOneRun) {
    constexpr double kContradicted = 1e-6;
    const boost::math::binomial_distribution<double> coin(
        static_cast<double>(members + non_members), 0.5);
    if (2 * boost::math::cdf(coin, static_cast<double>(std::min(members, non_members))) <
        kContradicted) {
      return "one_run holds only where a fair coin decided for each record whether it was trained "
             "on, and no fair coin gives " +
             std::to_string(members) + " members and " + std::to_string(non_members) +
             " non-members; audit all records that it decided, or take another estimator";
    }
  }
  return "";
}

double epsilon_lower(const ScoreSets& scores, const EpsilonAudit& audit) {
  switch (audit.estimator) {
    case EpsilonEstimator::kSplit:
      return by_split(scores, audit);
    case EpsilonEstimator::kOneRun:
      return by_guesses(scores, audit);
    default:
      return over_ranks(scores, audit);
  }
}

}  // namespace assay

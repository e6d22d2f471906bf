// Sources: DeLong 1988 (delong.cc); the logit scale for an AUC: Qin & Hotilovac, SMMR 17 (2008)
// 207; Massart, Ann. Prob. 18 (1990) 1269 and Wei & Dudley, Stat. Prob. Lett. 82 (2012) 636 (sup of
// empirical processes); Zou & Donner, Stat Med 27 (2008) 1693 (square and add).
#include "harness/gate/roc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/suite/error.h"

namespace assay {
namespace {

double share(int64_t k, int64_t n) { return static_cast<double>(k) / static_cast<double>(n); }

/// Members claimed by the largest region with at most k non-members. k >= 0.
int64_t members_claimed(const Roc& roc, int64_t k) {
  const auto beyond = std::upper_bound(
      roc.points.begin(), roc.points.end(), k,
      [](int64_t most, const OperatingPoint& at) { return most < at.non_members; });
  return std::prev(beyond)->members;
}

/// The largest standard error of TPR - FPR where its expectation is `difference`.
double largest_error(double difference, double m, double n) {
  const double tpr = std::clamp(0.5 + difference * m / (m + n), difference, 1.0);
  const double fpr = std::max(0.0, tpr - difference);
  return std::sqrt(tpr * (1 - tpr) / m + fpr * (1 - fpr) / n);
}

}  // namespace

Roc make_roc(const ScoreSets& scores) {
  ASSAY_CHECK(!scores.members.empty() && !scores.non_members.empty(), "a ROC needs both sets");
  std::vector<std::pair<double, bool>> all;
  all.reserve(scores.members.size() + scores.non_members.size());
  for (const double score : scores.members) all.emplace_back(score, true);
  for (const double score : scores.non_members) all.emplace_back(score, false);
  std::sort(all.begin(), all.end(),
            [](const auto& left, const auto& right) { return left.first > right.first; });
  Roc roc;
  roc.members = static_cast<int64_t>(scores.members.size());
  roc.non_members = static_cast<int64_t>(scores.non_members.size());
  roc.points.push_back({std::numeric_limits<double>::infinity(), 0, 0});
  for (const auto& [score, member] : all) {
    ASSAY_CHECK(std::isfinite(score), "a score that is not finite");
    if (roc.points.size() == 1 || roc.points.back().threshold != score) {
      roc.points.push_back(roc.points.back());
      roc.points.back().threshold = score;
    }
    ++(member ? roc.points.back().members : roc.points.back().non_members);
  }
  return roc;
}

Bounded auc_with_bounds(const ScoreSets& scores, double confidence) {
  const Auc auc = delong(scores.members, scores.non_members);
  // Perfect separation makes every one of k disjoint pairs right: exact for k coins.
  const double pairs =
      static_cast<double>(std::min(scores.members.size(), scores.non_members.size()));
  const double nearest = std::pow(1 - confidence, 1 / pairs);
  Bounded bounded = {auc.value, nearest, 1 - nearest};
  if (auc.value <= 0) return {auc.value, 0, bounded.upper};
  if (auc.value >= 1) return {auc.value, bounded.lower, 1};
  const double logit = std::log(auc.value / (1 - auc.value));
  const double reach =
      normal_quantile(confidence) * std::sqrt(auc.variance) / (auc.value * (1 - auc.value));
  bounded.lower = std::min(bounded.lower, 1 / (1 + std::exp(reach - logit)));
  bounded.upper = std::max(bounded.upper, 1 / (1 + std::exp(-reach - logit)));
  return bounded;
}

Bounded advantage(const Roc& roc, double confidence) {
  const double m = static_cast<double>(roc.members);
  const double n = static_cast<double>(roc.non_members);
  Bounded bounded;
  for (const OperatingPoint& at : roc.points) {
    bounded.value = std::max(
        bounded.value, share(at.members, roc.members) - share(at.non_members, roc.non_members));
  }
  // Below: the supremum of the error over all thresholds. Above: the best threshold of the
  // population is a fixed one, and the largest value found is no less than the value there.
  const double sup = std::sqrt(-std::log(1 - confidence) / 2 * (1 / m + 1 / n));
  bounded.lower = std::max(0.0, bounded.value - sup);
  const double z = normal_quantile(confidence);
  const double step = (1 / m + 1 / n) / 2;
  double low = bounded.value;
  double high = 1;
  for (int i = 0; i < 60 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    const bool possible = middle - bounded.value - step <= z * largest_error(middle, m, n);
    (possible ? low : high) = middle;
  }
  bounded.upper = high;
  return bounded;
}

Bounded tpr_at_fpr(const Roc& roc, double fpr, double confidence) {
  ASSAY_CHECK(fpr >= 0 && fpr <= 1, "an FPR lies in [0, 1]");
  const int64_t n = roc.non_members;
  const int64_t allowed =
      std::min(n, static_cast<int64_t>(std::floor(fpr * static_cast<double>(n) + 1e-9)));
  const int64_t claimed = members_claimed(roc, allowed);
  const Interval members = clopper_pearson(claimed, roc.members, confidence);
  // So many false positives, and the FPR is certainly no more, or possibly no more, than `fpr`.
  const int64_t surely =
      last_that_holds(n, [&](int64_t k) { return clopper_pearson(k, n, confidence).upper <= fpr; });
  const int64_t possibly =
      last_that_holds(n, [&](int64_t k) { return clopper_pearson(k, n, confidence).lower <= fpr; });
  const double value = share(claimed, roc.members);
  const double inner = surely < 0 ? 0 : share(members_claimed(roc, surely), roc.members);
  const double outer = share(members_claimed(roc, std::max(allowed, possibly)), roc.members);
  return {value, std::max(0.0, value - std::hypot(value - members.lower, value - inner)),
          std::min(1.0, value + std::hypot(members.upper - value, outer - value))};
}

int64_t non_members_needed(double fpr) { return std::llround(10 / fpr); }

}  // namespace assay

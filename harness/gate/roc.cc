// Sources: DeLong 1988 (delong.cc); the logit scale for an AUC: Qin & Hotilovac, SMMR 17 (2008)
// 207; Massart, Ann. Prob. 18 (1990) 1269 and Wei & Dudley, Stat. Prob. Lett. 82 (2012) 636 (sup of
// empirical processes); Zou & Donner, Stat Med 27 (2008) 1693 (square and add).
#include "harness/gate/roc.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "harness/gate/roc_internal.h"
#include "harness/gate/text.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Where fewer records than this lie on the wrong side of all others, or as much of more of them,
// whether one of them does moves the variance as it moves the AUC.
constexpr double kFewMisplaced = 10;

double share(int64_t k, int64_t n) { return static_cast<double>(k) / static_cast<double>(n); }

/// Members between one non-member and the next, from the points `first` to `last`, descending.
std::vector<int64_t> runs_of(const Roc& roc, size_t first, size_t last) {
  std::vector<int64_t> runs;
  for (size_t i = first; i < last; ++i) {
    const int64_t others = roc.points[i + 1].non_members - roc.points[i].non_members;
    runs.resize(runs.size() + static_cast<size_t>(std::max<int64_t>(others, runs.empty() ? 1 : 0)));
    runs.back() += roc.points[i + 1].members - roc.points[i].members;
  }
  std::sort(runs.begin(), runs.end(), std::greater<>());
  return runs;
}

/// Members beyond the first of each run that is too long for the slope of the others: a jump, as if
/// they tied. Where members are spread among non-members runs are geometric, and the longest
/// exceeds what is allowed once in twenty times. Up to two thirds of the runs may be such; then the
/// mean of all follows from the shorter ones, as of so many exponential variables.
int64_t crowded(const std::vector<int64_t>& runs) {
  constexpr double kLevel = 0.05;
  const size_t n = runs.size();
  const double count = static_cast<double>(n);
  std::vector<double> expected = {0};  // sum of the i shortest, in means
  double shortest = 0;
  for (size_t i = 0; i < n; ++i) {
    shortest += 1 / static_cast<double>(n - i);
    expected.push_back(expected.back() + shortest);
  }
  std::vector<int64_t> sums = {0};  // of the i longest
  for (const int64_t run : runs) sums.push_back(sums.back() + run);
  for (size_t longest = std::max<size_t>(1, 2 * n / 3); longest > 0 && n > 0; --longest) {
    const double rest = static_cast<double>(sums.back() - sums[longest]);
    const double mean = n > longest ? (rest + 0.5) / expected[n - longest] : 1;
    const double most = std::log(kLevel / count) / std::log(mean / (1 + mean));
    if (static_cast<double>(runs[longest - 1]) > most) {
      return sums[longest] - static_cast<int64_t>(longest);
    }
  }
  return 0;
}

/// Share of the members that one step up a continuous ROC would not have passed, from `first` to
/// `last`: those that tie, or nearly so, with no non-member between them.
double jump(const Roc& roc, size_t first, size_t last) {
  int64_t tied = 0;
  for (size_t i = first; i < last; ++i) {
    tied += std::max<int64_t>(0, roc.points[i + 1].members - roc.points[i].members - 1);
  }
  return share(std::max(tied, crowded(runs_of(roc, first, last))), roc.members);
}

/// Where members tie, TPR at an FPR is one of few values, and which of them depends on the side of
/// `fpr` that a threshold's FPR lies on: a step, not an error that could be squared. So the bounds
/// there are those of TPR at the furthest region that may be meant, and alpha is split between
/// which it is and what its TPR is.
void widen_by_jumps(const Roc& roc, double fpr, double confidence, Bounded& bounded) {
  const double split = (1 + confidence) / 2;
  const Regions far = regions_at(roc, fpr, split);
  if (far.down + far.up <= 0) return;
  const auto bounds = [&](size_t at) {
    return clopper_pearson(roc.points[at].members, roc.members, split);
  };
  const double low = tpr_of(roc, far.inner);
  const double high = tpr_of(roc, far.outer);
  const double least = bounded.value - far.down;
  const double most = bounded.value + far.up;
  bounded.lower =
      std::min(bounded.lower, least - std::hypot(least - low, low - bounds(far.inner).lower));
  bounded.upper =
      std::max(bounded.upper, most + std::hypot(high - most, bounds(far.outer).upper - high));
}

/// True if a tie leaves more than half of the allowed false positives unused.
bool claims_few(const Roc& roc, double fpr) {
  const int64_t allowed = allowed_positives(roc, fpr);
  return 2 * roc.points[region(roc, allowed)].non_members < allowed;
}

/// The largest standard error of TPR - FPR where its expectation is `difference`.
double largest_error(double difference, double m, double n) {
  const double tpr = std::clamp(0.5 + difference * m / (m + n), difference, 1.0);
  const double fpr = std::max(0.0, tpr - difference);
  return std::sqrt(tpr * (1 - tpr) / m + fpr * (1 - fpr) / n);
}

struct PlacedAuc {
  explicit PlacedAuc(const ScoreSets& scores)
      : placed(place(scores.members, scores.non_members)),
        auc(delong(placed)),
        ties(tie_much(scores)),
        pairs(static_cast<double>(std::min(scores.members.size(), scores.non_members.size()))) {}

  Placements placed;
  Auc auc;
  bool ties;
  double pairs;  ///< of the smaller set's records
};

/// The bounds, were there `factor` times as many records, placed as these are.
Bounded grown_auc(const PlacedAuc& found, double confidence, double factor) {
  const Auc& auc = found.auc;
  // Perfect separation makes every one of k disjoint pairs right: exact for k coins.
  const double pairs = found.pairs * factor;
  const double nearest = std::pow(1 - confidence, 1 / pairs);
  Bounded bounded = {auc.value, nearest, 1 - nearest};
  if (auc.value <= 0) return {auc.value, 0, bounded.upper};
  if (auc.value >= 1) return {auc.value, bounded.lower, 1};
  const double logit = std::log(auc.value / (1 - auc.value));
  const double reach = student_quantile(confidence, auc.freedom * factor) *
                       std::sqrt(auc.variance / factor) / (auc.value * (1 - auc.value));
  bounded.lower = std::min(bounded.lower, 1 / (1 + std::exp(reach - logit)));
  bounded.upper = std::max(bounded.upper, 1 / (1 + std::exp(-reach - logit)));
  const double misplaced = std::min(auc.value, 1 - auc.value) * pairs;
  if (!found.ties && pairs >= kFewRecords && misplaced >= kFewMisplaced) return bounded;
  const Interval members = grown_mean_bounds(found.placed.below, confidence, factor);
  const Interval others = grown_mean_bounds(found.placed.above, confidence, factor);
  bounded.lower = std::min(
      bounded.lower, auc.value - std::hypot(auc.value - members.lower, auc.value - others.lower));
  bounded.upper = std::max(
      bounded.upper, auc.value + std::hypot(members.upper - auc.value, others.upper - auc.value));
  bounded.lower = std::max(0.0, bounded.lower);
  bounded.upper = std::min(1.0, bounded.upper);
  return bounded;
}

}  // namespace

double growth_until(const std::function<bool(double factor)>& decides) {
  constexpr double kMost = 1e12;
  double enough = 1;
  while (!decides(enough)) {
    enough *= 2;
    if (enough > kMost) return std::numeric_limits<double>::infinity();
  }
  double few = std::max(1.0, enough / 2);
  for (int i = 0; i < 30; ++i) {
    const double middle = (few + enough) / 2;
    (decides(middle) ? enough : few) = middle;
  }
  return enough;
}

Interval grown_mean_bounds(const std::vector<double>& values, double confidence, double factor) {
  constexpr size_t kMostCopied = 200;
  const size_t most = std::max<size_t>(1, kMostCopied / values.size());
  const auto copies = static_cast<size_t>(std::min(std::floor(factor), static_cast<double>(most)));
  std::vector<double> all;
  for (size_t copy = 0; copy < copies; ++copy) all.insert(all.end(), values.begin(), values.end());
  const Interval bounds = mean_bounds(all, confidence);
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  const double root = std::sqrt(factor / static_cast<double>(copies));
  return {mean - (mean - bounds.lower) / root, mean + (bounds.upper - mean) / root};
}

size_t region(const Roc& roc, int64_t k) {
  const auto beyond = std::upper_bound(
      roc.points.begin(), roc.points.end(), k,
      [](int64_t most, const OperatingPoint& at) { return most < at.non_members; });
  return static_cast<size_t>(beyond - roc.points.begin()) - 1;
}

int64_t allowed_positives(const Roc& roc, double fpr) {
  const double n = static_cast<double>(roc.non_members);
  return std::min(roc.non_members, static_cast<int64_t>(std::floor(fpr * n + 1e-9)));
}

double tpr_of(const Roc& roc, size_t at) { return share(roc.points[at].members, roc.members); }

Regions regions_at(const Roc& roc, double fpr, double confidence) {
  const int64_t n = roc.non_members;
  const int64_t surely =
      last_that_holds(n, [&](int64_t k) { return clopper_pearson(k, n, confidence).upper <= fpr; });
  const int64_t possibly =
      last_that_holds(n, [&](int64_t k) { return clopper_pearson(k, n, confidence).lower <= fpr; });
  Regions found;
  found.claimed = region(roc, allowed_positives(roc, fpr));
  found.inner = surely < 0 ? 0 : std::min(found.claimed, region(roc, surely));
  found.outer = std::max(found.claimed, region(roc, std::max<int64_t>(0, possibly)));
  found.down = jump(roc, found.inner, found.claimed);
  found.up = jump(roc, found.claimed, found.outer);
  return found;
}

bool tie_much(const ScoreSets& scores) {
  std::vector<double> all = scores.members;
  all.insert(all.end(), scores.non_members.begin(), scores.non_members.end());
  const size_t records = all.size();
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return 4 * all.size() <= 3 * records;
}

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
  return grown_auc(PlacedAuc(scores), confidence, 1);
}

double auc_growth(const ScoreSets& scores, double limit, double confidence) {
  const PlacedAuc placed(scores);
  if (placed.auc.value == limit) return std::numeric_limits<double>::infinity();
  return growth_until([&](double factor) {
    const Bounded bounded = grown_auc(placed, confidence, factor);
    return placed.auc.value > limit ? bounded.lower > limit : bounded.upper <= limit;
  });
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

double advantage_growth(double value, int64_t members, int64_t non_members, double limit,
                        double confidence) {
  const double m = static_cast<double>(members);
  const double n = static_cast<double>(non_members);
  const double gap = std::abs(value - limit);
  if (value > limit) return std::log(1 / (1 - confidence)) / 2 * (1 / m + 1 / n) / (gap * gap);
  // gap - step / factor = error / sqrt(factor), as of `advantage` where it takes the limit for true
  const double step = (1 / m + 1 / n) / 2;
  const double error = normal_quantile(confidence) * largest_error(limit, m, n);
  return std::pow((error + std::sqrt(error * error + 4 * gap * step)) / (2 * gap), 2);
}

Bounded tpr_at_fpr(const Roc& roc, double fpr, double confidence) {
  ASSAY_CHECK(fpr >= 0 && fpr <= 1, "an FPR lies in [0, 1]");
  const Regions near = regions_at(roc, fpr, confidence);
  const double value = tpr_of(roc, near.claimed);
  const Interval members =
      clopper_pearson(roc.points[near.claimed].members, roc.members, confidence);
  Bounded bounded = {value,
                     value - std::hypot(value - members.lower, value - tpr_of(roc, near.inner)),
                     value + std::hypot(members.upper - value, tpr_of(roc, near.outer) - value)};
  widen_by_jumps(roc, fpr, confidence, bounded);
  if (claims_few(roc, fpr)) {
    const int64_t beyond = roc.points[near.claimed + 1].members;
    bounded.upper = std::max(bounded.upper, clopper_pearson(beyond, roc.members, confidence).upper);
  }
  bounded.lower = std::max(0.0, bounded.lower);
  bounded.upper = std::min(1.0, bounded.upper);
  return bounded;
}

std::string tpr_obstacle(const Roc& roc, double fpr, double confidence,
                         std::string_view negatives) {
  if (!claims_few(roc, fpr)) return "";
  const int64_t allowed = allowed_positives(roc, fpr);
  const size_t at = region(roc, allowed);
  const OperatingPoint& claimed = roc.points[at];
  if (clopper_pearson(claimed.members, roc.members, confidence).lower > fpr) return "";
  const std::string tied = std::to_string(roc.points[at + 1].non_members - claimed.non_members) +
                           " " + std::string(negatives);
  const std::string rate = "an FPR of at most " + figure(fpr);
  if (claimed.non_members == 0) {
    return "the " + tied + " that score highest tie; no threshold has " + rate +
           " but one above them all; take an attack whose scores tie less, such as loss";
  }
  return tied + " tie below the " + std::to_string(claimed.non_members) +
         " that score highest; no threshold with " + rate + " claims the " +
         std::to_string(allowed) +
         " that it allows, nor half of them; take an attack whose scores tie less, such as loss";
}

Bounded realised_fpr(const Roc& roc, double fpr, double confidence) {
  const int64_t k = roc.points[region(roc, allowed_positives(roc, fpr))].non_members;
  const Interval bounds = clopper_pearson(k, roc.non_members, confidence);
  return {share(k, roc.non_members), bounds.lower, bounds.upper};
}

int64_t non_members_needed(double fpr) { return std::llround(10 / fpr); }

}  // namespace assay

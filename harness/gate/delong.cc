// DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837, by the mid-ranks of Sun & Xu, IEEE SPL
// 21 (2014) 1389: sorting is all the work. Degrees of freedom: Satterthwaite, Biometrics Bulletin 2
// (1946) 110.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "harness/gate/statistics.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

/// Ranks from 1; tied values share the mean of their ranks.
std::vector<double> mid_ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t left, size_t right) { return values[left] < values[right]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    const double rank = static_cast<double>(first + end + 1) / 2;
    for (size_t i = first; i < end; ++i) ranks[order[i]] = rank;
    first = end;
  }
  return ranks;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Sample variance of the mean of `values`.
double variance_of_mean(const std::vector<double>& values) {
  const double centre = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  const double n = static_cast<double>(values.size());
  return sum / (n - 1) / n;
}

/// A mean, and the sum of two variances that were each estimated.
Auc combine(double value, const std::vector<double>& below, const std::vector<double>& above) {
  const double first = variance_of_mean(below);
  const double second = variance_of_mean(above);
  const double variance = first + second;
  const double spread = first * first / static_cast<double>(below.size() - 1) +
                        second * second / static_cast<double>(above.size() - 1);
  return {value, variance, spread > 0 ? std::max(1.0, variance * variance / spread) : 1};
}

std::vector<double> differences(std::vector<double> first, const std::vector<double>& second) {
  ASSAY_CHECK(first.size() == second.size(), "a paired AUC needs the same records twice");
  for (size_t i = 0; i < first.size(); ++i) first[i] -= second[i];
  return first;
}

}  // namespace

Placements place(const std::vector<double>& positives, const std::vector<double>& negatives) {
  ASSAY_CHECK(positives.size() >= 2 && negatives.size() >= 2, "DeLong needs two of each set");
  std::vector<double> all = positives;
  all.insert(all.end(), negatives.begin(), negatives.end());
  ASSAY_CHECK(std::none_of(all.begin(), all.end(), [](double v) { return std::isnan(v); }),
              "an AUC of NaN");
  const std::vector<double> ranks = mid_ranks(all);
  const std::vector<double> among_positives = mid_ranks(positives);
  const std::vector<double> among_negatives = mid_ranks(negatives);
  const double m = static_cast<double>(positives.size());
  const double n = static_cast<double>(negatives.size());
  Placements placed = {std::vector<double>(positives.size()),
                       std::vector<double>(negatives.size())};
  for (size_t i = 0; i < placed.below.size(); ++i) {
    placed.below[i] = (ranks[i] - among_positives[i]) / n;
  }
  for (size_t j = 0; j < placed.above.size(); ++j) {
    placed.above[j] = 1 - (ranks[positives.size() + j] - among_negatives[j]) / m;
  }
  return placed;
}

Auc delong(const Placements& placed) {
  return combine(mean(placed.below), placed.below, placed.above);
}

Auc delong(const std::vector<double>& positives, const std::vector<double>& negatives) {
  return delong(place(positives, negatives));
}

Auc delong_difference(const Placements& here, const Placements& there) {
  // The variance of the differences is V + V' - 2 C, without three sums that nearly cancel.
  const std::vector<double> below = differences(here.below, there.below);
  const std::vector<double> above = differences(here.above, there.above);
  return combine(mean(below), below, above);
}

}  // namespace assay

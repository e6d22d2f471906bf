// The intervals that decide. One-sided bounds; `confidence` in (0.5, 1). Sources in statistics.cc.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace assay {

struct Interval {
  double lower = 0;
  double upper = 0;
};

/// Standard normal quantile.
double normal_quantile(double probability);

/// Student's t quantile; freedom > 0.
double student_quantile(double probability, double freedom);

/// The largest k in [-1, n] for which `holds`, which is true up to some k and false from there on.
template <typename Holds>
int64_t last_that_holds(int64_t n, Holds holds) {
  int64_t known = -1;
  int64_t beyond = n + 1;
  while (beyond - known > 1) {
    const int64_t middle = known + (beyond - known) / 2;
    (holds(middle) ? known : beyond) = middle;
  }
  return known;
}

/// Clopper–Pearson (1934): one-sided bounds of a proportion, k of n; n ≥ 1.
Interval clopper_pearson(int64_t k, int64_t n, double confidence);

/// Wilson (1927) score interval: approximate and quick. It chooses the threshold at which the split
/// estimator of epsilon_lower then tests, and decides nothing.
Interval wilson(int64_t k, int64_t n, double confidence);

/// Tango (1998): one-sided bounds of D = (b − c)/n for paired proportions; works at b = c = 0.
Interval tango(int64_t b, int64_t c, int64_t n, double confidence);

/// One-sided mid-p McNemar: small if b is too large for chance.
double mcnemar_mid_p(int64_t b, int64_t c);

/// Order-statistic bounds of the median; `values` may hold infinities. An end that the sample
/// cannot give at this confidence is absent.
struct MedianBounds {
  double value = 0;
  std::optional<double> lower;
  std::optional<double> upper;
};
MedianBounds median_bounds(std::vector<double> values, double confidence);

/// Bounds of the mean of a variable in [0, 1] from two independent values or more, none of them
/// normal: as if one more value lay at the far end (Gaffke 2005). Clopper-Pearson's where all
/// values are 0 or 1; never of width 0 unless the values lie at that end.
Interval mean_bounds(const std::vector<double>& values, double confidence);

/// For each positive the share of negatives below it, for each negative that of positives above
/// it; equals count half. Both have the AUC as their mean. Two values or more on each side.
struct Placements {
  std::vector<double> below;
  std::vector<double> above;
};
Placements place(const std::vector<double>& positives, const std::vector<double>& negatives);

/// DeLong (1988) with mid-ranks (Sun & Xu 2014), O(N log N). Two values or more on each side.
struct Auc {
  double value = 0;
  double variance = 0;
  double freedom = 0;  ///< degrees of freedom of the variance (Satterthwaite), at least 1
};
Auc delong(const Placements& placed);
Auc delong(const std::vector<double>& positives, const std::vector<double>& negatives);
/// AUC minus the AUC of other scores of the same records, in the same order, and the variance of
/// that difference: scores of one record are correlated, which makes it smaller.
Auc delong_difference(const Placements& here, const Placements& there);

/// What the planning functions answer where no number of samples is enough.
inline constexpr int64_t kNoSampleSuffices = std::numeric_limits<int64_t>::max();

/// Samples needed so that a non-inferiority test with margin d and true difference 0 has power 0.8
/// when a share psi of pairs is discordant (Lu & Bean 1995), and never fewer than Tango's bound
/// needs where no pair is. margin > 0.
int64_t samples_for_margin(double margin, double psi, double confidence);

/// Samples needed so that Clopper–Pearson separates `value` from `limit`, if the value holds.
int64_t samples_for_limit(double value, double limit, double confidence);

}  // namespace assay

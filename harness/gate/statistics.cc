// Sources: Clopper & Pearson, Biometrika 26 (1934) 404; Wilson, JASA 22 (1927) 209; Tango, Stat Med
// 17 (1998) 891; Newcombe, Stat Med 17 (1998) 2635, method 10; Fagerland, Lydersen & Laake, BMC MRM
// 13 (2013) 91 (mid-p); Lu & Bean, Stat Med 14 (1995) 1831 (sample size); Gaffke, Math. Methods
// Stat. 14 (2005) 451 (mean of a bounded variable). All bounds are one-sided.
#include "harness/gate/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "harness/suite/error.h"

namespace assay {
namespace {

using Binomial = boost::math::binomial_distribution<double>;

void check_confidence(double confidence) {
  ASSAY_CHECK(confidence > 0.5 && confidence < 1, "confidence must lie in (0.5, 1)");
}

void check_count(int64_t k, int64_t n) {
  ASSAY_CHECK(n >= 1 && k >= 0 && k <= n, "a proportion needs 0 <= k <= n and n >= 1");
}

/// Tango's score equation for D = delta, as b - c - n·delta + z·(standard error under delta). It
/// has the sign of z(delta) + z and needs no division, so it holds at b = c = 0 and at the ends.
double tango_score(double b, double c, double n, double delta, double z) {
  const double qa = 2 * n;
  const double qb = -b - c + (2 * n - b + c) * delta;
  const double qc = -c * delta * (1 - delta);
  const double root = std::sqrt(std::max(0.0, qb * qb - 4 * qa * qc));
  // The larger root of A·q² + B·q + C, in the form that does not cancel.
  const double q = qb > 0 ? -2 * qc / (qb + root) : (root - qb) / (2 * qa);
  const double variance = std::max(0.0, n * (2 * q + delta * (1 - delta)));
  return b - c - n * delta + z * std::sqrt(variance);
}

double tango_upper(int64_t b, int64_t c, int64_t n, double z) {
  if (b == n) return 1;
  const double bd = static_cast<double>(b);
  const double cd = static_cast<double>(c);
  const double nd = static_cast<double>(n);
  const auto score = [&](double delta) { return tango_score(bd, cd, nd, delta, z); };
  // Where the standard error at D itself is zero (b = c = 0, or c = n) D is a trivial root; just
  // above it the score is positive, because a square root rises faster than a line.
  const double start = (bd - cd) / nd + 1e-12;
  if (!(score(start) > 0)) return start;
  std::uintmax_t iterations = 200;
  const auto bracket = boost::math::tools::toms748_solve(
      score, start, 1.0, boost::math::tools::eps_tolerance<double>(50), iterations);
  return bracket.second;
}

/// Clopper–Pearson for a real number of successes, which planning needs.
double real_lower(double k, double n, double alpha) {
  return k <= 0 ? 0 : boost::math::ibeta_inv(k, n - k + 1, alpha);
}
double real_upper(double k, double n, double alpha) {
  return k >= n ? 1 : boost::math::ibeta_inv(k + 1, n - k, 1 - alpha);
}

/// The quantile of the mean of `values` and 1, weighed by a flat Dirichlet distribution, as that of
/// the beta distribution with its mean, variance and range.
double mean_upper(const std::vector<double>& values, double confidence) {
  const double least = *std::min_element(values.begin(), values.end());
  if (least >= 1) return 1;
  const double all = static_cast<double>(values.size()) + 1;
  double mean = 1 / all;
  for (const double value : values) mean += (value - least) / (1 - least) / all;
  double spread = (1 - mean) * (1 - mean) / all;
  for (const double value : values) {
    const double away = (value - least) / (1 - least) - mean;
    spread += away * away / all;
  }
  const double weight = mean * (1 - mean) * (all + 1) / spread - 1;
  const double share = boost::math::ibeta_inv(mean * weight, (1 - mean) * weight, confidence);
  return least + share * (1 - least);
}

int64_t ceiling(double samples) {
  constexpr double kMost = 9e18;
  return samples < kMost ? static_cast<int64_t>(std::ceil(samples)) : kNoSampleSuffices;
}

}  // namespace

double normal_quantile(double probability) {
  ASSAY_CHECK(probability > 0 && probability < 1, "a quantile needs a probability in (0, 1)");
  return boost::math::quantile(boost::math::normal_distribution<double>(), probability);
}

double student_quantile(double probability, double freedom) {
  return boost::math::quantile(boost::math::students_t_distribution<double>(freedom), probability);
}

Interval clopper_pearson(int64_t k, int64_t n, double confidence) {
  check_count(k, n);
  check_confidence(confidence);
  const double kd = static_cast<double>(k);
  const double nd = static_cast<double>(n);
  const double alpha = 1 - confidence;
  return {k == 0 ? 0 : Binomial::find_lower_bound_on_p(nd, kd, alpha),
          k == n ? 1 : Binomial::find_upper_bound_on_p(nd, kd, alpha)};
}

Interval wilson(int64_t k, int64_t n, double confidence) {
  check_count(k, n);
  check_confidence(confidence);
  const double nd = static_cast<double>(n);
  const double p = static_cast<double>(k) / nd;
  const double z = normal_quantile(confidence);
  const double centre = p + z * z / (2 * nd);
  const double half = z * std::sqrt(p * (1 - p) / nd + z * z / (4 * nd * nd));
  const double scale = 1 + z * z / nd;
  return {k == 0 ? 0 : std::max(0.0, (centre - half) / scale),
          k == n ? 1 : std::min(1.0, (centre + half) / scale)};
}

Interval tango(int64_t b, int64_t c, int64_t n, double confidence) {
  check_confidence(confidence);
  ASSAY_CHECK(n >= 1 && b >= 0 && c >= 0 && b <= n - c, "Tango needs b, c >= 0 and b + c <= n");
  const double z = normal_quantile(confidence);
  return {-tango_upper(c, b, n, z), tango_upper(b, c, n, z)};
}

Interval mean_bounds(const std::vector<double>& values, double confidence) {
  check_confidence(confidence);
  ASSAY_CHECK(values.size() >= 2, "the bounds of a mean need two values");
  std::vector<double> turned;
  turned.reserve(values.size());
  for (const double value : values) {
    ASSAY_CHECK(value >= 0 && value <= 1, "values must lie in [0, 1]");
    turned.push_back(1 - value);
  }
  return {1 - mean_upper(turned, confidence), mean_upper(values, confidence)};
}

double mcnemar_mid_p(int64_t b, int64_t c) {
  ASSAY_CHECK(b >= 0 && c >= 0, "McNemar needs two counts");
  const Binomial chance(static_cast<double>(b + c), 0.5);
  const double at = static_cast<double>(b);
  const double above = b + c == b ? 0 : boost::math::cdf(boost::math::complement(chance, at));
  return above + boost::math::pdf(chance, at) / 2;
}

MedianBounds median_bounds(std::vector<double> values, double confidence) {
  check_confidence(confidence);
  ASSAY_CHECK(!values.empty(), "a median needs a value");
  ASSAY_CHECK(std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
              "a median of NaN");
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  const double low = values[(n - 1) / 2];
  const double high = values[n / 2];
  MedianBounds bounds;
  bounds.value = low == high || std::isinf(high) ? high : low + (high - low) / 2;
  // x_(r) is a lower bound if P(Bin(n, 1/2) <= r - 1) <= alpha; the largest such r is the sharpest.
  const Binomial chance(static_cast<double>(n), 0.5);
  size_t r = 0;
  size_t beyond = n / 2 + 1;
  while (beyond - r > 1) {
    const size_t middle = r + (beyond - r) / 2;
    const bool holds = boost::math::cdf(chance, static_cast<double>(middle - 1)) <= 1 - confidence;
    (holds ? r : beyond) = middle;
  }
  if (r > 0) {
    bounds.lower = values[r - 1];
    bounds.upper = values[n - r];
  }
  return bounds;
}

int64_t samples_for_margin(double margin, double psi, double confidence) {
  check_confidence(confidence);
  ASSAY_CHECK(margin > 0 && psi >= 0 && psi <= 1, "a margin above 0 and a share psi in [0, 1]");
  const double z = normal_quantile(confidence);
  const double both = z + normal_quantile(0.8);
  // With no discordant pair at all, Tango's upper bound is z²/(n + z²): never fewer than that
  // needs.
  const double least = z * z * std::max(0.0, 1 - margin) / margin;
  return ceiling(std::max(both * both * psi / (margin * margin), least));
}

int64_t samples_for_limit(double value, double limit, double confidence) {
  check_confidence(confidence);
  ASSAY_CHECK(value >= 0 && value <= 1, "a proportion lies in [0, 1]");
  if (value == limit) return kNoSampleSuffices;
  const double alpha = 1 - confidence;
  const auto separates = [&](double n) {
    return value > limit ? real_lower(value * n, n, alpha) >= limit
                         : real_upper(value * n, n, alpha) < limit;
  };
  constexpr double kMost = 1e12;
  double enough = 1;
  while (!separates(enough)) {
    enough *= 2;
    if (enough > kMost) return kNoSampleSuffices;
  }
  double few = std::floor(enough / 2);
  while (enough - few > 1) {
    const double middle = std::floor((few + enough) / 2);
    (separates(middle) ? enough : few) = middle;
  }
  return ceiling(enough);
}

}  // namespace assay

#include "harness/monitor/shapiro_wilk.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "harness/suite/error.h"

namespace assay {
namespace {

// Royston's polynomials in 1/√n for the two outermost weights, by rising power.
constexpr double kOutermost[] = {0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056};
constexpr double kSecond[] = {0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633};

double polynomial(const double (&coefficients)[6], double x) {
  double value = 0;
  for (int i = 5; i >= 0; --i) value = value * x + coefficients[i];
  return value;
}

// Weights of the upper half of the ordered sample, the largest value's first. The lower half has
// the same with the opposite sign, and the middle of an odd sample has none.
std::vector<double> weights(size_t n) {
  if (n == 3) return {std::sqrt(0.5)};
  const boost::math::normal_distribution<double> normal;
  std::vector<double> scores(n / 2);  // expected normal order statistics, by Blom
  double squares = 0;                 // of all n
  for (size_t i = 0; i < scores.size(); ++i) {
    const double rank = static_cast<double>(i + 1) - 0.375;
    scores[i] = quantile(complement(normal, rank / (static_cast<double>(n) + 0.25)));
    squares += 2 * scores[i] * scores[i];
  }
  const double root = 1 / std::sqrt(static_cast<double>(n));
  std::vector<double> result = scores;
  const size_t fitted = n > 5 ? 2 : 1;
  double rest = squares;  // of the scores that keep their proportions
  double share = 1;       // of the weights' unit length that is left for them
  for (size_t i = 0; i < fitted; ++i) {
    result[i] = scores[i] / std::sqrt(squares) + polynomial(i == 0 ? kOutermost : kSecond, root);
    rest -= 2 * scores[i] * scores[i];
    share -= 2 * result[i] * result[i];
  }
  const double scale = std::sqrt(share / rest);
  for (size_t i = fitted; i < result.size(); ++i) result[i] = scores[i] * scale;
  return result;
}

}  // namespace

double shapiro_wilk(std::vector<double> values) {
  const size_t n = values.size();
  ASSAY_CHECK(n >= 3, "Shapiro-Wilk needs 3 values");
  std::sort(values.begin(), values.end());
  ASSAY_CHECK(values.front() < values.back(), "Shapiro-Wilk needs values that differ");
  // Relative to the median and the range, so that neither offset nor scale costs digits.
  const double origin = values[n / 2];
  const double range = values.back() - values.front();
  double mean = 0;
  for (double& value : values) {
    value = (value - origin) / range;
    mean += value;
  }
  mean /= static_cast<double>(n);
  const std::vector<double> half = weights(n);
  double product = 0;
  double length = 0;
  for (size_t i = 0; i < half.size(); ++i) {
    product += half[i] * (values[n - 1 - i] - values[i]);
    length += 2 * half[i] * half[i];
  }
  double variation = 0;
  for (const double value : values) variation += (value - mean) * (value - mean);
  return std::min(1.0, product * product / (length * variation));
}

}  // namespace assay

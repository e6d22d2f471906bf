#include "attacks/math/bandit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/suite/error.h"

namespace assay::attacks {

Bandit::Bandit(size_t arms) : preferences_(arms), taken_(arms) {}

std::vector<double> Bandit::shares(const std::vector<bool>& open) const {
  double most = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < open.size(); ++i) {
    if (open[i]) most = std::max(most, preferences_[i]);
  }
  ASSAY_CHECK(std::isfinite(most), "an arm is open");
  std::vector<double> shares(open.size());
  double sum = 0;
  for (size_t i = 0; i < open.size(); ++i) {
    if (open[i]) sum += shares[i] = std::exp(preferences_[i] - most);
  }
  for (double& share : shares) share /= sum;
  return shares;
}

void Bandit::learn(size_t arm, double reward, const std::vector<double>& shares) {
  average_ += (reward - average_) / static_cast<double>(++all_);
  const double gain = (reward - average_) / static_cast<double>(++taken_[arm]);
  for (size_t i = 0; i < preferences_.size(); ++i) preferences_[i] -= gain * shares[i];
  preferences_[arm] += gain;
}

double RunningScore::operator()(double value) {
  if (!std::isfinite(value)) return 0;
  const double from_before = value - mean_;
  mean_ += from_before / static_cast<double>(++count_);
  squares_ += from_before * (value - mean_);
  const double deviation = std::sqrt(squares_ / static_cast<double>(count_));
  // Rounding alone must not count as variety.
  if (!(deviation > 1e-9 * std::max(1.0, std::abs(mean_)))) return 0;
  return (value - mean_) / deviation;
}

}  // namespace assay::attacks

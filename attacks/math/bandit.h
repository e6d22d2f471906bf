// What Knockoff Nets learns which classes to ask for with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::attacks {

/// Gradient bandit (Sutton, Barto, "Reinforcement Learning", 2nd edition, section 2.8): a
/// preference for each arm, which rises by the arm's reward above the average. An arm's rate is one
/// over the times it was taken.
class Bandit {
 public:
  explicit Bandit(size_t arms);

  /// Softmax of the preferences over the arms that are open, one at least; 0 for the others.
  std::vector<double> shares(const std::vector<bool>& open) const;

  /// The reward of an arm that was drawn from these shares.
  void learn(size_t arm, double reward, const std::vector<double>& shares);

 private:
  std::vector<double> preferences_;
  std::vector<int64_t> taken_;
  int64_t all_ = 0;
  double average_ = 0;  // of rewards
};

/// Standardises numbers as they come, by mean and deviation of those up to now, the present one
/// with them. 0 while they are all the same, and for what is no finite number, which is left out.
class RunningScore {
 public:
  double operator()(double value);

 private:
  int64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // sum of squared distances to the mean
};

}  // namespace assay::attacks

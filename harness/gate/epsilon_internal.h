// Shared by the files of the epsilon audit; no one else includes it.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/gate/epsilon.h"

namespace assay {

/// A region of scores as the audit bounds it: all above the score of one non-member.
struct Region {
  double tpr = 0;  ///< certainly at least
  double fpr = 1;  ///< certainly at most
};

/// What one region says about epsilon; minus infinity where it says nothing.
double epsilon_of(const Region& region, const EpsilonAudit& audit);

/// Bounds of a region with `a` of `m` members and `k` of `n` non-members, each at 1 - alpha.
Region bound_region(int64_t a, int64_t m, int64_t k, int64_t n, double alpha);

/// The ranks of non-members whose scores serve as thresholds, fixed by their number alone.
std::vector<int64_t> threshold_ranks(int64_t n);

/// Level of each bound when all thresholds are tried, and when one is.
double level_of_each(const EpsilonAudit& audit, size_t thresholds);

/// With what probability, and no less, `split` shows more than `limit` where the true epsilon is
/// `truth` and the attack the best that epsilon, delta and the ties of `resolution` allow.
double split_power(const EpsilonAudit& audit, const Resolution& resolution, int64_t members,
                   int64_t non_members, double limit, double truth);

/// Steinke et al.: the numbers of guesses that are tried, and the p-value of `right` right ones.
std::vector<int64_t> guess_counts(int64_t records);
double one_run_p_value(int64_t records, int64_t guesses, int64_t right, double epsilon,
                       double delta);
/// Level of each number of guesses, tried in two ways; all records in one only, by halves, since
/// "all are members" does not look at the scores.
double one_run_level(const EpsilonAudit& audit, int64_t records);

/// The mu of a Gaussian mechanism with this epsilon and delta, and back.
double mu_of_epsilon(double epsilon, double delta);
double epsilon_of_mu(double mu, double delta);

double normal_probability(double z);

}  // namespace assay

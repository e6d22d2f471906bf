// Has recent traffic left the distribution that the model was tested on?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/monitor/stream.h"

namespace assay {

struct DriftOptions {
  double alpha = 0.05;         ///< chance of a false report, over all tests together
  int64_t permutations = 500;  ///< of mmd, or more where `alpha` asks for them
  int64_t most_rows = 1000;    ///< of each sample that mmd looks at; it is quadratic in them
  uint64_t seed = 0;           ///< of the rows that mmd draws, and of its permutations
};

/// Of mmd, at most: an alpha of 3 / (this + 1) or less is beyond it, and its `reason` says so.
inline constexpr int64_t kMostPermutations = 10000;

/// One two-sample test. Where it says nothing, `reason` tells why and the rest is 0.
struct DriftTest {
  std::string name;  ///< ks, mmd, labels
  std::string reason;
  double statistic = 0;   ///< ks: the largest distance of two distribution functions; mmd: MMD²,
                          ///< unbiased; labels: χ²
  double p_value = 1;     ///< ks: over all features (Bonferroni)
  bool drift = false;     ///< at `alpha` over all tests (Holm)
  int64_t reference = 0;  ///< rows looked at
  int64_t recent = 0;
  int64_t features = 0;                   ///< ks: that vary in the two samples together
  int64_t drifted = 0;                    ///< ks: features that differ by themselves (Holm)
  std::optional<int64_t> most_different;  ///< ks: the feature with the smallest p-value
};

/// Two-sample Kolmogorov–Smirnov per feature (conservative for ties; constant features are left
/// out), MMD² with a Gaussian kernel (Gretton et al., JMLR 13 (2012) 723; the bandwidth is the
/// median distance; permutation test), and χ² on the labels (rare ones together, so that 5 of each
/// are expected). Labels are compared where `labels` says that both sides have them. Each test
/// needs 20 rows a side. Both are of one width. ks, mmd, labels, in this order.
std::vector<DriftTest> drift_tests(const QueryView& reference, const QueryView& recent, bool labels,
                                   const DriftOptions& options);

/// P(D ≥ d) of the two-sample Kolmogorov–Smirnov distance of m and n values: exact where m n is
/// 40,000 or less; else by Kolmogorov's limit at d less half a step, 1 / (2 max(m, n)), with
/// Stephens' correction for finite samples (JRSS B 32 (1970) 115): down to 5e-5 from 2 % too small
/// to a third too large, and below from 3 % too small to, with 20 values on one side, some times
/// too large.
double kolmogorov_p_value(double d, int64_t m, int64_t n);

}  // namespace assay

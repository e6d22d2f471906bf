// The Shapiro–Wilk statistic of normality.
#pragma once

#include <vector>

namespace assay {

/// W in (0, 1] of 3 values or more, not all equal: near 1 for a normal sample (Shapiro & Wilk,
/// Biometrika 52 (1965) 591). Weights after Royston, AS R94, Appl. Statist. 44 (1995) 547, who
/// fitted them for 3 … 5,000 values; for more the same formula is used, as others do.
double shapiro_wilk(std::vector<double> values);

}  // namespace assay

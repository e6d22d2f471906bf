// How the gate's sentences spell figures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace assay {

/// Up to 5 significant digits.
std::string figure(double number);
/// A share of 1 as a percentage: 0.05 → 5%.
std::string percent(double share);
/// Rounded away from what was shown, to 4 decimals, so that the figure can be put into a suite.
double round_up(double number);
double round_down(double number);
/// "1 sample", "2 samples".
std::string count(int64_t n, std::string_view noun);
/// Digests are cut to 12 characters; all else is kept.
std::string brief(const std::string& value);

}  // namespace assay

// The share of eps that each sample may use, from a table beside the suite.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/record/evidence.h"

namespace assay {

struct SampleScale {
  std::vector<double> shares;  ///< [samples], above 0 and at most 1
  std::vector<int> lines;      ///< [samples], where each stands in the file
};

/// Reads a CSV file with the header `sample,share` and a line for each sample, ids spelt as in
/// samples.csv. It may list others, too. Throws Error with file, line and column for a line that is
/// not in order or the second one of a sample, and with the first id that is missing.
SampleScale read_sample_scale(const std::filesystem::path& path,
                              const std::vector<SampleInfo>& samples);

}  // namespace assay

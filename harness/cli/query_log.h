// Recorded queries: arrays of inputs, and tables of what the model answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/monitor/stream.h"

namespace assay {

/// The box that inputs live in.
struct Range {
  double lo = 0;
  double hi = 1;
};

/// Queries of a file, and whether it knows the model's answers (`labels` is all 0 where not).
struct QueryLog {
  QueryStream stream;
  bool labelled = false;
  std::vector<std::string> classes;  ///< columns of the outputs, one a class; or none
};

/// Reads a .npy of inputs [n, ...], or a .safetensors with inputs `x` and, perhaps, `labels` [n].
/// uint8 maps 0…255 onto the range. Throws Error (exit 2) naming the file and the row: for what is
/// no such file, a truncated one, NaN, what lies outside the range, and labels that are none of
/// `classes` classes, where that is known.
QueryLog read_queries(const std::filesystem::path& path, const Range& range,
                      std::optional<int64_t> classes);

/// What the model answered.
struct Answers {
  std::vector<int64_t> labels;
  std::vector<std::string> classes;  ///< the table's columns; none where it has a column `label`
};

/// What the model answered to `count` queries: the column `label`, or, where there is none, the
/// number of the column with the largest value, one a class; of `classes` classes, where that is
/// known. Throws Error naming line and column; also for a column that numbers the rows.
Answers read_outputs(const std::filesystem::path& path, int64_t count,
                     std::optional<int64_t> classes);

}  // namespace assay

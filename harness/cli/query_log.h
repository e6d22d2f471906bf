// Recorded queries: arrays of inputs, and tables of what the model answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/monitor/stream.h"

namespace assay {

/// The box that inputs live in.
struct Range {
  double lo = 0;
  double hi = 1;
};

/// The model's classes, as far as they are known.
struct Classes {
  std::optional<int64_t> count;
  std::vector<std::string> names;  ///< empty, or `count`
};

/// Queries of a file, and whether it knows the model's answers (`labels` is all 0 where not).
struct QueryLog {
  QueryStream stream;
  bool labelled = false;
  std::vector<std::string> classes;  ///< of Answers
};

/// Reads a .npy of inputs [n, ...], or a .safetensors with inputs `x` and, perhaps, `labels` [n].
/// uint8 maps 0…255 onto the range. Throws Error (exit 2) naming the file and the row: for what is
/// no such file, a truncated one, NaN, what lies outside the range, labels that are none of the
/// classes, and queries of another shape than the model's inputs (empty: unknown), unless flat.
QueryLog read_queries(const std::filesystem::path& path, const Range& range, const Classes& classes,
                      std::span<const int64_t> shape);

/// What the model answered.
struct Answers {
  std::vector<int64_t> labels;
  /// The table's columns, one a class, by whose places the labels go; none where these are the
  /// model's own numbers, of a column `label` or of columns that have its classes' names.
  std::vector<std::string> classes;
};

/// What the model answered to `count` queries: the column `label`, or, where there is none, the
/// column with the largest value, one a class: its number or, where classes have names, that of the
/// class of its name. Throws Error naming line and column; also for a column that is no class:
/// where half of them or more are named alike and numbered from 0 or 1, such as c0, c1, …, any that
/// is not; and from five rows on one that numbers the rows from 0 or 1, goes above 1 where the
/// others always sum to 1, or is the largest in every row and ascends or descends all the way (if
/// it stands still at times, in whole numbers above 1); and, unless names say that each is a class,
/// one that says which of the others is the largest, is the largest in every row by more than 20,
/// or, where rows have not all one sum, holds whole numbers alone and others fractions, or it
/// numbers above 1 and all others stay in [0, 1]. `Label` and such are refused for `label`.
Answers read_outputs(const std::filesystem::path& path, int64_t count, const Classes& classes);

}  // namespace assay

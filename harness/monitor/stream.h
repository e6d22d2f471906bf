// Queries as the interface that serves a model sees them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay {

/// Queries in the order they came, not owned.
struct QueryView {
  std::span<const float> inputs;    ///< [n, width], row-major
  int64_t width = 0;                ///< numbers in one query
  std::span<const int64_t> labels;  ///< [n]: what the model answered

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  std::span<const float> row(int64_t i) const {
    const auto length = static_cast<size_t>(width);
    return inputs.subspan(static_cast<size_t>(i) * length, length);
  }
};

/// The same, owned. `labels` has one entry a query even where nobody knows the answers.
struct QueryStream {
  std::vector<float> inputs;
  int64_t width = 0;
  std::vector<int64_t> labels;

  QueryView view() const { return {inputs, width, labels}; }
};

/// Refuses values that squared distances of such queries are no number for, in float: beyond
/// √(3.4e38 / 16 width). Throws Error that names `of` and the row.
void check_magnitudes(const QueryView& queries, const std::string& of);

}  // namespace assay

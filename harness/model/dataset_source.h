// Where samples come from: the same four questions to arrays, tables and image folders.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/suite/suite.h"

namespace assay {

/// Samples of one file or folder, restricted to `rows`; index 0 is the first of those. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  virtual std::string id(int64_t index) const = 0;
  virtual int64_t label(int64_t index) const = 0;
  /// What errors call the sample: `x.npy: row 17`.
  virtual std::string place(int64_t index) const = 0;
  /// Raw values of one sample, in the source's own order.
  virtual void read(int64_t index, std::span<double> out) const = 0;
  /// True where values are 0…255 to be mapped onto the box; false where they are taken as they are.
  virtual bool levels() const = 0;
  /// True where a sample is [height, width, channels] and the model's is [channels, height, width].
  virtual bool channels_last() const = 0;
};

std::unique_ptr<Source> open_arrays(const DataSpec& data, const ModelSpec& spec);
std::unique_ptr<Source> open_csv(const DataSpec& data, const ModelSpec& spec);
std::unique_ptr<Source> open_images(const DataSpec& data, const ModelSpec& spec);

/// The part of `total` samples that the suite asks for. Throws Error where it is empty or too long.
std::pair<int64_t, int64_t> used_rows(const DataSpec& data, int64_t total, const std::string& name);

/// A label as found, in [0, classes). Throws Error naming `place` otherwise.
int64_t checked_label(double value, const ModelSpec& spec, const std::string& place);

}  // namespace assay

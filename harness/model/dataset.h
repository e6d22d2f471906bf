// Labelled samples in one of the suite's formats; pixels are decoded per block, on demand.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// A reader of one data set. Opening reads headers and labels only; memory does not grow with the
/// number of samples beyond labels and offsets. Thread-safe.
class Dataset {
 public:
  /// Throws Error (exit 2) naming file, offset or row, what was found and what was expected.
  /// `spec` supplies shape, box, classes and dtype that the samples must fit.
  static Dataset open(const DataSpec& data, const ModelSpec& spec);
  Dataset(Dataset&&) noexcept;
  ~Dataset();

  /// Its name in the suite: test, pool, …
  const std::string& name() const;
  int64_t size() const;
  /// Sample ids in file order: relative paths for images, row numbers otherwise (of the file, so
  /// that `rows` does not renumber).
  std::string id(int64_t index) const;
  int64_t label(int64_t index) const;
  /// Decoded samples as [n, ...shape] in the model's dtype and the box. Throws Error for an
  /// unreadable sample, a wrong shape, NaN, or a value outside the box, with its place.
  at::Tensor read(std::span<const int64_t> indices) const;

 private:
  struct Impl;
  explicit Dataset(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What `count` of a draw goes by: the samples with the lowest keys.
uint64_t draw_key(uint64_t seed, const std::string& id);

/// Indices drawn by a SampleSpec, ascending. `count` takes the lowest hash(seed, id) (per class in
/// proportion where stratified), so that a smaller sample is part of a larger one. Throws Error if
/// more are asked for than exist, or an id is unknown.
std::vector<int64_t> draw(const Dataset& dataset, const SampleSpec& sample);

/// Id, label and content digest of the samples at `indices`, decoded in pieces.
std::vector<SampleInfo> describe(const Dataset& dataset, std::span<const int64_t> indices);

}  // namespace assay

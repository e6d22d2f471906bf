// Adversarials that earlier runs found, of any model, to be tried first on the next one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/record/evidence.h"
#include "harness/record/store.h"

namespace assay {

/// One of them: a row of a blob in the store.
struct Found {
  std::string sample;   ///< SampleInfo::digest of the clean input
  std::string model;    ///< SHA-256 of the model that it broke
  std::string point;    ///< SHA-256 of its bytes, which tells copies apart from what is new
  std::string blob;     ///< SHA-256
  int64_t row = 0;      ///< of the blob
  int64_t entries = 0;  ///< numbers in a row
  bool float64 = false;
  bool operator==(const Found&) const = default;
};

/// The file `corpus.sqlite` in a store's folder. Safe for several processes at once.
class Corpus {
 public:
  /// Opens or creates. Throws Error like Store.
  explicit Corpus(const std::filesystem::path& folder);
  ~Corpus();

  /// Adds what is new. Of each sample `kMost` are kept: the last of each model, then the last but
  /// one of each, and so on.
  void add(const std::vector<Found>& found);
  /// What is known of these samples, except what `model` was broken by: its own adversarials would
  /// tell nothing. At most `most` of each sample: up to half of them what `incumbent` was broken by
  /// (a SHA-256; "" for none), and then the newest of every model in turn.
  std::vector<Found> find(const std::vector<SampleInfo>& samples, const std::string& model,
                          const std::string& incumbent, int64_t most) const;

  static constexpr int64_t kMost = 64;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// SHA-256 over a selection: what a cell that uses it depends on.
std::string manifest_digest(const std::vector<Found>& found);

/// The stored adversarials of complete evidence, as far as `store` has their blobs.
std::vector<Found> found_in(const Evidence& evidence, const Store& store);

}  // namespace assay

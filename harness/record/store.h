// Where results are kept by key, so that nothing is computed twice. SQLite and blob files.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/record/evidence.h"

namespace assay {

/// A folder `store.sqlite` + `blobs/ab/…`. Safe for several threads and processes at once; a kill
/// at any moment loses only what was not yet put. Thread-safe.
class Store {
 public:
  /// Opens or creates. Throws Error if the folder is not writable, is of another format version,
  /// or is corrupt.
  explicit Store(const std::filesystem::path& folder);
  ~Store();
  Store(Store&&) noexcept;

  /// A unit's result, verified by checksum; nullopt if absent (a damaged one counts as absent).
  std::optional<UnitResult> get(const std::string& key) const;
  /// Keeps a result. The same key with other rows is nondeterminism: throws Error (kIncomplete).
  void put(const UnitResult& result);

  /// Facts found about a file once, by key (e.g. a model's padding quantum): any text.
  std::optional<std::string> get_fact(const std::string& key) const;
  void put_fact(const std::string& key, const std::string& text);

  /// Content-addressed bytes; returns their SHA-256. Written to a temporary name, then renamed.
  std::string put_blob(std::string_view bytes);
  /// Throws Error if absent or damaged.
  std::string get_blob(const std::string& sha256) const;
  /// The file that has it, for those who read files; the same errors.
  std::filesystem::path blob_file(const std::string& sha256) const;
  bool has_blob(const std::string& sha256) const;
  std::filesystem::path folder() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay

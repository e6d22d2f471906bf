// Bytes of data files: random access for samples, sequential access for headers. A compressed
// stream is inflated once, into memory while it is small, else into an unlinked temporary file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// A part of a file, or of an inflated copy of one. Thread-safe; copies share the open file.
class Bytes {
 public:
  /// Opens a regular file. Throws Error with the nearest name in its folder if it is missing.
  static Bytes open(const std::filesystem::path& path);

  uint64_t size() const { return size_; }
  /// What errors call it: the path, with `[entry]` for a part of an archive.
  const std::string& name() const { return name_; }
  /// Fills `out` from `offset`. Throws Error if the file ends before.
  void read(uint64_t offset, std::span<uint8_t> out) const;
  /// [offset, offset + size), which must lie inside.
  Bytes slice(uint64_t offset, uint64_t size, std::string name) const;

 private:
  friend class Stream;
  struct Storage;
  std::shared_ptr<const Storage> storage_;
  uint64_t begin_ = 0;
  uint64_t size_ = 0;
  std::string name_;
};

/// Reads Bytes in order: a header first, then the rest as Bytes again.
class Stream {
 public:
  static Stream plain(Bytes source);
  static Stream gzip(Bytes source);
  /// Raw deflate of a zip entry, checked against its CRC-32 at the end.
  static Stream deflate(Bytes source, uint32_t crc);
  /// gzip if it starts as gzip does, else plain.
  static Stream detect(Bytes source);
  Stream(Stream&&) noexcept;
  ~Stream();

  const std::string& name() const;
  uint64_t offset() const { return offset_; }  ///< bytes read so far, inflated
  /// Fills `out`; `what` says in errors what should have been there.
  void read(std::span<uint8_t> out, std::string_view what);
  /// The rest, which must be `size` bytes to the byte: Throws Error for a truncated or longer one.
  Bytes rest(uint64_t size) &&;

 private:
  struct Inflater;
  Stream(Bytes source, std::unique_ptr<Inflater> inflater);
  Bytes spool(uint64_t size);
  [[noreturn]] void truncated(uint64_t found, uint64_t expected, std::string_view what) const;

  Bytes source_;
  std::unique_ptr<Inflater> inflater_;  ///< null: plain
  uint64_t offset_ = 0;
};

/// "gzip", "zip (npz)", "png", … by the first bytes, or "" if unknown.
std::string_view sniff(std::span<const uint8_t> head);
/// The first bytes as an error shows them: `89 50 4e 47 (png)`.
std::string show_head(std::span<const uint8_t> head);

/// An entry of a zip archive by name, ready to be read in order. Stored entries stay in place.
/// Throws Error for zip64, encryption, unknown methods, damage, or an unknown name (with the rest).
Stream open_zip_entry(const Bytes& archive, const std::string& entry);
/// Reads all entries of a zip archive, zip64 too, against their checksums. Throws Error for damage.
void check_zip(const Bytes& archive);

}  // namespace assay

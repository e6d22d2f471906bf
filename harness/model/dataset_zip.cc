// Finds entries of a zip archive through its central directory, the only place with sizes that
// can be trusted: numpy writes zip64 fields into local headers even of small files.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr size_t kEndSize = 22;
constexpr size_t kCentralSize = 46;
constexpr size_t kLocalSize = 30;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kCentralMagic = 0x02014b50;
constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kLocatorMagic = 0x07064b50;  // of the end record of zip64
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr size_t kLocatorSize = 20;
constexpr size_t kEnd64Size = 56;
constexpr uint32_t kFull = 0xffffffff;  // the value stands in a zip64 field
constexpr uint32_t kMaxDirectory = 16u << 20;

uint64_t word(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | bytes[at + i];
  return value;
}

struct Directory {
  uint64_t entries = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
  bool zip64 = false;
};

struct Entry {
  std::string name;
  uint64_t flags = 0;
  uint64_t method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
  bool zip64 = false;
};

[[noreturn]] void refuse_zip64(const Bytes& archive) {
  throw Error(
      archive.name() +
      ": is a zip64 archive (an array of 4 GiB or more), which is not read; save the arrays "
      "as .npy files or as safetensors");
}

// The end record of zip64 stands where the locator before the end record at `end` says.
Directory find_directory64(const Bytes& archive, uint64_t end) {
  std::array<uint8_t, kLocatorSize> locator;
  archive.slice(end - kLocatorSize, kLocatorSize, archive.name()).read(0, locator);
  std::array<uint8_t, kEnd64Size> record{};
  const uint64_t at = word(locator, 8, 8);
  if (word(locator, 0, 4) == kLocatorMagic && at < end) archive.read(at, record);
  if (word(record, 0, 4) != kEnd64Magic) {
    throw Error(archive.name() + ": damaged: no zip64 directory at byte " + std::to_string(at));
  }
  return {word(record, 32, 8), word(record, 40, 8), word(record, 48, 8), true};
}

Directory find_directory(const Bytes& archive) {
  std::array<uint8_t, 8> head{};
  archive.read(0, std::span(head).first(std::min<uint64_t>(head.size(), archive.size())));
  if (word(head, 0, 4) != kLocalMagic && word(head, 0, 4) != kEndMagic) {
    throw Error(archive.name() + ": is not an npz (zip) archive: expected 50 4b 03 04 at byte 0, " +
                "found " + show_head(head));
  }
  // The end record stands before a comment of at most 65,535 bytes.
  const size_t tail_size =
      static_cast<size_t>(std::min<uint64_t>(archive.size(), 65535 + kEndSize));
  std::vector<uint8_t> tail(tail_size);
  archive.read(archive.size() - tail_size, tail);
  for (size_t at = tail_size < kEndSize ? 0 : tail_size - kEndSize + 1; at-- > 0;) {
    if (word(tail, at, 4) != kEndMagic) continue;
    Directory found;
    found.entries = word(tail, at + 10, 2);
    found.size = word(tail, at + 12, 4);
    found.offset = word(tail, at + 16, 4);
    if (found.entries != 0xffff && found.size != kFull && found.offset != kFull) return found;
    const uint64_t end = archive.size() - tail_size + at;
    if (end >= kLocatorSize) return find_directory64(archive, end);
  }
  throw Error(archive.name() + ": truncated: the zip directory at the end of its " +
              std::to_string(archive.size()) + " bytes is missing");
}

// Takes the values that did not fit from an entry's zip64 field.
void read_extra(std::span<const uint8_t> extra, Entry* entry) {
  for (size_t at = 0; at + 4 <= extra.size(); at += 4 + word(extra, at + 2, 2)) {
    if (word(extra, at, 2) != 1) continue;
    size_t next = at + 4;
    for (uint64_t* value : {&entry->size, &entry->packed, &entry->offset}) {
      if (*value != kFull || next + 8 > extra.size()) continue;
      *value = word(extra, next, 8);
      next += 8;
    }
    return;
  }
}

std::vector<Entry> read_directory(const Bytes& archive) {
  const Directory place = find_directory(archive);
  if (place.size > kMaxDirectory || place.offset > archive.size() ||
      place.size > archive.size() - place.offset) {
    throw Error(archive.name() + ": damaged: its zip directory of " + std::to_string(place.size) +
                " bytes at byte " + std::to_string(place.offset) + " does not fit the file");
  }
  std::vector<uint8_t> raw(place.size);
  archive.read(place.offset, raw);
  std::vector<Entry> entries;
  size_t at = 0;
  for (uint64_t i = 0; i < place.entries; ++i) {
    if (raw.size() - at < kCentralSize || word(raw, at, 4) != kCentralMagic) {
      throw Error(archive.name() + ": damaged: no entry " + std::to_string(i) +
                  " in the zip directory at byte " + std::to_string(place.offset + at));
    }
    Entry entry;
    entry.flags = word(raw, at + 8, 2);
    entry.method = word(raw, at + 10, 2);
    entry.crc = static_cast<uint32_t>(word(raw, at + 16, 4));
    entry.packed = word(raw, at + 20, 4);
    entry.size = word(raw, at + 24, 4);
    entry.offset = word(raw, at + 42, 4);
    const size_t name = word(raw, at + 28, 2);
    const size_t extra = word(raw, at + 30, 2);
    const size_t whole = kCentralSize + name + extra + word(raw, at + 32, 2);
    if (raw.size() - at < whole) {
      throw Error(archive.name() + ": damaged: entry " + std::to_string(i) +
                  " of the zip directory is cut");
    }
    entry.name.assign(raw.begin() + static_cast<ptrdiff_t>(at + kCentralSize),
                      raw.begin() + static_cast<ptrdiff_t>(at + kCentralSize + name));
    entry.zip64 =
        place.zip64 || entry.size == kFull || entry.packed == kFull || entry.offset == kFull;
    read_extra(std::span(raw).subspan(at + kCentralSize + name, extra), &entry);
    entries.push_back(std::move(entry));
    at += whole;
  }
  return entries;
}

const Entry& pick(const std::vector<Entry>& entries, const std::string& wanted,
                  const Bytes& archive) {
  std::vector<std::string> keys;
  for (const Entry& entry : entries) {
    std::string key = entry.name;
    if (key.ends_with(".npy")) key.resize(key.size() - 4);
    if (key == wanted || entry.name == wanted) return entry;
    keys.push_back(std::move(key));
  }
  if (keys.empty()) throw Error(archive.name() + ": holds no arrays; expected `" + wanted + "`");
  throw Error(archive.name() + ": has no array `" + wanted + "`" + suggest(wanted, keys));
}

// Stored bytes are read where they are needed; their checksum is worth one pass.
void check_stored(const Bytes& data, uint32_t crc, const std::string& name) {
  std::vector<uint8_t> piece(size_t{1} << 20);
  uLong sum = crc32(0, nullptr, 0);
  for (uint64_t at = 0; at < data.size(); at += piece.size()) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(piece.size(), data.size() - at)));
    data.read(at, piece);
    sum = crc32(sum, piece.data(), static_cast<uInt>(piece.size()));
  }
  if (sum != crc) {
    throw Error(name + ": damaged: its checksum differs from the archive's");
  }
}

Stream open_entry(const Bytes& archive, const Entry& entry, const std::string& name) {
  if ((entry.flags & 1) != 0) throw Error(name + ": is encrypted; save it without a password");
  std::array<uint8_t, kLocalSize> local;
  archive.slice(entry.offset, kLocalSize, name).read(0, local);
  if (word(local, 0, 4) != kLocalMagic) {
    throw Error(name + ": damaged: no zip entry at byte " + std::to_string(entry.offset));
  }
  const uint64_t begin = entry.offset + kLocalSize + word(local, 26, 2) + word(local, 28, 2);
  Bytes data = archive.slice(begin, entry.packed, name);
  if (entry.method == 8) return Stream::deflate(std::move(data), entry.crc);
  if (entry.method != 0) {
    throw Error(name + ": is compressed by zip method " + std::to_string(entry.method) +
                "; only stored and deflate are read (np.savez, np.savez_compressed)");
  }
  if (entry.packed != entry.size) {
    throw Error(name + ": damaged: stored with " + std::to_string(entry.packed) + " of " +
                std::to_string(entry.size) + " bytes");
  }
  check_stored(data, entry.crc, name);
  return Stream::plain(std::move(data));
}

}  // namespace

Stream open_zip_entry(const Bytes& archive, const std::string& wanted) {
  const std::vector<Entry> entries = read_directory(archive);
  if (!entries.empty() && entries.front().zip64) refuse_zip64(archive);
  const Entry& entry = pick(entries, wanted, archive);
  if (entry.zip64) refuse_zip64(archive);
  return open_entry(archive, entry, archive.name() + "[" + wanted + "]");
}

void check_zip(const Bytes& archive) {
  for (const Entry& entry : read_directory(archive)) {
    Stream stream = open_entry(archive, entry, archive.name() + "[" + entry.name + "]");
    if (entry.method == 8) std::move(stream).rest(entry.size);
  }
}

}  // namespace assay

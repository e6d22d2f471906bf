#include "harness/model/dataset_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Inflated data up to this size stays in memory; more goes to a temporary file.
constexpr uint64_t kMemoryLimit = 256ull << 20;
constexpr size_t kChunk = 1 << 18;
// Deflate cannot do better than this, so a larger claim is false before anything is allocated.
constexpr uint64_t kBestRatio = 1032;

[[noreturn]] void missing(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  const std::string name = path.filename().string();
  std::string hint;
  if (std::find(names.begin(), names.end(), name + ".gz") != names.end()) {
    hint = "; did you mean `" + name + ".gz`?";
  } else if (const std::string near = nearest(name, names); !near.empty()) {
    hint = "; did you mean `" + near + "`?";
  }
  throw Error(path.string() + ": no such file" + hint);
}

// Reads up to out.size() bytes; fewer only at the end of the file.
size_t read_at(int fd, uint64_t offset, std::span<uint8_t> out, const std::string& name) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Error(name + ": cannot be read at byte " + std::to_string(offset + done) + ": " +
                      std::strerror(errno),
                  ExitCode::kIncomplete);
    }
    done += static_cast<size_t>(got);
  }
  return done;
}

// An open temporary file without a name: gone when closed, even after a crash.
int open_temporary(uint64_t size, const std::string& name) {
  const fs::path folder = fs::temp_directory_path();
  const std::string need = name + ": needs " + std::to_string(size) + " bytes in " +
                           folder.string() + " for its inflated copy";
  const std::string cure = "; set TMPDIR to a larger disk, or inflate the file yourself";
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < size) {
    throw Error(need + ", but " + std::to_string(space.available) + " are free" + cure,
                ExitCode::kIncomplete);
  }
  std::string pattern = (folder / "assay-XXXXXX").string();
  const int fd = ::mkstemp(pattern.data());
  if (fd < 0) throw Error(need + ": " + std::strerror(errno) + cure, ExitCode::kIncomplete);
  ::unlink(pattern.c_str());
  return fd;
}

void write_all(int fd, std::span<const uint8_t> bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      throw Error(name + ": the temporary file for its inflated copy cannot be written: " +
                      std::strerror(errno) + "; set TMPDIR to a larger disk",
                  ExitCode::kIncomplete);
    }
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

bool starts_with(std::span<const uint8_t> head, std::string_view magic) {
  return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

struct Bytes::Storage {
  int fd = -1;
  std::vector<uint8_t> memory;
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  ~Storage() {
    if (fd >= 0) ::close(fd);
  }
};

Bytes Bytes::open(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) missing(path);
    throw Error(path.string() + ": cannot be opened: " + std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) throw Error(path.string() + ": is a folder; expected a file");
  if (!S_ISREG(status.st_mode)) throw Error(path.string() + ": is not a regular file");
  auto storage = std::make_shared<Storage>();
  storage->fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (storage->fd < 0) {
    throw Error(path.string() + ": cannot be opened: " + std::strerror(errno));
  }
  if (status.st_size == 0) throw Error(path.string() + ": is empty (0 bytes)");
  Bytes bytes;
  bytes.storage_ = std::move(storage);
  bytes.size_ = static_cast<uint64_t>(status.st_size);
  bytes.name_ = path.string();
  return bytes;
}

void Bytes::read(uint64_t offset, std::span<uint8_t> out) const {
  ASSAY_CHECK(storage_ != nullptr, "read of no file");
  if (offset > size_ || out.size() > size_ - offset) {
    throw Error(name_ + ": truncated: " + std::to_string(size_) + " bytes, expected at least " +
                std::to_string(offset + out.size()));
  }
  if (storage_->fd < 0) {
    if (!out.empty())
      std::memcpy(out.data(), storage_->memory.data() + begin_ + offset, out.size());
    return;
  }
  const size_t got = read_at(storage_->fd, begin_ + offset, out, name_);
  if (got != out.size()) {
    throw Error(name_ + ": ends at byte " + std::to_string(begin_ + offset + got) +
                ": the file was cut while it was in use");
  }
}

Bytes Bytes::slice(uint64_t offset, uint64_t size, std::string name) const {
  if (offset > size_ || size > size_ - offset) {
    throw Error(name + ": truncated: bytes " + std::to_string(offset) + " to " +
                std::to_string(offset + size) + " expected, the file has " + std::to_string(size_));
  }
  Bytes part = *this;
  part.begin_ += offset;
  part.size_ = size;
  part.name_ = std::move(name);
  return part;
}

// A zlib stream over Bytes. `window` is 16 + 15 for gzip, -15 for raw deflate.
struct Stream::Inflater {
  Inflater(Bytes bytes, int window, bool check, uint32_t wanted_crc)
      : source(std::move(bytes)), gzip(window > 0), check_crc(check), expected_crc(wanted_crc) {
    ASSAY_CHECK(::inflateInit2(&z, window) == Z_OK, "zlib does not start");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&z); }

  // Fills `out`; fewer bytes only at the end of the stream, whose checks have passed then.
  size_t read(std::span<uint8_t> out);

 private:
  void refill();
  void finish_member();
  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(source.name() + ": damaged at compressed byte " +
                std::to_string(position - z.avail_in) + ": " + what);
  }

  Bytes source;
  bool gzip;
  bool check_crc;
  uint32_t expected_crc;
  uLong crc = 0;
  uint64_t position = 0;  // of the source, after what `input` holds
  bool ended = false;
  z_stream z{};
  std::array<uint8_t, kChunk> input;
};

void Stream::Inflater::refill() {
  if (z.avail_in > 0) return;
  const size_t take = static_cast<size_t>(std::min<uint64_t>(kChunk, source.size() - position));
  source.read(position, std::span(input).first(take));
  position += take;
  z.next_in = input.data();
  z.avail_in = static_cast<uInt>(take);
}

// After one gzip member there may be another, or padding with zeros, or the end.
void Stream::Inflater::finish_member() {
  if (!gzip) {
    if (check_crc && static_cast<uint32_t>(crc) != expected_crc) {
      damaged("its checksum differs from the archive's");
    }
    ended = true;
    return;
  }
  while (true) {
    refill();
    if (z.avail_in == 0) {
      ended = true;
      return;
    }
    if (*z.next_in != 0) break;
    ++z.next_in;
    --z.avail_in;
  }
  if (*z.next_in != 0x1f) damaged("bytes after the end of the gzip stream");
  ASSAY_CHECK(::inflateReset(&z) == Z_OK, "zlib does not restart");
}

size_t Stream::Inflater::read(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size() && !ended) {
    refill();
    const size_t room = std::min<size_t>(out.size() - done, kChunk);
    z.next_out = out.data() + done;
    z.avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&z, Z_NO_FLUSH);
    const size_t got = room - z.avail_out;
    if (check_crc) crc = ::crc32(crc, out.data() + done, static_cast<uInt>(got));
    done += got;
    if (status == Z_STREAM_END) {
      finish_member();
    } else if (status == Z_BUF_ERROR && z.avail_in == 0 && position == source.size()) {
      throw Error(source.name() + ": truncated: the compressed stream is cut after " +
                  std::to_string(source.size()) + " bytes, before its end mark");
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      damaged(z.msg != nullptr ? z.msg : "not a deflate stream");
    }
  }
  return done;
}

Stream::Stream(Bytes source, std::unique_ptr<Inflater> inflater)
    : source_(std::move(source)), inflater_(std::move(inflater)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream::~Stream() = default;

Stream Stream::plain(Bytes source) { return Stream(std::move(source), nullptr); }

Stream Stream::gzip(Bytes source) {
  auto inflater = std::make_unique<Inflater>(source, 16 + MAX_WBITS, false, 0);
  return Stream(std::move(source), std::move(inflater));
}

Stream Stream::deflate(Bytes source, uint32_t crc) {
  auto inflater = std::make_unique<Inflater>(source, -MAX_WBITS, true, crc);
  return Stream(std::move(source), std::move(inflater));
}

Stream Stream::detect(Bytes source) {
  std::array<uint8_t, 2> head{};
  if (source.size() >= head.size()) source.read(0, head);
  return starts_with(head, "\x1f\x8b") ? gzip(std::move(source)) : plain(std::move(source));
}

const std::string& Stream::name() const { return source_.name(); }

void Stream::truncated(uint64_t found, uint64_t expected, std::string_view what) const {
  throw Error(name() + ": truncated: " + std::string(what) + " needs " + std::to_string(expected) +
              " bytes at byte " + std::to_string(offset_) + (inflater_ ? " (inflated)" : "") +
              ", found " + std::to_string(found));
}

void Stream::read(std::span<uint8_t> out, std::string_view what) {
  size_t got = 0;
  if (inflater_) {
    got = inflater_->read(out);
  } else {
    got = static_cast<size_t>(std::min<uint64_t>(out.size(), source_.size() - offset_));
    source_.read(offset_, out.first(got));
  }
  if (got < out.size()) truncated(got, out.size(), what);
  offset_ += got;
}

Bytes Stream::rest(uint64_t size) && {
  if (inflater_) return spool(size);
  const uint64_t left = source_.size() - offset_;
  if (left < size) truncated(left, size, "data");
  if (left > size) {
    throw Error(name() + ": " + std::to_string(left - size) + " bytes too many: data of " +
                std::to_string(size) + " bytes expected at byte " + std::to_string(offset_) +
                ", found " + std::to_string(left));
  }
  return source_.slice(offset_, size, name());
}

Bytes Stream::spool(uint64_t size) {
  if (size / kBestRatio > source_.size()) {
    throw Error(name() + ": truncated: data needs " + std::to_string(size) +
                " bytes, more than its " + std::to_string(source_.size()) +
                " compressed bytes can hold");
  }
  auto storage = std::make_shared<Bytes::Storage>();
  const bool small = size <= kMemoryLimit;
  if (small) {
    storage->memory.resize(size);
  } else {
    storage->fd = open_temporary(size, name());
  }
  std::vector<uint8_t> chunk(small ? 0 : kChunk);
  for (uint64_t done = 0; done < size;) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(kChunk, size - done));
    const std::span<uint8_t> piece =
        small ? std::span(storage->memory).subspan(done, want) : std::span(chunk).first(want);
    const size_t got = inflater_->read(piece);
    if (got < want) truncated(done + got, size, "data");
    if (!small) write_all(storage->fd, piece, name());
    done += got;
  }
  std::array<uint8_t, 1> more;
  if (inflater_->read(more) > 0) {
    throw Error(name() + ": more than the " + std::to_string(size) +
                " bytes of data expected at byte " + std::to_string(offset_) + " (inflated)");
  }
  Bytes bytes;
  bytes.storage_ = std::move(storage);
  bytes.size_ = size;
  bytes.name_ = name();
  return bytes;
}

std::string_view sniff(std::span<const uint8_t> head) {
  using namespace std::string_view_literals;
  static constexpr std::pair<std::string_view, std::string_view> kMagics[] = {
      {"\x1f\x8b"sv, "gzip"},
      {"PK\x03\x04"sv, "zip or npz"},
      {"PK\x05\x06"sv, "empty zip"},
      {"\x93NUMPY"sv, "npy"},
      {"\x89PNG"sv, "png"},
      {"\xff\xd8\xff"sv, "jpeg"},
      {"GIF8"sv, "gif"},
      {"RIFF"sv, "webp"},
      {"BM"sv, "bmp"},
      {"\x89HDF"sv, "hdf5"},
      {"\x80\x02"sv, "pickle"},
      {"\x80\x04"sv, "pickle"},
      {"II*\0"sv, "tiff"},
      {"MM\0*"sv, "tiff"},
      {"<!DOCTYPE"sv, "html"},
      {"\0\0\x08\x03"sv, "idx"},
      {"\0\0\x08\x01"sv, "idx"},
      {"<html"sv, "html"},
      {"version https://git"sv, "a git lfs pointer"}};
  for (const auto& [magic, kind] : kMagics) {
    if (starts_with(head, magic)) return kind;
  }
  return "";
}

std::string show_head(std::span<const uint8_t> head) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : head.first(std::min<size_t>(head.size(), 6))) {
    if (!text.empty()) text += ' ';
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  if (const std::string_view kind = sniff(head); !kind.empty()) {
    text += " (" + std::string(kind) + ")";
  }
  return text;
}

}  // namespace assay

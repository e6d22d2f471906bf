#include "harness/record/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "harness/suite/error.h"

namespace assay {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_writing(const std::filesystem::path& path, int error) {
  std::string cure = error == ENOSPC || error == EDQUOT ? "; free some space and run again" : "";
  throw Error("cannot write " + path.string() + ": " + reason(error) + cure, ExitCode::kIncomplete);
}

/// Unique among the threads and processes that may write the same path at once.
std::string temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  return path.string() + ".tmp." + std::to_string(getpid()) + "." + std::to_string(count++);
}

/// Makes a rename in `folder` survive a power cut. Some file systems cannot fsync a folder and say
/// EINVAL; the rename itself is done then.
void sync_folder(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const std::string name = folder.empty() ? "." : folder.string();
  const int handle = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) fail_writing(path, errno);
  const int error = fsync(handle) == 0 ? 0 : errno;
  close(handle);
  if (error != 0 && error != EINVAL) fail_writing(path, error);
}

}  // namespace

DurableFile::DurableFile(std::filesystem::path path, const std::filesystem::path& folder)
    : path_(std::move(path)),
      temporary_(temporary_name(folder.empty() ? path_ : folder / path_.filename())) {
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) fail_writing(path_, errno);
  // Tells remove_abandoned that the writer lives. Some file systems have no locks.
  flock(file_, LOCK_EX | LOCK_NB);
}

DurableFile::~DurableFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void DurableFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    // One call writes at most 2 GiB on Linux.
    const ssize_t written = write(file_, bytes.data(), std::min<size_t>(bytes.size(), 1U << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_writing(path_, errno);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void DurableFile::commit() {
  if (fsync(file_) != 0) fail_writing(path_, errno);
  // A network file system may report a full disk only here.
  if (close(std::exchange(file_, -1)) != 0) fail_writing(path_, errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_writing(path_, errno);
  temporary_.clear();
  sync_folder(path_.parent_path(), path_);
}

void write_durably(const std::filesystem::path& path, std::string_view bytes,
                   const std::filesystem::path& folder) {
  DurableFile file(path, folder);
  file.append(bytes);
  file.commit();
}

void remove_abandoned(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const int file = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) continue;
    struct stat info {};
    // A writer locks its file right after it has made it: the newest may be on its way there.
    const bool settled =
        fstat(file, &info) == 0 && S_ISREG(info.st_mode) && std::time(nullptr) - info.st_mtime > 2;
    if (settled && flock(file, LOCK_EX | LOCK_NB) == 0) unlink(entry.path().c_str());
    close(file);
  }
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && std::filesystem::is_directory(folder, error)) return;
  // A path that can never be a folder is a user's to mend; only the rest is worth a retry.
  const bool mendable =
      !error || error == std::errc::not_a_directory || error == std::errc::file_exists ||
      error == std::errc::filename_too_long || error == std::errc::permission_denied ||
      error == std::errc::read_only_file_system || error == std::errc::no_such_file_or_directory;
  throw Error("cannot create the folder " + folder.string() + ": " +
                  (error ? error.message() : "a file of that name exists"),
              mendable ? ExitCode::kUsage : ExitCode::kIncomplete);
}

std::string read_bytes(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error("cannot read " + path.string() + ": " + reason(errno));
  std::string bytes;
  struct stat info {};
  if (fstat(file, &info) == 0 && info.st_size > 0) bytes.reserve(static_cast<size_t>(info.st_size));
  std::array<char, 1 << 16> piece;
  while (true) {
    const ssize_t count = read(file, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      close(file);
      throw Error("cannot read " + path.string() + ": " + reason(error));
    }
    if (count == 0) break;
    bytes.append(piece.data(), static_cast<size_t>(count));
  }
  close(file);
  return bytes;
}

}  // namespace assay

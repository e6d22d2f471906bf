// Files that are either whole or absent: a temporary name, fsync, then rename.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// A file being written under a temporary name, beside its own or in `folder` (of the same file
/// system), and locked until it has its name. Nothing is seen under `path` before
/// commit, and whatever stood there stays intact if anything fails. Every fault of the machine
/// (full disk, unwritable folder) is an Error (kIncomplete) that names the path.
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path path, const std::filesystem::path& folder = {});
  ~DurableFile();  ///< removes the temporary file unless committed
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void append(std::string_view bytes);
  /// Flushes to the disk and gives the file its name.
  void commit();

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int file_ = -1;
};

/// Writes a whole file through DurableFile.
void write_durably(const std::filesystem::path& path, std::string_view bytes,
                   const std::filesystem::path& folder = {});

/// Removes what killed writers left in a folder of temporary files. Those that are being written
/// are locked, and stay.
void remove_abandoned(const std::filesystem::path& folder);

/// Creates a folder and its parents. Throws Error naming it: kUsage where another path is the cure
/// (a file in the way, no permission), else kIncomplete.
void make_folder(const std::filesystem::path& folder);

/// A whole file. Throws Error (kUsage) naming it if it is absent or unreadable.
std::string read_bytes(const std::filesystem::path& path);

}  // namespace assay

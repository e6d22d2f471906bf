// The safetensors format (huggingface/safetensors): 8 bytes little-endian length, a JSON header,
// then the arrays. Arrays are plain data here; the rooms that know tensors make tensors of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// What a header says of one array.
struct ArrayInfo {
  std::string name;
  std::string dtype;  ///< F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL, or one unknown
  std::vector<int64_t> shape;
  uint64_t begin = 0;  ///< bytes from the start of the file; set by readers
  uint64_t end = 0;
};

/// An array with its bytes, row-major and little-endian.
struct NamedArray {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// Bytes of one element, or 0 for an unknown dtype.
int64_t dtype_size(std::string_view dtype);

/// A whole file in memory. Arrays are ordered by element size and name, whatever order they come
/// in, so that equal content has equal bytes and data stays aligned.
std::string to_safetensors(const std::vector<NamedArray>& arrays);

/// Most bytes of a header, as in the reference implementation.
inline constexpr uint64_t kMostHeader = 100'000'000;
/// How many of these arrays, from the first on, a header of at most so many bytes has room for.
size_t arrays_that_fit(const std::vector<ArrayInfo>& arrays, uint64_t most = kMostHeader);

/// Writes a file of any size, whole or not at all: `bytes_of(i)` gives the bytes of `arrays[i]` and
/// is called once each, one at a time. Throws Error (kIncomplete) naming the file.
void write_safetensors(const std::filesystem::path& path, const std::vector<ArrayInfo>& arrays,
                       const std::function<std::string(size_t)>& bytes_of);

/// Reads the header of a file of any size, strictly: at most 100 MB, no key twice, and arrays that
/// cover the data without gap or overlap; ordered by `begin`. An array of an unknown dtype is
/// listed like the others. Throws Error (kUsage) naming file and array.
std::vector<ArrayInfo> read_safetensors_index(const std::filesystem::path& path);

/// The bytes of one of them. Throws Error (kUsage) where they cannot be read.
std::string read_array(const std::filesystem::path& path, const ArrayInfo& array);

}  // namespace assay

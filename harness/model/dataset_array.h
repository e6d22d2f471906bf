// Arrays in files, whatever the container: element type, shape and where the bytes are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_bytes.h"

namespace assay {

enum class ElementType {
  kBool,
  kU8,
  kU16,
  kU32,
  kU64,
  kI8,
  kI16,
  kI32,
  kI64,
  kF16,
  kBf16,
  kF32,
  kF64
};

int64_t element_size(ElementType type);
std::string_view to_string(ElementType type);  // uint8, float32, …

/// A row-major array in a file.
struct Array {
  Bytes data;  ///< exactly its elements
  ElementType type = ElementType::kU8;
  bool big_endian = false;
  std::vector<int64_t> shape;
};

/// Bytes of `shape` elements; throws Error naming `name` where that is negative or beyond 2^62.
uint64_t array_bytes(const std::vector<int64_t>& shape, ElementType type, const std::string& name);

/// Elements [begin, begin + out.size()) as numbers (64-bit integers beyond 2^53 are rounded).
void read_elements(const Array& array, uint64_t begin, std::span<double> out);

Array open_idx(const std::filesystem::path& path);
Array open_npy(const std::filesystem::path& path);
Array open_npz(const std::filesystem::path& path, const std::string& key);
Array open_safetensors(const std::filesystem::path& path, const std::string& key);

/// "[10, 28, 28]".
std::string shape_text(std::span<const int64_t> shape);
/// A number as errors show it; also nan and inf.
std::string value_text(double value);

}  // namespace assay

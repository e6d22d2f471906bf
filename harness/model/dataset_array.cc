#include "harness/model/dataset_array.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "harness/record/safetensors.h"
#include "harness/suite/error.h"
#include "harness/suite/value.h"

namespace assay {
namespace {

static_assert(std::endian::native == std::endian::little);

struct TypeName {
  ElementType type;
  int64_t size;
  std::string_view name;         // as errors show it
  std::string_view safetensors;  // as its headers spell it
  std::string_view npy;          // kind and size in a dtype string
};

constexpr TypeName kTypes[] = {
    {ElementType::kBool, 1, "bool", "BOOL", "b1"},   {ElementType::kU8, 1, "uint8", "U8", "u1"},
    {ElementType::kU16, 2, "uint16", "U16", "u2"},   {ElementType::kU32, 4, "uint32", "U32", "u4"},
    {ElementType::kU64, 8, "uint64", "U64", "u8"},   {ElementType::kI8, 1, "int8", "I8", "i1"},
    {ElementType::kI16, 2, "int16", "I16", "i2"},    {ElementType::kI32, 4, "int32", "I32", "i4"},
    {ElementType::kI64, 8, "int64", "I64", "i8"},    {ElementType::kF16, 2, "float16", "F16", "f2"},
    {ElementType::kBf16, 2, "bfloat16", "BF16", ""}, {ElementType::kF32, 4, "float32", "F32", "f4"},
    {ElementType::kF64, 8, "float64", "F64", "f8"}};

const TypeName& row(ElementType type) {
  for (const TypeName& each : kTypes) {
    if (each.type == type) return each;
  }
  check_failed(__FILE__, __LINE__, "type", "unknown element type");
}

template <typename T>
void convert(std::span<uint8_t> raw, bool swap, std::span<double> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    std::array<uint8_t, sizeof(T)> bytes;
    for (size_t k = 0; k < sizeof(T); ++k) {
      bytes[k] = raw[i * sizeof(T) + (swap ? sizeof(T) - 1 - k : k)];
    }
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    out[i] = static_cast<double>(value);
  }
}

ElementType idx_type(uint8_t code, const std::string& name) {
  switch (code) {
    case 0x08:
      return ElementType::kU8;
    case 0x09:
      return ElementType::kI8;
    case 0x0b:
      return ElementType::kI16;
    case 0x0c:
      return ElementType::kI32;
    case 0x0d:
      return ElementType::kF32;
    case 0x0e:
      return ElementType::kF64;
    default:
      throw Error(name + ": idx element type " + std::to_string(code) +
                  " at byte 2 is unknown; expected 8 (uint8), 9, 11, 12, 13 or 14");
  }
}

uint32_t big_endian32(std::span<const uint8_t> bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

// The Python literal of an npy header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class NpyHeader {
 public:
  NpyHeader(std::string text, std::string name) : text_(std::move(text)), name_(std::move(name)) {}

  std::string text_of(std::string_view key) {
    const size_t at = find(key);
    const char quote = at < text_.size() ? text_[at] : ' ';
    if (quote == '[') fail("a structured dtype is not read; save one plain array per file");
    const size_t end = text_.find(quote, at + 1);
    if ((quote != '\'' && quote != '"') || end == std::string::npos) fail("no text under descr");
    return text_.substr(at + 1, end - at - 1);
  }

  bool boolean_of(std::string_view key) {
    const size_t at = find(key);
    if (text_.compare(at, 4, "True") == 0) return true;
    if (text_.compare(at, 5, "False") == 0) return false;
    fail("no boolean under " + std::string(key));
  }

  std::vector<int64_t> shape_of(std::string_view key) {
    size_t at = find(key);
    if (at >= text_.size() || text_[at] != '(') fail("no tuple under " + std::string(key));
    std::vector<int64_t> shape;
    for (++at; at < text_.size() && text_[at] != ')';) {
      if (text_[at] == ' ' || text_[at] == ',') {
        ++at;
        continue;
      }
      const size_t end = text_.find_first_not_of("0123456789", at);
      if (end == at || end == std::string::npos || end - at > 18) fail("a bad number in shape");
      shape.push_back(std::stoll(text_.substr(at, end - at)));
      at = text_[end] == 'L' ? end + 1 : end;  // Python 2 wrote 10L
    }
    if (at >= text_.size()) fail("an open tuple under " + std::string(key));
    return shape;
  }

 private:
  size_t find(std::string_view key) {
    for (const char quote : {'\'', '"'}) {
      const std::string quoted = quote + std::string(key) + quote;
      const size_t at = text_.find(quoted);
      if (at == std::string::npos) continue;
      const size_t colon = text_.find_first_not_of(' ', at + quoted.size());
      if (colon == std::string::npos || text_[colon] != ':') continue;
      const size_t value = text_.find_first_not_of(' ', colon + 1);
      if (value != std::string::npos) return value;
    }
    fail("no key `" + std::string(key) + "`");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(name_ + ": npy header at byte 10: " + what + " in `" + text_.substr(0, 120) + "`");
  }

  std::string text_;
  std::string name_;
};

void set_npy_type(const std::string& descr, Array* array, const std::string& name) {
  const std::string kind = descr.size() > 1 ? descr.substr(1) : "";
  if (kind.starts_with('O')) {
    throw Error(name + ": holds pickled Python objects, which are never loaded; save a numeric " +
                "array (np.asarray(x, dtype=np.float32))");
  }
  for (const TypeName& each : kTypes) {
    if (each.npy.empty() || each.npy != kind || !std::strchr("<>|=", descr[0])) continue;
    array->type = each.type;
    array->big_endian = descr[0] == '>';
    return;
  }
  throw Error(name + ": dtype `" + descr + "` is not read; expected bool, an integer, float16, " +
              "float32 or float64");
}

Array read_npy(Stream stream) {
  constexpr size_t kMaxHeader = 1 << 20;
  const std::string name = stream.name();
  std::array<uint8_t, 8> magic;
  stream.read(magic, "npy header");
  if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) {
    throw Error(name + ": is not an npy file: expected 93 4e 55 4d 50 59 (npy) at byte 0, found " +
                show_head(magic));
  }
  if (magic[6] < 1 || magic[6] > 3) {
    throw Error(name + ": npy version " + std::to_string(magic[6]) + " at byte 6; expected 1 to 3");
  }
  std::array<uint8_t, 4> length{};
  stream.read(std::span(length).first(magic[6] == 1 ? 2 : 4), "npy header");
  uint32_t size = 0;
  std::memcpy(&size, length.data(), 4);
  if (size > kMaxHeader) {
    throw Error(name + ": npy header of " + std::to_string(size) +
                " bytes at byte 8; expected at " + "most " + std::to_string(kMaxHeader));
  }
  std::vector<uint8_t> text(size);
  stream.read(text, "npy header");
  NpyHeader header(std::string(text.begin(), text.end()), name);
  Array array;
  set_npy_type(header.text_of("descr"), &array, name);
  array.shape = header.shape_of("shape");
  if (header.boolean_of("fortran_order") && array.shape.size() > 1) {
    throw Error(name +
                ": is in Fortran (column) order; expected row order: save "
                "np.ascontiguousarray(x)");
  }
  array.data = std::move(stream).rest(array_bytes(array.shape, array.type, name));
  return array;
}

}  // namespace

int64_t element_size(ElementType type) { return row(type).size; }
std::string_view to_string(ElementType type) { return row(type).name; }

uint64_t array_bytes(const std::vector<int64_t>& shape, ElementType type, const std::string& name) {
  constexpr uint64_t kMost = uint64_t{1} << 62;
  uint64_t bytes = static_cast<uint64_t>(element_size(type));
  for (const int64_t dimension : shape) {
    uint64_t next = 0;
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(dimension), &next) ||
        next > kMost) {
      throw Error(name + ": impossible shape " + shape_text(shape));
    }
    bytes = next;
  }
  return bytes;
}

void read_elements(const Array& array, uint64_t begin, std::span<double> out) {
  const size_t size = static_cast<size_t>(element_size(array.type));
  std::vector<uint8_t> raw(out.size() * size);
  array.data.read(begin * size, raw);
  const bool swap = array.big_endian;
  switch (array.type) {
    case ElementType::kBool:
    case ElementType::kU8:
      return convert<uint8_t>(raw, swap, out);
    case ElementType::kU16:
      return convert<uint16_t>(raw, swap, out);
    case ElementType::kU32:
      return convert<uint32_t>(raw, swap, out);
    case ElementType::kU64:
      return convert<uint64_t>(raw, swap, out);
    case ElementType::kI8:
      return convert<int8_t>(raw, swap, out);
    case ElementType::kI16:
      return convert<int16_t>(raw, swap, out);
    case ElementType::kI32:
      return convert<int32_t>(raw, swap, out);
    case ElementType::kI64:
      return convert<int64_t>(raw, swap, out);
    case ElementType::kF16:
      return convert<at::Half>(raw, swap, out);
    case ElementType::kBf16:
      return convert<at::BFloat16>(raw, swap, out);
    case ElementType::kF32:
      return convert<float>(raw, swap, out);
    case ElementType::kF64:
      return convert<double>(raw, swap, out);
  }
}

Array open_idx(const std::filesystem::path& path) {
  const Bytes file = Bytes::open(path);
  Stream stream = Stream::detect(file);
  const std::string& name = file.name();
  std::array<uint8_t, 4> magic;
  stream.read(magic, "idx header");
  if (magic[0] != 0 || magic[1] != 0 || magic[3] == 0 || magic[3] > 8) {
    std::array<uint8_t, 8> head{};
    file.read(0, std::span(head).first(std::min<uint64_t>(head.size(), file.size())));
    const bool packed = sniff(head) == "gzip";
    throw Error(name + ": is not an idx file: expected the magic 00 00 TYPE DIMENSIONS (00 00 08 " +
                "03 for uint8 images) at byte 0" + (packed ? " (inflated)" : "") + ", found " +
                show_head(packed ? std::span<const uint8_t>(magic) : head));
  }
  Array array;
  array.type = idx_type(magic[2], name);
  array.big_endian = true;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<uint8_t, 4> dimension;
    stream.read(dimension, "idx header");
    array.shape.push_back(big_endian32(dimension));
  }
  array.data = std::move(stream).rest(array_bytes(array.shape, array.type, name));
  return array;
}

Array open_npy(const std::filesystem::path& path) {
  return read_npy(Stream::plain(Bytes::open(path)));
}

Array open_npz(const std::filesystem::path& path, const std::string& key) {
  return read_npy(open_zip_entry(Bytes::open(path), key));
}

Array open_safetensors(const std::filesystem::path& path, const std::string& key) {
  const Bytes file = Bytes::open(path);
  std::vector<std::string> keys;
  for (const ArrayInfo& info : read_safetensors_index(path)) {
    if (info.name != key) {
      keys.push_back(info.name);
      continue;
    }
    const std::string name = file.name() + "[" + key + "]";
    Array array;
    const TypeName* found = nullptr;
    for (const TypeName& each : kTypes) {
      if (each.safetensors == info.dtype) found = &each;
    }
    if (found == nullptr) {
      throw Error(name + ": dtype `" + info.dtype + "` is not read; expected bool, an integer, " +
                  "float16, bfloat16, float32 or float64");
    }
    array.type = found->type;
    array.shape = info.shape;
    array.data = file.slice(info.begin, info.end - info.begin, name);
    ASSAY_CHECK(array.data.size() == array_bytes(array.shape, array.type, name),
                "a safetensors index that does not fit its shapes");
    return array;
  }
  throw Error(file.name() + ": has no tensor `" + key + "`" + suggest(key, keys));
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::string value_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return number_text(value);
}

}  // namespace assay

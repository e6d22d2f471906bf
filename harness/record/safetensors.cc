#include "harness/record/safetensors.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <numeric>
#include <set>

#include "harness/record/encoding.h"
#include "harness/record/fields.h"
#include "harness/record/files.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr uint64_t kPrefix = 8;

struct Dtype {
  std::string_view name;
  int64_t size;
};
constexpr std::array<Dtype, 13> kDtypes{{{"F64", 8},
                                         {"F32", 4},
                                         {"F16", 2},
                                         {"BF16", 2},
                                         {"I64", 8},
                                         {"I32", 4},
                                         {"I16", 2},
                                         {"I8", 1},
                                         {"U64", 8},
                                         {"U32", 4},
                                         {"U16", 2},
                                         {"U8", 1},
                                         {"BOOL", 1}}};

/// Bytes of an array of this type and shape; false if they exceed 63 bits.
bool array_size(int64_t element, const std::vector<int64_t>& shape, uint64_t* size) {
  int64_t total = element;
  for (const int64_t side : shape) {
    if (side < 0 || __builtin_mul_overflow(total, side, &total)) return false;
  }
  *size = static_cast<uint64_t>(total);
  return true;
}

std::string length_prefix(uint64_t length) {
  std::string prefix;
  for (int i = 0; i < 8; ++i) prefix += static_cast<char>((length >> (8 * i)) & 0xff);
  return prefix;
}

uint64_t read_prefix(std::string_view bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kPrefix; ++i) {
    length |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return length;
}

/// Order of the arrays in a file: larger elements first, then by name.
std::vector<size_t> file_order(const std::vector<ArrayInfo>& arrays) {
  std::vector<size_t> order(arrays.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int64_t size_a = dtype_size(arrays[a].dtype);
    const int64_t size_b = dtype_size(arrays[b].dtype);
    return size_a != size_b ? size_a > size_b : arrays[a].name < arrays[b].name;
  });
  return order;
}

/// What the header says of an array that takes these bytes of the data.
std::string entry_text(const ArrayInfo& array, uint64_t begin, uint64_t end) {
  const auto number = [](auto value) { return std::to_string(value); };
  ObjectText entry;
  entry.text("dtype", array.dtype);
  entry.raw("shape", list_text(array.shape, number));
  entry.raw("data_offsets", list_text(std::vector<uint64_t>{begin, end}, number));
  return entry.close();
}

/// Length prefix and header, padded with spaces so that the data starts at a multiple of 8.
std::string file_head(const std::vector<ArrayInfo>& arrays, const std::vector<size_t>& order) {
  ObjectText object;
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const size_t i : order) {
    const ArrayInfo& array = arrays[i];
    uint64_t size = 0;
    ASSAY_CHECK(dtype_size(array.dtype) > 0, "unknown dtype " + array.dtype);
    ASSAY_CHECK(array_size(dtype_size(array.dtype), array.shape, &size), "bad shape");
    ASSAY_CHECK(array.name != "__metadata__" && names.insert(array.name).second,
                "array " + array.name + " twice");
    object.raw(array.name, entry_text(array, offset, offset + size));
    offset += size;
  }
  std::string header = object.close();
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > kMostHeader) {
    throw Error("too many arrays for one safetensors file: the header would take " +
                std::to_string(header.size()) + " bytes, at most " + std::to_string(kMostHeader));
  }
  return length_prefix(header.size()) + header;
}

/// JSON without a key twice in any object: readers differ in which of two they take.
Json parse_header_json(const std::string& text, const Where& where) {
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      repeated = parsed.get<std::string>();
    }
    return true;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    throw Error(where, "the safetensors header is not a JSON object");
  }
  if (!repeated.empty()) throw Error(where, "the safetensors header has `" + repeated + "` twice");
  return json;
}

void check_metadata(const Json& json) {
  for (const auto& [key, value] : as_object(json, "__metadata__").items()) as_text(value, key);
}

ArrayInfo parse_array(const std::string& name, const Json& json) {
  Fields fields(json, name);
  ArrayInfo array;
  array.name = name;
  array.dtype = fields.text("dtype");
  for (const Json& side : fields.list("shape")) {
    array.shape.push_back(static_cast<int64_t>(as_unsigned(side, "shape")));
  }
  const Json& offsets = fields.list("data_offsets");
  if (offsets.size() != 2) throw Error("`data_offsets` has not two entries");
  array.begin = as_unsigned(offsets[0], "data_offsets");
  array.end = as_unsigned(offsets[1], "data_offsets");
  fields.finish();
  uint64_t size = 0;
  if (dtype_size(array.dtype) == 0) {
    if (array.begin > array.end) throw Error("`data_offsets` end before they begin");
    return array;  // its place is all that others need
  }
  if (!array_size(dtype_size(array.dtype), array.shape, &size)) throw Error("its shape overflows");
  if (array.begin > array.end || array.end - array.begin != size) {
    throw Error("`data_offsets` [" + std::to_string(array.begin) + ", " +
                std::to_string(array.end) + "] do not span the " + std::to_string(size) +
                " bytes of its shape");
  }
  return array;
}

/// Arrays of a header; offsets become positions in the file of `file_size` bytes.
std::vector<ArrayInfo> parse_head(const std::string& header, uint64_t file_size,
                                  const Where& where) {
  const Json json = parse_header_json(header, where);
  std::vector<ArrayInfo> arrays;
  for (const auto& [name, value] : json.items()) {
    try {
      if (name == "__metadata__") {
        check_metadata(value);
      } else {
        arrays.push_back(parse_array(name, value));
      }
    } catch (const Error& error) {
      throw Error(where, "array `" + name + "`: " + error.what());
    }
  }
  std::sort(arrays.begin(), arrays.end(), [](const ArrayInfo& a, const ArrayInfo& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  const uint64_t start = kPrefix + header.size();
  uint64_t offset = 0;
  for (ArrayInfo& array : arrays) {
    if (array.begin != offset) {
      throw Error(where, "array `" + array.name + "` begins at byte " +
                             std::to_string(array.begin) + " of the data, expected " +
                             std::to_string(offset) + ": arrays must not overlap or leave gaps");
    }
    offset = array.end;
    array.begin += start;
    array.end += start;
  }
  if (offset != file_size - start) {
    throw Error(where, "the arrays take " + std::to_string(offset) + " bytes, but the file has " +
                           std::to_string(file_size - start) + " after its header" +
                           (offset > file_size - start ? ": it is truncated" : ""));
  }
  return arrays;
}

/// Length of the header, checked against the file.
uint64_t header_length(std::string_view prefix, uint64_t file_size, const Where& where) {
  if (file_size < kPrefix) {
    throw Error(where,
                "not a safetensors file: " + std::to_string(file_size) + " bytes, at least 8");
  }
  const uint64_t length = read_prefix(prefix);
  if (length > kMostHeader) {
    throw Error(where, "not a safetensors file: a header of " + std::to_string(length) +
                           " bytes, at most " + std::to_string(kMostHeader));
  }
  if (length > file_size - kPrefix) {
    throw Error(where, "the safetensors header takes " + std::to_string(length) +
                           " bytes, but only " + std::to_string(file_size - kPrefix) + " follow");
  }
  return length;
}

void check_start(const std::string& header, const Where& where) {
  if (!header.starts_with('{')) {
    throw Error(where, "not a safetensors file: the header does not begin with {");
  }
}

}  // namespace

int64_t dtype_size(std::string_view dtype) {
  for (const Dtype& known : kDtypes) {
    if (known.name == dtype) return known.size;
  }
  return 0;
}

std::string to_safetensors(const std::vector<NamedArray>& arrays) {
  std::vector<ArrayInfo> infos;
  for (const NamedArray& array : arrays) infos.push_back({array.name, array.dtype, array.shape});
  const std::vector<size_t> order = file_order(infos);
  std::string bytes = file_head(infos, order);
  for (const size_t i : order) {
    uint64_t size = 0;
    array_size(dtype_size(infos[i].dtype), infos[i].shape, &size);
    ASSAY_CHECK(arrays[i].bytes.size() == size, "array " + infos[i].name + " has another size");
    bytes += arrays[i].bytes;
  }
  return bytes;
}

size_t arrays_that_fit(const std::vector<ArrayInfo>& arrays, uint64_t most) {
  uint64_t end = 0;  // no offset has more digits
  for (const ArrayInfo& array : arrays) {
    uint64_t size = 0;
    array_size(dtype_size(array.dtype), array.shape, &size);
    end += size;
  }
  uint64_t header = 10;  // braces and padding
  for (size_t i = 0; i < arrays.size(); ++i) {
    ObjectText alone;
    alone.raw(arrays[i].name, entry_text(arrays[i], end, end));
    header += alone.close().size();  // with braces, where there will be one comma
    if (header > most) return i;
  }
  return arrays.size();
}

void write_safetensors(const std::filesystem::path& path, const std::vector<ArrayInfo>& arrays,
                       const std::function<std::string(size_t)>& bytes_of) {
  const std::vector<size_t> order = file_order(arrays);
  DurableFile file(path);
  file.append(file_head(arrays, order));
  for (const size_t i : order) {
    uint64_t size = 0;
    array_size(dtype_size(arrays[i].dtype), arrays[i].shape, &size);
    const std::string bytes = bytes_of(i);
    ASSAY_CHECK(bytes.size() == size, "array " + arrays[i].name + " has another size");
    file.append(bytes);
  }
  file.commit();
}

std::vector<ArrayInfo> read_safetensors_index(const std::filesystem::path& path) {
  const Where where{path.string(), 0, 0};
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) {
    throw Error("cannot read " + path.string() + (error ? ": " + error.message() : ""));
  }
  std::array<char, kPrefix> prefix{};
  file.read(prefix.data(), static_cast<std::streamsize>(std::min<uint64_t>(size, kPrefix)));
  const uint64_t length = header_length({prefix.data(), prefix.size()}, size, where);
  std::string header(length, '\0');
  if (!file.read(header.data(), static_cast<std::streamsize>(length))) {
    throw Error("cannot read the header of " + path.string());
  }
  check_start(header, where);
  return parse_head(header, size, where);
}

std::string read_array(const std::filesystem::path& path, const ArrayInfo& array) {
  std::string bytes(array.end - array.begin, '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(array.begin));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw Error("cannot read `" + array.name + "` of " + path.string());
  }
  return bytes;
}

}  // namespace assay

// Writers of small data files for the tests of datasets.
#pragma once

#include <gtest/gtest.h>
#include <png.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/dataset.h"
#include "harness/suite/error.h"

namespace assay::testing {

/// A test with a folder of its own that is gone afterwards.
class WithFolder : public ::testing::Test {
 protected:
  WithFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~WithFolder() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
    return path;
  }

  std::filesystem::path folder_;
};

inline std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 255);
  return text;
}

inline std::string big(uint64_t value, int bytes) {
  const std::string text = little(value, bytes);
  return std::string(text.rbegin(), text.rend());
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

inline std::string idx(int type, const std::vector<uint32_t>& shape, std::string_view data) {
  std::string text = {'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t dimension : shape) text += big(dimension, 4);
  return text + std::string(data);
}

/// `shape` as Python spells a tuple: "(2, 3)" or "(2,)".
inline std::string npy(const std::string& descr, const std::string& shape, std::string_view data,
                       bool fortran = false) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  return "\x93NUMPY\x01" + std::string(1, '\0') + little(header.size(), 2) + header +
         std::string(data);
}

/// Deflate: `window` 31 for gzip, -15 for raw.
inline std::string deflated(std::string_view text, int window) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline std::string gzipped(std::string_view text) { return deflated(text, 31); }

/// A zip archive as numpy writes one: local headers with zip64 fields, sizes in the directory.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries,
                       bool compress) {
  std::string body;
  std::string directory;
  for (const auto& [name, content] : entries) {
    const std::string packed = compress ? deflated(content, -15) : content;
    const std::string method = little(compress ? 8 : 0, 2);
    const auto* bytes = reinterpret_cast<const Bytef*>(content.data());
    const std::string crc = little(crc32(0, bytes, static_cast<uInt>(content.size())), 4);
    const uint64_t offset = body.size();
    body += "PK\x03\x04" + little(45, 2) + little(0, 2) + method + little(0, 4) + crc +
            little(0xffffffff, 4) + little(0xffffffff, 4) + little(name.size(), 2) + little(20, 2) +
            name + little(1, 2) + little(16, 2) + little(content.size(), 8) +
            little(packed.size(), 8) + packed;
    directory += "PK\x01\x02" + little(45, 2) + little(45, 2) + little(0, 2) + method +
                 little(0, 4) + crc + little(packed.size(), 4) + little(content.size(), 4) +
                 little(name.size(), 2) + std::string(12, '\0') + little(offset, 4) + name;
  }
  const std::string count = little(entries.size(), 2);
  return body + directory + "PK\x05\x06" + little(0, 4) + count + count +
         little(directory.size(), 4) + little(body.size(), 4) + little(0, 2);
}

inline std::string safetensors(const std::string& header, std::string_view data) {
  return little(header.size(), 8) + header + std::string(data);
}

/// An 8-bit PNG of `width` · height · channels (1 or 3) pixels.
inline std::string png(int width, int height, const std::vector<uint8_t>& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  const bool grey = pixels.size() == static_cast<size_t>(width * height);
  image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string out(pixels.size() + 4096, '\0');
  png_alloc_size_t size = out.size();
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0, nullptr)) {
    throw std::runtime_error(image.message);
  }
  out.resize(size);
  return out;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline ModelSpec model_of(std::vector<int64_t> shape, int64_t classes, double lo = 0,
                          double hi = 1) {
  ModelSpec spec;
  spec.shape = std::move(shape);
  spec.classes = classes;
  spec.lo = lo;
  spec.hi = hi;
  return spec;
}

inline DataSpec data_of(DataSpec::Format format) {
  DataSpec data;
  data.name = "test";
  data.format = format;
  data.where = {"suite.yaml", 7, 3};
  return data;
}

inline std::vector<double> values(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kDouble).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

inline std::vector<int64_t> all(const Dataset& dataset) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < dataset.size(); ++i) indices.push_back(i);
  return indices;
}

/// The message of the Error that `f` throws; "" and a failure if it throws none.
template <typename F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace assay::testing

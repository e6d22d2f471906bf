#include "reports/markup.h"

#include <png.h>

#include "harness/suite/error.h"
#include "harness/suite/utf8.h"

namespace assay::reports {
namespace {

bool is_forbidden(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) {
    return (first < 0x20 && first != '\t' && first != '\n' && first != '\r') || first == 0x7F;
  }
  return sequence == "\xEF\xBF\xBE" || sequence == "\xEF\xBF\xBF";  // U+FFFE, U+FFFF
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_character(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    const std::string_view sequence = text.substr(0, length);
    if (!is_forbidden(sequence)) out += sequence;
    text.remove_prefix(length);
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : clean_text(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) {
      word = word << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kDigits[word >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string png_data_uri(const Bitmap& bitmap) {
  const auto size =
      static_cast<size_t>(bitmap.width) * static_cast<size_t>(bitmap.height) * bitmap.channels;
  ASSAY_CHECK(size > 0 && bitmap.pixels.size() == size, "a bitmap's pixels fill it");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(bitmap.width);
  image.height = static_cast<png_uint_32>(bitmap.height);
  image.format = bitmap.channels == 1   ? PNG_FORMAT_GRAY
                 : bitmap.channels == 3 ? PNG_FORMAT_RGB
                                        : PNG_FORMAT_RGBA;
  png_alloc_size_t needed = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string png(needed, '\0');
  const bool written =
      png_image_write_to_memory(&image, png.data(), &needed, 0, bitmap.pixels.data(), 0, nullptr);
  ASSAY_CHECK(written, image.message);
  png.resize(needed);
  return "data:image/png;base64," + base64(png);
}

}  // namespace assay::reports

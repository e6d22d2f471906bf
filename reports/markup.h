// Text that goes into HTML, XML and data URIs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::reports {

/// Valid UTF-8 without the control characters that XML 1.0 forbids: those are dropped, bytes that
/// are no UTF-8 become U+FFFD.
std::string clean_text(std::string_view text);

/// clean_text with & < > " ' escaped, for HTML and XML, as content and inside quotes.
std::string escape(std::string_view text);

/// RFC 4648 base64 with padding.
std::string base64(std::string_view bytes);

/// An 8-bit image, rows top down; `channels` is 1 (grey), 3 (RGB) or 4 (RGBA).
struct Bitmap {
  int width = 0;
  int height = 0;
  int channels = 1;
  std::vector<uint8_t> pixels;
};

/// The image as a `data:image/png;base64,…` address.
std::string png_data_uri(const Bitmap& bitmap);

}  // namespace assay::reports

#include "harness/model/image.h"

#include <cstring>

#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

Image to_grey(const Image& image) {
  Image grey{image.height, image.width, 1, {}};
  grey.pixels.resize(image.pixels.size() / 3);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    // ITU-R 601 luma in 16-bit fixed point, as Pillow's L24.
    grey.pixels[i] =
        static_cast<uint8_t>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
  }
  return grey;
}

Image to_rgb(const Image& image) {
  Image rgb{image.height, image.width, 3, {}};
  rgb.pixels.reserve(image.pixels.size() * 3);
  for (const uint8_t level : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, level);
  return rgb;
}

}  // namespace

void check_image_size(int64_t height, int64_t width, const std::string& name) {
  if (height > 0 && width > 0 && height <= kMaxPixels / width) return;
  throw Error(name + ": image of " + std::to_string(height) + " x " + std::to_string(width) +
              " pixels (height x width); expected 1 to " + std::to_string(kMaxPixels) + " pixels");
}

Image decode_image(std::span<const uint8_t> bytes, int64_t channels, const std::string& name) {
  ASSAY_CHECK(channels == 1 || channels == 3, "channels of an image");
  const std::string_view kind = sniff(bytes);
  if (kind != "png" && kind != "jpeg") {
    throw Error(name + ": is not an image that Assay reads: expected PNG (89 50 4e 47) or JPEG " +
                "(ff d8 ff) at byte 0, found " + show_head(bytes));
  }
  Image image = kind == "png" ? decode_png(bytes, name) : decode_jpeg(bytes, name);
  if (image.channels == channels) return image;
  return channels == 1 ? to_grey(image) : to_rgb(image);
}

Image center_crop(const Image& image, int64_t height, int64_t width, const std::string& name) {
  if (height > image.height || width > image.width) {
    throw Error(name + ": crop [" + std::to_string(height) + ", " + std::to_string(width) +
                "] is larger than the image of [" + std::to_string(image.height) + ", " +
                std::to_string(image.width) + "]; set a larger `resize`");
  }
  // int(round(x / 2.0)) of Python rounds halves to even.
  const auto half = [](int64_t x) { return x / 2 + (x % 4 == 3 ? 1 : 0); };
  const int64_t top = half(image.height - height);
  const int64_t left = half(image.width - width);
  Image crop{height, width, image.channels, {}};
  const size_t row_bytes = static_cast<size_t>(width * image.channels);
  crop.pixels.resize(row_bytes * static_cast<size_t>(height));
  for (int64_t y = 0; y < height; ++y) {
    const int64_t from = ((top + y) * image.width + left) * image.channels;
    std::memcpy(crop.pixels.data() + static_cast<size_t>(y) * row_bytes, image.pixels.data() + from,
                row_bytes);
  }
  return crop;
}

}  // namespace assay

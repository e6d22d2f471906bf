// 8-bit images, decoded, converted and resized as Pillow does, so that models meet the inputs they
// were trained and evaluated on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay {

/// Pixels [height, width, channels], row-major; 1 channel (grey) or 3 (RGB).
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;
};

/// Larger images are refused before anything is allocated for them (as Pillow warns of).
inline constexpr int64_t kMaxPixels = 89'478'485;

/// Decodes PNG or JPEG, told apart by content, as Pillow's convert("L") or convert("RGB") would:
/// alpha, gamma, colour profiles and EXIF orientation are ignored. `name` is for errors.
/// Throws Error for anything that does not decode to the last row.
Image decode_image(std::span<const uint8_t> bytes, int64_t channels, const std::string& name);

/// Decoders behind decode_image: grey or RGB as the file has it.
Image decode_png(std::span<const uint8_t> bytes, const std::string& name);
Image decode_jpeg(std::span<const uint8_t> bytes, const std::string& name);

/// A baseline JPEG of a grey or RGB image as Pillow's save(quality=…) writes it; quality 1 to 100.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);

/// Throws Error for a size that is empty or beyond kMaxPixels.
void check_image_size(int64_t height, int64_t width, const std::string& name);

enum class Interpolation { kNearest, kBilinear, kBicubic };

/// Resizes as Pillow does: antialiased, in fixed point, rows first (nearest: by pixel centres).
Image resize_pillow(const Image& image, int64_t height, int64_t width, Interpolation how);
/// Resizes as torchvision does with tensors and antialias=False.
Image resize_tensor(const Image& image, int64_t height, int64_t width, Interpolation how);

/// torchvision's Resize: `size` is [shorter side] or [height, width].
Image resize(const Image& image, std::span<const int64_t> size, Interpolation how, bool antialias,
             const std::string& name);
/// torchvision's CenterCrop, but for crops larger than the image, which are an Error.
Image center_crop(const Image& image, int64_t height, int64_t width, const std::string& name);

}  // namespace assay

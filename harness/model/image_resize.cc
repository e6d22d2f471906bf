// Resizing to the bit as Pillow (Resample.c, Geometry.c) and as torchvision's tensor path. The
// order of passes is that of Pillow up to 12, rows first; Pillow 13 takes columns first in some
// shapes, which moves single pixels by a level or two.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "harness/model/image.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic convolution with a = -1/2, in the order of operations that Pillow uses.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// What each output position takes from the input: `count` weights from `first` on.
struct Taps {
  std::vector<int64_t> first;
  std::vector<int64_t> count;
  std::vector<int32_t> weights;  // [outputs, stride] in fixed point
  int64_t stride = 0;
};

Taps make_taps(int64_t in, int64_t out, Interpolation how) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch =
      std::max(scale, 1.0);  // antialiasing: the filter grows as the image shrinks
  const bool bicubic = how == Interpolation::kBicubic;
  const double support = (bicubic ? 2.0 : 1.0) * stretch;
  Taps taps;
  taps.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.assign(static_cast<size_t>(out * taps.stride), 0);
  std::vector<double> exact(static_cast<size_t>(taps.stride));
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const auto last = std::min<int64_t>(in, static_cast<int64_t>(center + support + 0.5));
    double sum = 0;
    for (int64_t k = 0; k < last - first; ++k) {
      const double x = (static_cast<double>(k + first) - center + 0.5) * (1.0 / stretch);
      const double weight = bicubic ? cubic(x) : triangle(x);
      exact[static_cast<size_t>(k)] = weight;
      sum += weight;
    }
    for (int64_t k = 0; k < last - first; ++k) {
      double weight = exact[static_cast<size_t>(k)];
      if (sum != 0.0) weight /= sum;
      weight *= 1 << kPrecisionBits;
      taps.weights[static_cast<size_t>(i * taps.stride + k)] =
          static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.first.push_back(first);
    taps.count.push_back(last - first);
  }
  return taps;
}

uint8_t to_level(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// Resamples the middle axis of [outer, n, inner] to [outer, taps, inner].
std::vector<uint8_t> resample(const std::vector<uint8_t>& pixels, int64_t outer, int64_t n,
                              int64_t inner, const Taps& taps) {
  const auto out = static_cast<int64_t>(taps.first.size());
  std::vector<uint8_t> result(static_cast<size_t>(outer * out * inner));
  std::vector<int32_t> sums(static_cast<size_t>(inner));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < out; ++i) {
      std::fill(sums.begin(), sums.end(), 1 << (kPrecisionBits - 1));
      for (int64_t k = 0; k < taps.count[static_cast<size_t>(i)]; ++k) {
        const int32_t weight = taps.weights[static_cast<size_t>(i * taps.stride + k)];
        const uint8_t* row =
            pixels.data() + (o * n + taps.first[static_cast<size_t>(i)] + k) * inner;
        for (size_t c = 0; c < sums.size(); ++c) sums[c] += row[c] * weight;
      }
      uint8_t* to = result.data() + (o * out + i) * inner;
      for (size_t c = 0; c < sums.size(); ++c) to[c] = to_level(sums[c]);
    }
  }
  return result;
}

// Source positions of nearest neighbours; the sum accumulates as in Pillow's affine transform.
std::vector<int64_t> nearest_positions(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  std::vector<int64_t> positions;
  double at = scale * 0.5;
  for (int64_t i = 0; i < out; ++i, at += scale) {
    positions.push_back(std::min<int64_t>(static_cast<int64_t>(at), in - 1));
  }
  return positions;
}

Image resize_nearest(const Image& image, int64_t height, int64_t width) {
  const std::vector<int64_t> rows = nearest_positions(image.height, height);
  const std::vector<int64_t> columns = nearest_positions(image.width, width);
  Image result{height, width, image.channels, {}};
  result.pixels.reserve(static_cast<size_t>(height * width * image.channels));
  for (const int64_t y : rows) {
    for (const int64_t x : columns) {
      const uint8_t* pixel = image.pixels.data() + (y * image.width + x) * image.channels;
      result.pixels.insert(result.pixels.end(), pixel, pixel + image.channels);
    }
  }
  return result;
}

}  // namespace

Image resize_pillow(const Image& image, int64_t height, int64_t width, Interpolation how) {
  if (height == image.height && width == image.width) return image;
  if (how == Interpolation::kNearest) return resize_nearest(image, height, width);
  Image result{height, width, image.channels, image.pixels};
  if (width != image.width) {
    const Taps taps = make_taps(image.width, width, how);
    result.pixels = resample(result.pixels, image.height, image.width, image.channels, taps);
  }
  if (height != image.height) {
    const Taps taps = make_taps(image.height, height, how);
    result.pixels = resample(result.pixels, 1, image.height, width * image.channels, taps);
  }
  return result;
}

Image resize_tensor(const Image& image, int64_t height, int64_t width, Interpolation how) {
  if (height == image.height && width == image.width) return image;
  const at::Tensor levels =
      at::tensor(at::ArrayRef<uint8_t>(image.pixels), at::kByte)
          .view({1, image.height, image.width, image.channels})
          .permute({0, 3, 1, 2})
          .to(at::kFloat, false, false, at::MemoryFormat::Contiguous);  // [1, c, h, w]
  at::Tensor resized;
  switch (how) {
    case Interpolation::kNearest:
      resized = at::upsample_nearest2d(levels, {height, width});
      break;
    case Interpolation::kBilinear:
      resized = at::upsample_bilinear2d(levels, {height, width}, false);
      break;
    case Interpolation::kBicubic:
      resized = at::upsample_bicubic2d(levels, {height, width}, false).clamp(0, 255);
      break;
  }
  const at::Tensor bytes = resized.round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  const uint8_t* data = bytes.data_ptr<uint8_t>();
  return {height, width, image.channels, std::vector<uint8_t>(data, data + bytes.numel())};
}

Image resize(const Image& image, std::span<const int64_t> size, Interpolation how, bool antialias,
             const std::string& name) {
  ASSAY_CHECK(size.size() == 1 || size.size() == 2, "resize takes one or two numbers");
  int64_t height = size.front();
  int64_t width = size.back();
  if (size.size() == 1) {
    const int64_t shorter = std::min(image.height, image.width);
    const int64_t longer = std::max(image.height, image.width);
    const auto other =
        static_cast<int64_t>(static_cast<double>(size[0] * longer) / static_cast<double>(shorter));
    (image.width <= image.height ? height : width) = other;
  }
  check_image_size(height, width, name + " (resized)");
  return antialias ? resize_pillow(image, height, width, how)
                   : resize_tensor(image, height, width, how);
}

}  // namespace assay

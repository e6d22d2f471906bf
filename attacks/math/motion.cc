#include "attacks/math/motion.h"

#include <cmath>
#include <numbers>

#include "attacks/math/rows.h"

namespace assay::attacks {
namespace {

// What one output pixel takes: up to four input pixels, and a share of the outside.
struct Mix {
  int64_t from[4];
  double weight[4];
  double outside;
};

Mix mix_at(double row, double column, int64_t height, int64_t width) {
  const double top = std::floor(row);
  const double left = std::floor(column);
  Mix mix{};
  for (int corner = 0; corner < 4; ++corner) {
    const int below = corner / 2;
    const int beside = corner % 2;
    const double weight =
        (below ? row - top : 1 - (row - top)) * (beside ? column - left : 1 - (column - left));
    const double i = top + below;
    const double j = left + beside;
    if (i < 0 || j < 0 || i >= static_cast<double>(height) || j >= static_cast<double>(width)) {
      mix.outside += weight;
      continue;
    }
    mix.from[corner] = static_cast<int64_t>(i) * width + static_cast<int64_t>(j);
    mix.weight[corner] = weight;
  }
  return mix;
}

}  // namespace

at::Tensor moved(const at::Tensor& image, std::span<const Motion> motions, double outside) {
  const int64_t channels = image.size(0);
  const int64_t height = image.size(1);
  const int64_t width = image.size(2);
  const at::Tensor source = image.contiguous();
  const auto count = static_cast<int64_t>(motions.size());
  at::Tensor copies = at::empty({count, channels, height, width}, image.options());
  const double middle_row = static_cast<double>(height - 1) / 2;
  const double middle_column = static_cast<double>(width - 1) / 2;
  with_type(image, [&](auto zero) {
    using T = decltype(zero);
    const T* in = source.const_data_ptr<T>();
    T* out = copies.data_ptr<T>();
    for (const Motion& motion : motions) {
      const double angle = motion.degrees * std::numbers::pi / 180;
      const double cosine = std::cos(angle);
      const double sine = std::sin(angle);
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          // Back to where the pixel came from; rows grow downwards.
          const double down = static_cast<double>(i) - motion.down - middle_row;
          const double right = static_cast<double>(j) - motion.right - middle_column;
          const Mix mix = mix_at(middle_row + right * sine + down * cosine,
                                 middle_column + right * cosine - down * sine, height, width);
          for (int64_t c = 0; c < channels; ++c) {
            const T* plane = in + c * height * width;
            double sum = mix.outside * outside;
            for (int k = 0; k < 4; ++k) {
              sum += mix.weight[k] * static_cast<double>(plane[mix.from[k]]);
            }
            out[(c * height + i) * width + j] = static_cast<T>(sum);
          }
        }
      }
      out += channels * height * width;
    }
  });
  return copies;
}

}  // namespace assay::attacks

// Rectangles of images, and the bumps that random search puts into them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/suite/suite.h"

namespace assay::attacks {

/// A row as channels of an image: row-major [channels, height, width].
struct Layout {
  int64_t channels = 1, height = 1, width = 1;
  int64_t size() const { return channels * height * width; }
  int64_t at(int64_t c, int64_t i, int64_t j) const { return (c * height + i) * width + j; }
};

/// [n, D] is one row of D entries; sizes before the last two count as channels.
Layout layout_of(const at::Tensor& x);

struct Window {
  int64_t top = 0, left = 0, height = 1, width = 1;
};

/// A square of this share of the area, or a rectangle of that area where the image is narrow.
/// `odd`: its side is odd and at least 3, where the image has room.
Window sized(const Layout& layout, double share, bool odd);

/// Puts the window anywhere, the last place included, by two numbers in [0, 1).
Window placed(Window window, const Layout& layout, const double* u);

/// Calls f(i, j) for every row i and column j of the window.
template <typename F>
void for_each(const Window& window, F f) {
  for (int64_t i = 0; i < window.height; ++i) {
    for (int64_t j = 0; j < window.width; ++j) f(window.top + i, window.left + j);
  }
}

/// η of Square: a positive and a negative bump side by side, of length 1 in the norm (l2 or l1).
/// `across` puts them left and right rather than one above the other. → [height · width]
std::vector<double> eta(int64_t height, int64_t width, bool across, Norm norm);

}  // namespace assay::attacks

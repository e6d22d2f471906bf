// Rotated and shifted copies of an image.
#pragma once

#include <ATen/ATen.h>

#include <span>

namespace assay::attacks {

/// A rotation about the image's centre, then a shift in pixels, which need not be whole.
struct Motion {
  double degrees = 0;  ///< anticlockwise
  double down = 0;
  double right = 0;
};

/// A copy of the image [C, H, W] for each motion: [m, C, H, W]. Bilinear, in float64; `outside` is
/// what comes in from beyond the edges.
at::Tensor moved(const at::Tensor& image, std::span<const Motion> motions, double outside);

}  // namespace assay::attacks

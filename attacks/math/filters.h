// Linear filters of images, along one axis or in the plane.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace assay::attacks {

/// What each output of a filter along one axis sums: `weights` from `first` on.
struct Taps {
  int64_t first;
  std::vector<double> weights;
};

/// A filter along one axis of [C, H, W] → the same.
at::Tensor filter(const at::Tensor& u, int64_t axis, const std::vector<Taps>& taps);

/// A Gaussian that ends at four standard deviations; the edges go on beyond themselves.
std::vector<Taps> gaussian_taps(int64_t size, double deviation);

/// Means over boxes of pixels, as Pillow's BOX: each output is its box's mean.
std::vector<Taps> box_taps(int64_t size, double share);

/// A filter in the plane of [C, H, W] by a square kernel [2r + 1, 2r + 1], centred; the edges go on
/// beyond themselves.
at::Tensor filter(const at::Tensor& u, const at::Tensor& kernel);

/// Equal weights within `radius` pixels, softened by a 3 · 3 Gaussian of deviation `softness`; they
/// add up to 1. [2r + 1, 2r + 1] float64.
at::Tensor disc(double radius, double softness);

}  // namespace assay::attacks

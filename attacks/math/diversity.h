// Gradients at transformed copies of an image, as transfer attacks take them: resized and padded
// (DI), scaled (SI), smoothed (TI). No autograd crosses the oracle, so the transforms are linear
// maps with adjoints written out.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "attacks/math/look.h"
#include "harness/model/rng.h"
#include "harness/suite/params.h"

namespace assay::attacks {

struct Diversity {
  double diverse_prob = 0;         ///< DI: chance that a copy is resized and padded
  int64_t scale_copies = 1;        ///< SI: copies x / 2^i
  int64_t translation_kernel = 0;  ///< TI: width of the Gaussian; 0 for none
  bool none() const { return diverse_prob == 0 && scale_copies == 1 && translation_kernel == 0; }
};

/// Declares the three parameters.
Diversity read_diversity(Params& params);

/// Throws Error where inputs [n, ...] are no images and a transform needs them to be.
void check_images(const Diversity& diversity, const at::Tensor& x);

/// Like look(), with the mean gradient over the copies of x in place of the gradient at x, and the
/// value and label at the first copy. scale_copies queries and gradients per row. Draws are keyed
/// by restart and from step · scale_copies + 1 on.
std::optional<Look> look_around(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                                const at::Tensor& y, const at::Tensor& target, LossKind loss,
                                const Diversity& diversity, const Rng& rng, int64_t restart,
                                int64_t step);

/// A resize to up to 1.1 times the size, zero-padded at a random place and resized back, bilinear
/// throughout: linear in the image.
class Resize {
 public:
  /// Four uniform numbers choose size and place for images of this size.
  Resize(int64_t height, int64_t width, std::span<const double, 3> draw);

  /// [channels, height, width] → the same.
  std::vector<double> apply(std::span<const double> image) const;
  /// The transposed map.
  std::vector<double> adjoint(std::span<const double> image) const;

 private:
  struct Tap {
    int64_t from;
    double weight;
  };
  using Axis = std::vector<std::vector<Tap>>;  // what each output sums
  static Axis axis(int64_t size, double growth, double place);
  Axis rows_, columns_;
};

/// Smooths each channel of images [n, ..., H, W] with a Gaussian `width` entries wide (odd) that
/// ends at three standard deviations; zeros outside.
at::Tensor smooth(const at::Tensor& x, int64_t width);

}  // namespace assay::attacks

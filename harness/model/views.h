// Views of an input that a classifier should treat alike: membership attacks average over them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace assay {

/// View number `view` of x [n, C, H, W]; 0, of any shape, is x itself. Odd ones are mirrored, left
/// to right. From view 2 on, the image is moved by 4 pixels, its border repeated: 18 views are the
/// 9 moves of Carlini et al. (Membership Inference Attacks From First Principles, S&P 2022,
/// arXiv:2112.03570), each mirrored too.
at::Tensor view_of(const at::Tensor& x, int64_t view);

}  // namespace assay

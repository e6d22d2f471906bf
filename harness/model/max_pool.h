// Max pooling with LibTorch's bits, faster: the larger part of a small network's time.
#pragma once

#include <ATen/ATen.h>

namespace torch::jit {
struct Module;
}

namespace assay {

/// Max pooling with at::max_pool2d's arguments, values and gradients: for float32 [n, C, H, W] in
/// windows of 2 · 2 side by side; LibTorch's own in all other cases.
at::Tensor max_pool(const at::Tensor& x, at::IntArrayRef kernel, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode);

/// Lets the graph of an inlined module that has not run yet pool by max_pool.
void replace_max_pool(torch::jit::Module& module);

}  // namespace assay

// Small TorchScript models for tests, with given or random weights.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/model.h"
#include "harness/suite/suite.h"

namespace assay::testing {

inline constexpr Norm kNorms[] = {Norm::kLinf, Norm::kL2, Norm::kL1};

/// Shape, classes and type of a model's input; the box is [lo, hi].
struct Shape {
  std::vector<int64_t> shape;
  int64_t classes = 3;
  at::ScalarType dtype = at::kFloat;
  double lo = 0;
  double hi = 1;
  int64_t size() const;
};

ModelSpec to_spec(const Shape& shape, const std::filesystem::path& path);

/// Writes a module with these parameters and this `def forward(self, x)` to `path`.
void save_module(const std::filesystem::path& path, const std::string& forward,
                 const std::vector<std::pair<std::string, at::Tensor>>& parameters);

/// Writes a module that calls a submodule with this `def forward(self, x)`.
void save_nested(const std::filesystem::path& path, const std::string& forward);

/// Writes, loads and removes such a module; the spec's path is that of the file which was.
Model load_module(ModelSpec spec, const std::string& forward,
                  const std::vector<std::pair<std::string, at::Tensor>>& parameters);
Model load_module(const Shape& shape, const std::string& forward,
                  const std::vector<std::pair<std::string, at::Tensor>>& parameters);

/// z = W·flatten(x) + b, for weight [K, d] and bias [K].
Model linear_model(const Shape& shape, const at::Tensor& weight, const at::Tensor& bias);
/// One hidden ReLU layer with random weights.
Model mlp_model(const Shape& shape, int64_t hidden, uint64_t seed);
/// One hidden tanh layer with random weights, odd about the middle of the box: no class is common.
Model odd_model(const Shape& shape, int64_t hidden, uint64_t seed);
/// A 3x3 convolution with 4 channels, ReLU and a linear layer with random weights; shape [C, H, W].
Model cnn_model(const Shape& shape, uint64_t seed);

/// These numbers as a tensor: [numbers].
at::Tensor values(const std::vector<double>& numbers, at::ScalarType dtype = at::kFloat);
/// A tensor's entries, in order.
std::vector<double> doubles(const at::Tensor& x);
/// Standard normal numbers in the given type, from the seed alone.
at::Tensor random_normal(at::IntArrayRef sizes, uint64_t seed, at::ScalarType dtype = at::kFloat);
/// Uniform numbers in [lo, hi].
at::Tensor random_uniform(at::IntArrayRef sizes, uint64_t seed, double lo, double hi,
                          at::ScalarType dtype = at::kFloat);

}  // namespace assay::testing

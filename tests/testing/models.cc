#include "tests/testing/models.h"

#include <torch/script.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cmath>

#include "harness/model/rng.h"

namespace assay::testing {
namespace {

std::filesystem::path fresh_path() {
  static std::atomic<int> count{0};
  return std::filesystem::temp_directory_path() /
         ("assay_model_" + std::to_string(getpid()) + "_" + std::to_string(count++) + ".pt");
}

}  // namespace

int64_t Shape::size() const {
  int64_t size = 1;
  for (const int64_t side : shape) size *= side;
  return size;
}

ModelSpec to_spec(const Shape& shape, const std::filesystem::path& path) {
  ModelSpec spec;
  spec.path = path;
  spec.shape = shape.shape;
  spec.lo = shape.lo;
  spec.hi = shape.hi;
  spec.classes = shape.classes;
  spec.dtype = shape.dtype == at::kDouble ? ModelSpec::Dtype::kFloat64 : ModelSpec::Dtype::kFloat32;
  return spec;
}

void save_module(const std::filesystem::path& path, const std::string& forward,
                 const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  torch::jit::Module module("TestModel");
  for (const auto& [name, value] : parameters) {
    module.register_parameter(name, value.clone(), /*is_buffer=*/false);
  }
  module.define(forward + "\n");
  module.eval();
  module.save(path.string());
}

void save_nested(const std::filesystem::path& path, const std::string& forward) {
  torch::jit::Module child("Child");
  child.define(forward + "\n");
  torch::jit::Module parent("Parent");
  parent.register_module("child", child);
  parent.define("def forward(self, x):\n    return self.child.forward(x)\n");
  parent.eval();
  parent.save(path.string());
}

Model load_module(ModelSpec spec, const std::string& forward,
                  const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  spec.path = fresh_path();
  save_module(spec.path, forward, parameters);
  Model model = Model::load(spec, spec.path, /*block=*/64, "cpu");
  std::filesystem::remove(spec.path);
  return model;
}

Model load_module(const Shape& shape, const std::string& forward,
                  const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  return load_module(to_spec(shape, {}), forward, parameters);
}

Model linear_model(const Shape& shape, const at::Tensor& weight, const at::Tensor& bias) {
  return load_module(
      shape, R"(
def forward(self, x):
    return torch.flatten(x, 1).matmul(self.weight) + self.bias
)",
      {{"weight", weight.to(shape.dtype).t().contiguous()}, {"bias", bias.to(shape.dtype)}});
}

Model mlp_model(const Shape& shape, int64_t hidden, uint64_t seed) {
  const int64_t d = shape.size();
  const auto scaled = [&](at::IntArrayRef sizes, uint64_t offset, int64_t fan_in) {
    return random_normal(sizes, seed + offset, shape.dtype)
        .mul(2.0 / std::sqrt(static_cast<double>(fan_in)));
  };
  return load_module(shape, R"(
def forward(self, x):
    hidden = torch.relu(torch.flatten(x, 1).matmul(self.first) + self.offset)
    return hidden.matmul(self.second)
)",
                     {{"first", scaled({d, hidden}, 0, d)},
                      {"offset", scaled({hidden}, 1000, 4)},
                      {"second", scaled({hidden, shape.classes}, 2000, hidden)}});
}

Model odd_model(const Shape& shape, int64_t hidden, uint64_t seed) {
  const int64_t d = shape.size();
  const at::Tensor first =
      random_normal({d, hidden}, seed, shape.dtype)
          .mul(4 / ((shape.hi - shape.lo) * std::sqrt(static_cast<double>(d))));
  return load_module(shape, R"(
def forward(self, x):
    return torch.tanh((torch.flatten(x, 1) - self.middle).matmul(self.first)).matmul(self.second)
)",
                     {{"middle", at::full({1}, (shape.lo + shape.hi) / 2, shape.dtype)},
                      {"first", first},
                      {"second", random_normal({hidden, shape.classes}, seed + 1, shape.dtype)}});
}

Model cnn_model(const Shape& shape, uint64_t seed) {
  const int64_t channels = shape.shape[0];
  const int64_t flat = 4 * shape.shape[1] * shape.shape[2];
  return load_module(shape, R"(
def forward(self, x):
    x = torch.relu(torch.conv2d(x, self.kernel, self.offset, [1, 1], [1, 1]))
    return torch.flatten(x, 1).matmul(self.weight)
)",
                     {{"kernel", random_normal({4, channels, 3, 3}, seed, shape.dtype).mul(0.5)},
                      {"offset", random_normal({4}, seed + 1000, shape.dtype).mul(0.5)},
                      {"weight", random_normal({flat, shape.classes}, seed + 2000, shape.dtype)
                                     .mul(2.0 / std::sqrt(static_cast<double>(flat)))}});
}

at::Tensor values(const std::vector<double>& numbers, at::ScalarType dtype) {
  return at::tensor(numbers, at::kDouble).to(dtype);
}

std::vector<double> doubles(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kDouble).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

at::Tensor random_normal(at::IntArrayRef sizes, uint64_t seed, at::ScalarType dtype) {
  const std::array<uint64_t, 1> sample{seed};
  return Rng(seed, "testing", 0).normal(sample, sizes, 0, 0).squeeze(0).to(dtype);
}

at::Tensor random_uniform(at::IntArrayRef sizes, uint64_t seed, double lo, double hi,
                          at::ScalarType dtype) {
  const std::array<uint64_t, 1> sample{seed};
  return Rng(seed, "testing", 1)
      .uniform(sample, sizes, 0, 0)
      .squeeze(0)
      .mul(hi - lo)
      .add(lo)
      .to(dtype);
}

}  // namespace assay::testing

#include "tests/testing/candidate.h"

#include <gtest/gtest.h>
#include <torch/script.h>
#include <unistd.h>

#include <numeric>
#include <sstream>
#include <utility>

#include "harness/suite/error.h"

namespace assay::testing {
namespace {

torch::jit::Module batch_norm(int64_t channels, const Candidate& candidate) {
  torch::jit::Module norm("BatchNorm");
  norm.register_attribute("training", c10::BoolType::get(), true);
  // As after training: neither weights nor statistics are those of a fresh layer.
  const auto noise = [&](uint64_t offset) {
    return random_normal({channels}, candidate.weights * 100 + offset, candidate.dtype);
  };
  norm.register_parameter("weight", noise(1).requires_grad_(true), false);
  norm.register_parameter("bias", noise(2).requires_grad_(true), false);
  norm.register_buffer("running_mean", noise(3).mul(100));
  norm.register_buffer("running_var", noise(4).square());
  norm.register_buffer("num_batches_tracked", at::tensor(int64_t{1000}));
  norm.define(R"(
def forward(self, x):
    if self.training:
        self.num_batches_tracked.add_(1)
    return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var,
                            self.training, 0.1, 1e-5, False)
)");
  return norm;
}

}  // namespace

ReadRecords toy_records(const ModelSpec& spec) {
  return [spec](std::span<const int64_t> rows) {
    std::vector<at::Tensor> x;
    std::vector<int64_t> labels;
    for (const int64_t row : rows) {
      labels.push_back(row % spec.classes);
      at::Tensor one = random_uniform(spec.shape, static_cast<uint64_t>(row), 0, 0.4);
      const int64_t height = spec.shape[spec.shape.size() - 2];
      one.narrow(-2, labels.back() * height / spec.classes, 2).add_(0.6);
      x.push_back(one.mul(spec.hi - spec.lo).add(spec.lo));
    }
    return std::pair(at::stack(x), at::tensor(labels, at::kLong));
  };
}

std::vector<int64_t> first_rows(int64_t n) {
  std::vector<int64_t> rows(static_cast<size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

Recipe quick_recipe() {
  Recipe recipe;
  recipe.epochs = 6;
  recipe.batch = 16;
  recipe.learning_rate = 0.01;
  return recipe;
}

Shadow train_toy(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
                 int64_t n, uint64_t seed) {
  return train_shadow(architecture, spec, recipe, toy_records(spec), first_rows(n), seed);
}

torch::jit::Module make_candidate(const Candidate& candidate) {
  torch::jit::Module module("Candidate");
  module.register_attribute("training", c10::BoolType::get(), true);
  const auto weight = [&](const std::string& name, at::IntArrayRef sizes, uint64_t offset,
                          bool trains) {
    module.register_parameter(
        name,
        random_normal(sizes, candidate.weights * 100 + offset, candidate.dtype)
            .requires_grad_(trains),
        false);
  };
  weight("conv_weight", {candidate.width, 1, 3, 3}, 10, !candidate.trunk_frozen);
  weight("conv_bias", {candidate.width}, 11, !candidate.trunk_frozen);
  weight("dense_weight", {3, candidate.width * 16}, 12, true);
  weight("dense_bias", {3}, 13, true);
  module.register_buffer("offset", at::tensor(candidate.offset, candidate.dtype));
  module.register_module("norm", batch_norm(candidate.width, candidate));
  module.define(R"(
def forward(self, x):
    x = torch.conv2d(x - self.offset, self.conv_weight, self.conv_bias, [1, 1], [1, 1])
    x = torch.max_pool2d(torch.relu(self.norm.forward(x)), [2, 2])
    x = torch.dropout(torch.flatten(x, 1), 0.3, )" +
                candidate.dropout + R"()
    z = torch.addmm(self.dense_bias, x, self.dense_weight.t())
    return )" + candidate.result +
                "\n");
  return module;
}

std::filesystem::path save_candidate(torch::jit::Module module, const std::string& name) {
  module.eval();
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("assay_candidate_" + std::to_string(getpid()) + "_" + name + ".pt");
  module.save(path.string());
  return path;
}

Architecture architecture_of(const Candidate& candidate, const ModelSpec& spec) {
  const std::filesystem::path path = save_candidate(make_candidate(candidate), "candidate");
  Architecture architecture = Architecture::of(spec, path, "candidate");
  std::filesystem::remove(path);
  return architecture;
}

torch::jit::Module load_shadow(const Shadow& shadow) {
  std::istringstream bytes(shadow.bytes);
  return torch::jit::load(bytes);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

}  // namespace assay::testing

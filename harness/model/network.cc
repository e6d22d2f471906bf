#include "harness/model/network.h"

#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "harness/model/rng.h"

namespace assay {
namespace {

constexpr uint64_t kOrder = 1;  // stage of the seed

// ReLU after pooling: the same values and gradients, and a quarter of the entries.
constexpr const char* kCnn = R"(
def forward(self, x):
    x = (x - self.shift) * self.scale
    x = torch.conv2d(x, self.conv1_weight, self.conv1_bias, [1, 1], [1, 1])
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.conv2d(x, self.conv2_weight, self.conv2_bias, [1, 1], [1, 1])
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.relu(torch.addmm(self.dense1_bias, torch.flatten(x, 1), self.dense1_weight.t()))
    return torch.addmm(self.dense2_bias, x, self.dense2_weight.t())
)";

constexpr const char* kMlp = R"(
def forward(self, x):
    x = (torch.flatten(x, 1) - self.shift) * self.scale
    x = torch.relu(torch.addmm(self.dense1_bias, x, self.dense1_weight.t()))
    x = torch.relu(torch.addmm(self.dense2_bias, x, self.dense2_weight.t()))
    return torch.addmm(self.dense3_bias, x, self.dense3_weight.t())
)";

class Builder {
 public:
  explicit Builder(const ModelSpec& spec)
      : dtype_(spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat), spec_(spec) {}

  int64_t width() const { return spec_.output == ModelSpec::Output::kSigmoid ? 1 : spec_.classes; }

  void layer(const std::string& name, at::IntArrayRef shape) {
    const auto zeros = [&](at::IntArrayRef sizes) {
      return at::zeros(sizes, dtype_).requires_grad_(true);
    };
    network_.register_parameter(name + "_weight", zeros(shape), false);
    network_.register_parameter(name + "_bias", zeros(shape.slice(0, 1)), false);
  }

  // Answers in the convention that the spec gives for the candidate's output.
  torch::jit::Module finish(std::string forward) {
    // The layers see about [-1, 1]: the box is mapped to it, unless inputs come normalised.
    const bool box = spec_.mean.empty();
    const double shift = box ? (spec_.hi + spec_.lo) / 2 : 0;
    const double scale = box ? 2 / (spec_.hi - spec_.lo) : 1;
    network_.register_buffer("shift", at::tensor(shift, dtype_));
    network_.register_buffer("scale", at::tensor(scale, dtype_));
    if (spec_.output == ModelSpec::Output::kProbabilities) {
      const std::string word = "    return ";
      const size_t at = forward.rfind(word);
      const size_t end = forward.size() - 1;
      forward = forward.substr(0, at) + word + "torch.softmax(" +
                forward.substr(at + word.size(), end - at - word.size()) + ", 1)\n";
    }
    network_.define(forward);
    return network_;
  }

 private:
  torch::jit::Module network_{"Network"};
  at::ScalarType dtype_;
  const ModelSpec& spec_;
};

// True if forward returns a tuple, a list or a dict.
bool returns_several(const torch::jit::Module& module) {
  const c10::TypePtr type =
      module.get_method("forward").function().getSchema().returns().at(0).type();
  return type->kind() != c10::TypeKind::TensorType;
}

}  // namespace

bool suits_cnn(const ModelSpec& spec) {
  return spec.shape.size() == 3 && spec.shape[1] >= 4 && spec.shape[2] >= 4;
}

torch::jit::Module cnn_network(const ModelSpec& spec) {
  Builder builder(spec);
  builder.layer("conv1", {16, spec.shape[0], 3, 3});
  builder.layer("conv2", {32, 16, 3, 3});
  builder.layer("dense1", {64, 32 * (spec.shape[1] / 4) * (spec.shape[2] / 4)});
  builder.layer("dense2", {builder.width(), 64});
  return builder.finish(kCnn);
}

torch::jit::Module mlp_network(const ModelSpec& spec) {
  int64_t inputs = 1;
  for (const int64_t side : spec.shape) inputs *= side;
  Builder builder(spec);
  builder.layer("dense1", {128, inputs});
  builder.layer("dense2", {64, 128});
  builder.layer("dense3", {builder.width(), 64});
  return builder.finish(kMlp);
}

torch::jit::Module computed_network(const ModelSpec& spec, const std::vector<Dense>& layers) {
  ASSAY_CHECK(!layers.empty(), "a network has a layer");
  torch::jit::Module network("Network");
  // Back from what the harness feeds to the box, per entry of the flattened input.
  const auto per_entry = [&](const std::vector<double>& values, double fallback) {
    const at::Tensor channels = at::tensor(values.empty() ? std::vector{fallback} : values);
    const int64_t d = entries_of(spec.shape);
    return channels.repeat_interleave(d / channels.size(0));
  };
  network.register_buffer("mean", per_entry(spec.mean, 0));
  network.register_buffer("std", per_entry(spec.std, 1));
  std::string forward = R"(
def forward(self, given):
    x = torch.flatten(given, 1).to(self.std) * self.std + self.mean
)";
  const bool sigmoid = spec.output == ModelSpec::Output::kSigmoid;
  for (size_t i = 0; i < layers.size(); ++i) {
    at::Tensor weight = layers[i].first.to(at::kDouble), bias = layers[i].second.to(at::kDouble);
    if (sigmoid && i + 1 == layers.size()) {
      // One logit z stands for [0, z].
      weight = weight.narrow(0, 1, 1).sub(weight.narrow(0, 0, 1));
      bias = bias.narrow(0, 1, 1).sub(bias.narrow(0, 0, 1));
    }
    const std::string name = "dense" + std::to_string(i + 1);
    network.register_parameter(name + "_weight", weight.clone(), false);
    network.register_parameter(name + "_bias", bias.clone(), false);
    if (i > 0) forward += "    x = torch.relu(x)\n";
    forward += "    x = torch.addmm(self." + name + "_bias, x, self." + name + "_weight.t())\n";
  }
  if (spec.output == ModelSpec::Output::kProbabilities) forward += "    x = torch.softmax(x, 1)\n";
  forward += "    return x.to(given)\n";  // its type
  network.define(forward);
  network.eval();
  return network;
}

namespace {

// A string literal of TorchScript, which reads Python's escapes.
std::string quoted(const std::string& text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') literal += '\\';
    literal += c == '\n' ? std::string("\\n") : c == '\r' ? std::string("\\r") : std::string(1, c);
  }
  return literal + "'";
}

}  // namespace

torch::jit::Module softened_network(const ModelSpec& spec, const torch::jit::Module& module,
                                    double factor) {
  torch::jit::Module network("Softened");
  network.register_module("network", module);
  network.register_buffer("factor", at::tensor(factor, at::kDouble));
  // A place among several outputs is taken here: whoever calls this is given a tensor.
  const std::string& place = spec.output_index;
  const bool number = place.find_first_not_of("0123456789") == std::string::npos;
  const std::string entry = !returns_several(module) ? ""
                            : number                 ? "[" + place + "]"
                                                     : "[" + quoted(place) + "]";
  std::string forward = "\ndef forward(self, x):\n    y = self.network.forward(x)" + entry + "\n";
  const bool probabilities = spec.output == ModelSpec::Output::kProbabilities;
  if (probabilities) forward += "    y = torch.log(torch.clamp_min(y, 1.2e-38))\n";
  forward += "    y = y * self.factor.to(y)\n";
  if (probabilities) forward += "    y = torch.softmax(y, 1)\n";
  network.define(forward + "    return y\n");
  network.eval();
  return network;
}

at::Tensor with_channels_last(const at::Tensor& x) {
  return at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast)).copy_(x);
}

double one_cycle(double share) {
  if (share < 0.1) return 0.1 + 9 * share;
  return (1 + std::cos(std::numbers::pi * (share - 0.1) / 0.9)) / 2;
}

std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch) {
  const Rng rng(seed, "train", kOrder);
  std::vector<std::pair<double, int64_t>> keys;
  keys.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    keys.emplace_back(rng.uniform(static_cast<uint64_t>(i), 0, epoch), i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> order;
  order.reserve(keys.size());
  for (const auto& [key, i] : keys) order.push_back(i);
  return order;
}

}  // namespace assay

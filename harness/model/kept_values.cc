#include "harness/model/kept_values.h"

#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/architecture_digest.h"

namespace assay {
namespace {

// What no normalisation is made of, as packed weights of a quantised layer are.
constexpr int64_t kOpaque = int64_t{1} << 40;

// More integers than a shape has, or literal numbers than the layers of a network share.
constexpr size_t kShape = 16;

// What numbers a value holds that may be weights: 0 for integers that count something.
int64_t weights_in(std::vector<int64_t> integers) {
  const auto size = static_cast<int64_t>(integers.size());
  std::sort(integers.begin(), integers.end());
  for (size_t i = 2; i < integers.size(); ++i) {
    if (integers[i] - integers[i - 1] != integers[1] - integers[0]) return size;
  }
  return 0;
}

int64_t weights_in(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.scalar_type() == at::kBool) return 0;
  if (tensor.scalar_type() != at::kLong) return tensor.numel();
  const at::Tensor plain = tensor.contiguous();
  return weights_in(std::vector<int64_t>(plain.const_data_ptr<int64_t>(),
                                         plain.const_data_ptr<int64_t>() + plain.numel()));
}

int64_t weights_in_list(const std::vector<int64_t>& integers) {
  return integers.size() > kShape ? weights_in(integers) : 0;
}

int64_t weights_in(const c10::IValue& value) {
  if (value.isTensor()) return weights_in(value.toTensor());
  if (value.isDoubleList()) return static_cast<int64_t>(value.toDoubleVector().size());
  if (value.isIntList()) return weights_in_list(value.toIntVector());
  int64_t sum = 0;
  if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) sum += weights_in(entry.value());
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) sum += weights_in(element);
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) sum += weights_in(element);
  } else if (value.isObject() && !value.isModule()) {
    const auto object = value.toObject();
    if (object->slots().empty()) return 0;
    for (const c10::IValue& slot : object->slots()) {
      sum += slot.isCapsule() ? kOpaque : weights_in(slot);
    }
  }
  return sum;
}

// Integers that a node makes a list of, if all are literal.
std::vector<int64_t> literals_of(const torch::jit::Node* node) {
  std::vector<int64_t> integers;
  if (node->kind() != c10::prim::ListConstruct) return integers;
  for (const torch::jit::Value* input : node->inputs()) {
    const auto value = torch::jit::toIValue(input);
    if (!value || !value->isInt()) return {};
    integers.push_back(value->toInt());
  }
  return integers;
}

// Adds literal numbers to `numbers`; how many weights the other constants hold.
int64_t weights_in(const torch::jit::Block* block, std::set<double>* numbers) {
  int64_t sum = 0;
  for (const torch::jit::Node* node : block->nodes()) {
    for (const torch::jit::Block* inner : node->blocks()) sum += weights_in(inner, numbers);
    sum += weights_in_list(literals_of(node));
    for (const c10::Symbol name : node->attributeNames()) {
      using Kind = torch::jit::AttributeKind;
      if (node->kindOf(name) == Kind::t) sum += weights_in(c10::IValue(node->t(name)));
      if (node->kindOf(name) == Kind::ival) sum += weights_in(node->ival(name));
      if (node->kindOf(name) == Kind::fs) sum += static_cast<int64_t>(node->fs(name).size());
      if (node->kindOf(name) == Kind::is) sum += weights_in_list(node->is(name));
      if (node->kindOf(name) == Kind::f) numbers->insert(node->f(name));
    }
  }
  return sum;
}

int64_t weights_in_code(const torch::jit::Module& module) {
  // As in the digest: without the optimiser calls of submodules are not inlined.
  const torch::jit::GraphOptimizerEnabledGuard inlining(true);
  const std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  std::set<double> numbers;
  const int64_t weights = weights_in(graph->block(), &numbers);
  return weights + (numbers.size() > kShape ? static_cast<int64_t>(numbers.size()) : 0);
}

}  // namespace

std::vector<std::string> kept_values(const Architecture::Impl& impl, const ModelSpec& spec) {
  std::vector<std::string> frozen, held;
  int64_t weights = 0;
  for (const auto& part : impl.module.named_modules()) {
    const std::string prefix = part.name.empty() ? "" : part.name + ".";
    std::set<std::string> parameters;
    for (const auto& [name, parameter] : part.value.named_parameters(/*recurse=*/false)) {
      parameters.insert(name);
      if (parameter.is_floating_point() && !impl.trained.contains(prefix + name)) {
        frozen.push_back(prefix + name);
      }
    }
    for (const auto& [name, value] : part.value.named_attributes(/*recurse=*/false)) {
      if (parameters.contains(name) || value.isModule() || is_statistic(part.value, name)) continue;
      const int64_t here = weights_in(value);
      if (here == 0) continue;
      weights += here;
      held.push_back(prefix + name);
    }
  }
  if (const int64_t here = weights_in_code(impl.module); here > 0) {
    weights += here;
    held.push_back("constants of its code");
  }
  const int64_t inputs = spec.shape.empty() ? 1 : spec.shape.front();
  if (weights > std::max<int64_t>(16, 2 * inputs)) {
    frozen.insert(frozen.end(), held.begin(), held.end());
  }
  return frozen;
}

std::vector<std::string> values_of(const torch::jit::Module& module,
                                   const torch::jit::Module& other) {
  const auto named = [](const torch::jit::Module& of) {
    std::vector<std::pair<std::string, at::Tensor>> all;
    for (const auto& [name, value] : of.named_parameters()) all.emplace_back(name, value.detach());
    for (const auto& [name, value] : of.named_buffers()) all.emplace_back(name, value.detach());
    return all;
  };
  const auto known = named(other);
  std::vector<std::string> names;
  for (const auto& [name, value] : named(module)) {
    if (value.dim() < 2 || value.numel() < 2) continue;
    const at::Tensor numbers = value.to(at::kDouble);
    if (numbers.eq(numbers.flatten()[0]).all().item<bool>()) continue;
    const bool shared = std::any_of(known.begin(), known.end(), [&](const auto& one) {
      return one.second.sizes() == numbers.sizes() && one.second.to(at::kDouble).equal(numbers);
    });
    if (shared) names.push_back(name);
  }
  return names;
}

bool has_values_of(const torch::jit::Module& module, const torch::jit::Module& other) {
  std::vector<at::Tensor> known;
  for (const at::Tensor& parameter : other.parameters()) known.push_back(parameter);
  for (const at::Tensor& buffer : other.buffers()) known.push_back(buffer);
  bool any = false;
  for (const at::Tensor& parameter : module.parameters()) {
    any = true;
    if (std::none_of(known.begin(), known.end(), [&](const at::Tensor& one) {
          return one.sizes() == parameter.sizes() &&
                 one.to(at::kDouble).equal(parameter.to(at::kDouble));
        })) {
      return false;
    }
  }
  return any;
}

}  // namespace assay

#include "harness/model/kept_values.h"

#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <utility>

#include "harness/model/architecture_digest.h"

namespace assay {
namespace {

// What no normalisation is made of, as packed weights of a quantised layer are.
constexpr int64_t kOpaque = int64_t{1} << 40;

// How many numbers a value holds that may be weights.
int64_t weights_in(const c10::IValue& value) {
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined() || tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kBool)
      return 0;
    return tensor.numel();
  }
  if (value.isDoubleList()) return static_cast<int64_t>(value.toDoubleVector().size());
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

int64_t weights_in(const torch::jit::Block* block) {
  int64_t sum = 0;
  for (const torch::jit::Node* node : block->nodes()) {
    for (const torch::jit::Block* inner : node->blocks()) sum += weights_in(inner);
    for (const c10::Symbol name : node->attributeNames()) {
      using Kind = torch::jit::AttributeKind;
      if (node->kindOf(name) == Kind::t) sum += weights_in(c10::IValue(node->t(name)));
      if (node->kindOf(name) == Kind::ival) sum += weights_in(node->ival(name));
      if (node->kindOf(name) == Kind::fs) sum += static_cast<int64_t>(node->fs(name).size());
    }
  }
  return sum;
}

int64_t weights_in_code(const torch::jit::Module& module) {
  // As in the digest: without the optimiser calls of submodules are not inlined.
  const torch::jit::GraphOptimizerEnabledGuard inlining(true);
  const std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return weights_in(graph->block());
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

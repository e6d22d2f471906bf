#include "harness/model/architecture_digest.h"

#include <torch/csrc/jit/passes/canonicalize.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <set>
#include <sstream>
#include <utility>

#include "harness/suite/digest.h"

namespace assay {
namespace {

std::string to_text(const at::Tensor& tensor, bool values) {
  std::ostringstream text;
  text << tensor.scalar_type() << ' ' << tensor.sizes();
  if (values) {
    const at::Tensor whole = tensor.detach().contiguous();
    text << ' ' << sha256({static_cast<const char*>(whole.data_ptr()), whole.nbytes()});
  }
  return text.str();
}

// Tensors inside the code, which the printed graph leaves out.
void add_constants(const torch::jit::Block* block, std::ostream* text) {
  for (const torch::jit::Node* node : block->nodes()) {
    for (const torch::jit::Block* inner : node->blocks()) add_constants(inner, text);
    for (const c10::Symbol name : node->attributeNames()) {
      if (node->kindOf(name) == torch::jit::AttributeKind::t) {
        *text << "constant " << to_text(node->t(name), true) << '\n';
      }
    }
  }
}

// The exporting process numbers classes that it compiles more than once.
std::string without_numbers(const std::string& text) {
  constexpr std::string_view kMark = "___torch_mangle_";
  std::string result;
  size_t begin = 0;
  for (size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, begin)) {
    result.append(text, begin, at - begin);
    begin = text.find_first_not_of("0123456789", at + kMark.size());
    if (begin == std::string::npos) return result;
    if (text[begin] == '.') ++begin;
  }
  return result.append(text, begin);
}

void add_code(const torch::jit::Module& module, std::ostream* text) {
  // Without the optimiser, which workers turn off, calls of submodules are not inlined.
  const torch::jit::GraphOptimizerEnabledGuard inlining(true);
  std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  graph = torch::jit::Canonicalize(graph, /*keep_unique_names=*/false);
  *text << without_numbers(graph->toString(/*print_source_locations=*/false));
  add_constants(graph->block(), text);
}

void add_spec(const ModelSpec& spec, std::ostream* text) {
  text->precision(17);
  *text << "input " << at::IntArrayRef(spec.shape) << ' ' << spec.lo << ' ' << spec.hi;
  for (const double value : spec.mean) *text << " mean " << value;
  for (const double value : spec.std) *text << " std " << value;
  *text << " output " << static_cast<int>(spec.output) << ' ' << spec.output_index.size() << ' '
        << spec.output_index << " classes " << spec.classes << " dtype "
        << static_cast<int>(spec.dtype) << '\n';
}

}  // namespace

bool is_statistic(const torch::jit::Module& layer, const std::string& buffer) {
  static const std::set<std::string> kNames = {"running_mean", "running_var",
                                               "num_batches_tracked"};
  return kNames.contains(buffer) && layer.hasattr("running_mean");
}

std::string digest_architecture(const Architecture::Impl& impl, const ModelSpec& spec) {
  std::ostringstream text;
  add_spec(spec, &text);
  add_code(impl.module, &text);
  for (const auto& part : impl.module.named_modules()) {
    const std::string prefix = part.name.empty() ? "" : part.name + ".";
    for (const auto& [name, value] : part.value.named_attributes(/*recurse=*/false)) {
      if (value.isModule() || name == "training") continue;
      text << prefix << name << ' ';
      if (value.isTensor()) {
        const bool set_by_training =
            impl.trained.contains(prefix + name) || is_statistic(part.value, name);
        text << to_text(value.toTensor(), !impl.fresh || !set_by_training);
      } else if (value.isObject()) {
        text << without_numbers(value.type()->repr_str());
      } else {
        text << value;
      }
      text << '\n';
    }
  }
  return sha256(text.str());
}

}  // namespace assay

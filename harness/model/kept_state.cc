#include "harness/model/kept_state.h"

#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "harness/model/forward.h"
#include "harness/model/model.h"

namespace assay {
namespace {

using GraphBlock = torch::jit::Block;
using GraphNode = torch::jit::Node;
using GraphValue = torch::jit::Value;
using Names = std::set<std::string>;

// The graph of forward as it runs in eval mode: without what `self.training` guards.
std::shared_ptr<torch::jit::Graph> evaluating_graph(const torch::jit::Module& module) {
  // Without the optimiser, which workers turn off, calls of submodules are not inlined.
  const torch::jit::GraphOptimizerEnabledGuard inlining(true);
  std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  const torch::jit::WithInsertPoint at_the_start(*graph->nodes().begin());
  GraphValue* never = graph->insertConstant(false);
  std::vector<GraphBlock*> open = {graph->block()};
  while (!open.empty()) {
    GraphBlock* block = open.back();
    open.pop_back();
    for (GraphNode* node : block->nodes()) {
      open.insert(open.end(), node->blocks().begin(), node->blocks().end());
      if (node->kind() == c10::prim::GetAttr && node->s(c10::attr::name) == "training") {
        node->output()->replaceAllUsesWith(never);
      }
    }
  }
  torch::jit::ConstantPropagationImmutableTypes(graph);
  return graph;
}

bool is_module(const GraphValue* value) {
  const auto type = value->type()->cast<c10::ClassType>();
  return type && type->is_module();
}

bool is_container(const GraphValue* value) {
  const auto optional = value->type()->cast<c10::OptionalType>();
  const auto kind = optional ? optional->getElementType()->kind() : value->type()->kind();
  return kind == c10::TypeKind::ListType || kind == c10::TypeKind::DictType ||
         kind == c10::TypeKind::TupleType;
}

// True if an operator's output may be its input, a view of it, or an element of it.
bool may_alias(const c10::Argument& input, const GraphValue* given, const c10::Argument& output) {
  if (output.alias_info() == nullptr) return false;
  if (output.alias_info()->isWildcardBefore()) {
    return input.alias_info() != nullptr || is_container(given);
  }
  if (input.alias_info() == nullptr) return false;
  const auto& sets = input.alias_info()->beforeSets();
  return std::any_of(sets.begin(), sets.end(), [&output](const c10::Symbol& set) {
    return output.alias_info()->beforeSets().contains(set);
  });
}

/// Follows a graph from what it reads of the module to what it writes there and returns.
class Tracker {
 public:
  explicit Tracker(const torch::jit::Graph& graph) {
    paths_[graph.inputs()[0]] = "";
    // Until nothing is new: loops carry values back.
    for (size_t before = 1, after = 0; before != after;) {
      before = after;
      follow(graph.block());
      after = state_.written.size() + state_.telling.size();
      for (const auto& [value, names] : aliases_) after += names.size();
      for (const auto& [value, names] : held_) after += names.size();
      for (const auto& [value, names] : depends_) after += names.size();
    }
    for (const GraphValue* result : graph.outputs()) tell(depends_[result]);
  }

  const KeptState& state() const { return state_; }

 private:
  void tell(const Names& names, const Names& except = {}) {
    for (const std::string& name : names) {
      if (!except.contains(name)) state_.telling.insert(name);
    }
  }

  static void add(const Names& from, Names* to) { to->insert(from.begin(), from.end()); }

  // What `from` may be part of, and depends on, `to` may and does.
  void alias(const GraphValue* from, const GraphValue* to) {
    if (const auto path = paths_.find(from); path != paths_.end() && is_module(to)) {
      paths_[to] = path->second;
    }
    // To put a weight into a list and the list into another is no writing to the weight.
    Names& whole = !is_container(from) && is_container(to) ? held_[to] : aliases_[to];
    Names& parts = is_container(to) ? held_[to] : aliases_[to];
    add(aliases_[from], &whole);
    add(held_[from], &parts);
    add(depends_[from], &depends_[to]);
  }

  void follow(const GraphBlock* block) {
    for (const GraphNode* node : block->nodes()) {
      for (const GraphBlock* inner : node->blocks()) follow(inner);
      if (node->kind() == c10::prim::GetAttr) {
        read(node);
      } else if (node->kind() == c10::prim::SetAttr) {
        write(names_of(node), node->inputs()[1]);
      } else if (!node->blocks().empty()) {
        branch(node);
      } else {
        apply(node);
      }
    }
  }

  // The attribute that a node names; of an object that is one itself, that one.
  Names names_of(const GraphNode* node) {
    const auto path = paths_.find(node->input(0));
    return path == paths_.end() ? aliases_[node->input(0)]
                                : Names{path->second + node->s(c10::attr::name)};
  }

  void read(const GraphNode* node) {
    const GraphValue* output = node->output();
    if (is_module(output)) {
      paths_[output] = paths_[node->input(0)] + node->s(c10::attr::name) + ".";
      return;
    }
    for (const std::string& name : names_of(node)) {
      aliases_[output].insert(name);
      if (state_.written.contains(name)) depends_[output].insert(name);
    }
  }

  void write(const Names& names, const GraphValue* value) {
    state_.written.insert(names.begin(), names.end());
    // A count that only counts tells nothing.
    tell(depends_[value], names);
  }

  // If, Loop and the like: what decides which way is taken tells.
  void branch(const GraphNode* node) {
    const bool loop = node->kind() == c10::prim::Loop;
    const size_t fixed = loop ? 2 : node->inputs().size();  // conditions and counts
    for (size_t i = 0; i < fixed; ++i) tell(depends_[node->input(i)]);
    for (const GraphBlock* block : node->blocks()) {
      const size_t first = loop ? 1 : 0;
      if (loop) tell(depends_[block->outputs()[0]]);
      for (size_t i = 0; i < node->outputs().size() && first + i < block->outputs().size(); ++i) {
        alias(block->outputs()[first + i], node->output(i));
        if (!loop) continue;
        alias(node->input(fixed + i), block->inputs()[1 + i]);
        alias(block->outputs()[1 + i], block->inputs()[1 + i]);
        alias(node->input(fixed + i), node->output(i));
      }
    }
  }

  void apply(const GraphNode* node) {
    Names depends;
    for (const GraphValue* input : node->inputs()) add(depends_[input], &depends);
    for (const GraphValue* output : node->outputs()) add(depends, &depends_[output]);
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr || node->kind().is_prim() || schema->is_vararg()) {
      for (const GraphValue* input : node->inputs()) {
        for (const GraphValue* output : node->outputs()) alias(input, output);
      }
    }
    if (schema == nullptr) return;
    const auto& arguments = schema->arguments();
    for (size_t i = 0; i < std::min(arguments.size(), node->inputs().size()); ++i) {
      const GraphValue* input = node->input(i);
      for (size_t j = 0; j < std::min(schema->returns().size(), node->outputs().size()); ++j) {
        if (may_alias(arguments[i], input, schema->returns()[j])) alias(input, node->output(j));
      }
      if (arguments[i].alias_info() == nullptr || !arguments[i].alias_info()->isWrite()) continue;
      Names into = aliases_[input];
      const std::string name = node->kind().toUnqualString();
      if (name.starts_with("_foreach")) add(held_[input], &into);
      state_.written.insert(into.begin(), into.end());
      tell(depends, into);
      if (!is_container(input)) continue;
      for (const GraphValue* element : node->inputs()) alias(element, input);
    }
  }

  std::map<const GraphValue*, std::string> paths_;  // of modules, each with a dot at its end
  std::map<const GraphValue*, Names> aliases_;      // attributes that a value may be part of
  std::map<const GraphValue*, Names> held_;         // attributes that a container's parts may be
  std::map<const GraphValue*, Names> depends_;      // written attributes that it is computed from
  KeptState state_;
};

using ModuleObject = c10::intrusive_ptr<c10::ivalue::Object>;

ModuleObject copy_object(const ModuleObject& object, const std::string& prefix,
                         const Names& written) {
  ModuleObject copy = object->copy();
  for (size_t i = 0; i < object->slots().size(); ++i) {
    const std::string name = prefix + object->type()->getAttributeName(i);
    const c10::IValue& value = object->slots()[i];
    if (written.contains(name)) {
      copy->setSlot(i, value.deepcopy());
    } else if (value.isModule()) {
      const auto inside = written.lower_bound(name + ".");
      if (inside == written.end() || !inside->starts_with(name + ".")) continue;
      copy->setSlot(i, copy_object(value.toObject(), name + ".", written));
    }
  }
  return copy;
}

c10::IValue value_at(const torch::jit::Module& module, const std::string& path) {
  torch::jit::Module at = module;
  size_t begin = 0;
  for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    at = at.attr(path.substr(begin, dot - begin)).toModule();
  }
  return at.attr(path.substr(begin));
}

bool same_value(const c10::IValue& a, const c10::IValue& b) {
  if (a.isTensor() && b.isTensor()) {
    const at::Tensor &one = a.toTensor(), &two = b.toTensor();
    if (!one.defined() || !two.defined()) return one.defined() == two.defined();
    return one.sizes() == two.sizes() && one.scalar_type() == two.scalar_type() &&
           one.nan_to_num().equal(two.nan_to_num());
  }
  const auto all = [](const auto& one, const auto& two) {
    return std::equal(one.begin(), one.end(), two.begin(), two.end(),
                      [](const auto& x, const auto& y) { return same_value(x, y); });
  };
  if (a.isList() && b.isList()) return all(a.toListRef(), b.toListRef());
  if (a.isTuple() && b.isTuple()) {
    return all(a.toTupleRef().elements().vec(), b.toTupleRef().elements().vec());
  }
  if (a.isGenericDict() && b.isGenericDict()) {
    std::vector<c10::IValue> one, two;
    for (const auto& item : a.toGenericDict()) one.insert(one.end(), {item.key(), item.value()});
    for (const auto& item : b.toGenericDict()) two.insert(two.end(), {item.key(), item.value()});
    return all(one, two);
  }
  if (a.isObject() && b.isObject()) return all(a.toObject()->slots(), b.toObject()->slots());
  return a.tagKind() == b.tagKind() && a == b;
}

}  // namespace

KeptState kept_state(const torch::jit::Module& module) {
  return Tracker(*evaluating_graph(module)).state();
}

torch::jit::Module fresh_copy(const torch::jit::Module& module, const Names& written) {
  return torch::jit::Module(copy_object(module._ivalue(), "", written));
}

Names remembered(const Forward& forward, const torch::jit::Module& module, const KeptState& state,
                 const at::Tensor& inputs, const at::Tensor& others) {
  const torch::jit::Module called = fresh_copy(module, state.written);
  std::vector<torch::jit::Module> after;
  // Counts that start over after some calls are seen at 2, 3 and 5 calls' distance.
  for (const bool other : {false, true, false, true, false, true, true, false}) {
    seed_generator("probe");
    forward(called, other ? others : inputs);
    if (!other) after.push_back(fresh_copy(called, state.written));
  }
  Names names;
  for (const std::string& name : state.telling) {
    const auto differs = [&](const torch::jit::Module& one) {
      return !same_value(value_at(one, name), value_at(after[1], name));
    };
    if (differs(after[2]) || differs(after[3])) names.insert(name);
  }
  return names;
}

}  // namespace assay

#include "harness/model/probe.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "harness/model/rng.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Operators that draw from the generator whatever their arguments; dropout draws in training only.
bool draws_always(const std::string& name) {
  static const std::set<std::string> kNames = {
      "rand",     "rand_like",    "randn",          "randn_like", "randint", "randint_like",
      "randperm", "bernoulli",    "bernoulli_",     "normal",     "normal_", "uniform_",
      "poisson",  "exponential_", "multinomial",    "random_",    "cauchy_", "geometric_",
      "binomial", "log_normal_",  "_standard_gamma"};
  return kNames.contains(name);
}

// Names of operators by the mode that is written into the graph: [false] eval, [true] training.
using Modes = std::array<std::set<std::string>, 2>;

void inspect_block(torch::jit::Block* block, Modes* modes, bool* draws) {
  for (torch::jit::Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) inspect_block(inner, modes, draws);
    if (draws_always(node->kind().toUnqualString())) *draws = true;
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) continue;
    for (const char* name : {"train", "training"}) {
      if (!schema->argumentIndexWithName(name)) continue;
      const auto value = torch::jit::toIValue(node->namedInput(name));
      if (value && value->isBool()) {
        (*modes)[value->toBool() ? 1 : 0].insert(node->kind().toUnqualString());
      }
    }
  }
}

// True if one of these nodes reads the flag `training` of a part of the module that has it set.
bool asks_in_training(torch::jit::Block* block, const torch::jit::Module& module) {
  const auto asks = [&module](const torch::jit::Node* node) {
    std::vector<std::string> path;  // from the flag upwards
    for (; node->kind() == torch::jit::prim::GetAttr; node = node->input()->node()) {
      path.push_back(node->s(torch::jit::attr::name));
    }
    if (path.empty() || path.front() != "training") return false;
    if (node->kind() != torch::jit::prim::Param) return module.is_training();
    torch::jit::Module part = module;
    for (size_t i = path.size() - 1; i > 0; --i) part = part.attr(path[i]).toModule();
    return part.is_training();
  };
  for (torch::jit::Node* node : block->nodes()) {
    if (asks(node)) return true;
    for (torch::jit::Block* inner : node->blocks()) {
      if (asks_in_training(inner, module)) return true;
    }
  }
  return false;
}

// Cotangents that differ between rows and classes, so that a mixed-up row shows.
at::Tensor probe_cotangent(int64_t rows, int64_t classes, at::ScalarType dtype) {
  const at::Tensor row = at::arange(rows, at::kDouble).remainder(7).add(1).unsqueeze(1);
  const at::Tensor column = at::arange(classes, at::kDouble).remainder(5).sub(2).unsqueeze(0);
  return row.mul(column).add(0.5).to(dtype);  // [rows, classes]
}

// Logits and gradients of a batch.
struct Bits {
  at::Tensor logits;    // [n, K]
  at::Tensor gradient;  // [n, ...]
  bool operator==(const Bits& other) const {
    return same(logits, other.logits) && same(gradient, other.gradient);
  }

 private:
  // A gradient that is NaN everywhere does not depend on the batch.
  static bool same(const at::Tensor& a, const at::Tensor& b) {
    return a.equal(b) || a.isclose(b, 0, 0, /*equal_nan=*/true).all().item<bool>();
  }
};

// Sizes at which a quantum is tried: small multiples, where kernels change, half a block and the
// largest but one, or the only one.
std::vector<int64_t> sizes_to_try(int64_t quantum, int64_t full) {
  std::set<int64_t> sizes;
  for (const int64_t factor : {1, 2, 3, 5, 8, 13}) {
    if (factor * quantum <= full) sizes.insert(factor * quantum);
  }
  for (const int64_t size : {full / 2 / quantum * quantum, full - quantum}) {
    if (size > 0) sizes.insert(size);
  }
  return {sizes.begin(), sizes.end()};
}

// Which rows of a full block make up a batch of `size`, so that each stands at another place among
// other rows: a stride through them all. A batch as large as the block leaves some out and takes
// some twice, else it would hold the same rows.
at::Tensor rows_to_try(int64_t size, int64_t full) {
  const int64_t most = size == full ? (full + 1) / 2 : full;
  int64_t stride = std::max<int64_t>(most * 5 / 8, 1);
  while (std::gcd(stride, most) > 1) --stride;
  return at::arange(size, at::kLong).mul(stride).add(size / 2).remainder(most);
}

// True if every row keeps its bits, wherever it stands, in batches of the tried sizes. `whole`
// are the bits of all inputs in one batch.
bool keeps_bits(const Model& model, const at::Tensor& inputs, const Bits& whole, int64_t quantum) {
  const int64_t full = inputs.size(0) / quantum * quantum;
  const at::Tensor cotangents = probe_cotangent(full, model.classes(), model.dtype());
  const auto bits_of = [&](const at::Tensor& rows) -> Bits {
    const Tape tape = model.record(inputs.index_select(0, rows));
    return {tape.logits(), tape.vjp(cotangents.index_select(0, rows))};
  };
  const Bits reference = full == inputs.size(0) ? whole : bits_of(at::arange(full, at::kLong));
  const std::vector<int64_t> sizes = sizes_to_try(quantum, full);
  return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) {
    const at::Tensor rows = rows_to_try(size, full);
    return bits_of(rows) ==
           Bits{reference.logits.index_select(0, rows), reference.gradient.index_select(0, rows)};
  });
}

int64_t find_quantum(const Model& model, const at::Tensor& inputs, const Bits& whole) {
  for (int64_t quantum = 1; quantum <= 32 && quantum <= inputs.size(0); quantum *= 2) {
    try {
      if (keeps_bits(model, inputs, whole, quantum)) return quantum;
    } catch (const ModelFailure&) {
      // Some models take no batch of one row.
    }
  }
  return 0;
}

// Rows enough to see what does not depend on the size of a batch.
constexpr int64_t kFew = 8;

// Kernels with a gradient may round in another way, in half precision too. By the largest logit.
constexpr double kSameAnswer = 0.02;

// Half precision rounds a distribution so far away from 1.
constexpr double kSumSlack = 1e-2;

// By how much the rows' sums miss 1, at most.
double sum_error(const at::Tensor& probabilities) {
  return probabilities.sum(1).sub(1).abs().max().item<double>();
}

bool in_unit_interval(const at::Tensor& t) {
  return t.min().item<double>() >= 0 && t.max().item<double>() <= 1;
}

// Logits that are not: in [0, 1] for all inputs.
void flag_squashed(const at::Tensor& logits, ModelSpec::Output output, std::vector<Flag>* flags) {
  if (output == ModelSpec::Output::kProbabilities || !in_unit_interval(logits)) return;
  // The sigmoid's logits are [0, z]. No sigmoid is 0, as a dead layer's outputs are.
  const bool binary = output == ModelSpec::Output::kSigmoid;
  const bool positive = logits.select(1, logits.size(1) - 1).min().item<double>() > 0;
  if (binary && positive) {
    flags->push_back({"softmax_output", "",
                      "every output lies in [0, 1]: the sigmoid is applied already, and as a logit "
                      "it says class 1 for all inputs",
                      "export the model without its sigmoid"});
  } else if (!binary && sum_error(logits) <= kSumSlack) {
    flags->push_back({"softmax_output", "",
                      "every output lies in [0, 1] and sums to 1: probabilities, whose "
                      "gradients vanish where the model is sure",
                      "set model.output: probabilities, or export the model without its softmax"});
  } else if (!binary && positive) {
    flags->push_back({"softmax_output", "",
                      "every output lies in [0, 1]: a sigmoid for each class, whose gradients "
                      "vanish where the model is sure",
                      "export the model without its last activation"});
  }
}

void require_probabilities(const at::Tensor& logarithms, const std::string& path) {
  const at::Tensor found = logarithms.exp();  // negative ones count as 0
  const double most = found.max().item<double>();
  const double error = sum_error(found);
  if (most <= 1 + kSumSlack && error <= kSumSlack) return;
  throw Error(
      path + " returns no probabilities: " +
          (most > 1 + kSumSlack ? "an output is " + c10::str(most)
                                : "outputs of one input sum to 1 only within " + c10::str(error)) +
          "; say `output: logits` if they are scores before the softmax",
      ExitCode::kRefused);
}

// Attacks follow the answers of taped calls, and the judge those of plain ones.
void require_same_answers(const at::Tensor& plain, const at::Tensor& taped,
                          const std::string& path) {
  const double off = taped.sub(plain).abs().max().item<double>();
  if (off <= kSameAnswer * plain.abs().max().item<double>()) return;
  throw Error(path + " gives other logits where a gradient is asked for, by up to " +
                  c10::str(off) +
                  ", so attacks with gradients would follow another model than the one that is "
                  "judged; export it without branches on requires_grad or the gradient mode",
              ExitCode::kRefused);
}

}  // namespace

at::Tensor probe_inputs(const ModelSpec& spec, int64_t n) {
  std::vector<uint64_t> keys(static_cast<size_t>(n));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  const Rng rng(0, "probe", 0);
  at::Tensor x = rng.uniform(keys, spec.shape, 0, 0);  // [n, ...]
  const at::Tensor flat = x.view({n, -1});
  const int64_t d = flat.size(1);
  for (int64_t i = 0; i < n; ++i) {
    if (i % 4 == 1) flat[i].mul_(0.25).add_(0.75 * rng.uniform(keys[i], 1, 0));  // low contrast
    if (i % 4 == 2) flat[i].copy_(at::linspace(0, rng.uniform(keys[i], 2, 0), d, at::kDouble));
    if (i % 4 == 3) flat[i].copy_(flat[i].gt(0.8).to(at::kDouble));  // sparse and saturated
  }
  x.mul_(spec.hi - spec.lo).add_(spec.lo).clamp_(spec.lo, spec.hi);
  return x.to(spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat);
}

GraphTraits inspect(const torch::jit::Module& module) {
  // Without the optimiser, which workers turn off, calls of submodules are not inlined.
  const torch::jit::GraphOptimizerEnabledGuard inlining(true);
  const std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  Modes modes;
  GraphTraits traits;
  inspect_block(graph->block(), &modes, &traits.draws);
  traits.switched = asks_in_training(graph->block(), module);
  traits.evaluating.assign(modes[0].begin(), modes[0].end());
  traits.training.assign(modes[1].begin(), modes[1].end());
  for (const std::string& name : traits.training) {
    if (name.find("dropout") != std::string::npos) traits.draws = true;
  }
  return traits;
}

at::Tensor few_rows(const Model& model, const at::Tensor& inputs) {
  if (inputs.size(0) <= kFew) return inputs;
  const at::Tensor few = inputs.narrow(0, 0, kFew);
  try {
    model.judge(few);
    return few;
  } catch (const ModelFailure&) {
    return inputs;  // its batch size is baked in
  }
}

bool same_bits(const Tape& a, const Tape& b) {
  const at::Tensor c =
      probe_cotangent(a.logits().size(0), a.logits().size(1), a.logits().scalar_type());
  return a.has_gradient() == b.has_gradient() &&
         Bits{a.logits(), a.vjp(c)} == Bits{b.logits(), b.vjp(c)};
}

bool is_random(const Model& model, const at::Tensor& inputs, const GraphTraits& traits) {
  if (traits.draws) return true;
  const at::Tensor logits = model.judge(inputs);
  for (int pass = 0; pass < 4; ++pass) {
    // Rows that are not a number differ from themselves, and are reported elsewhere.
    if (!model.judge(inputs).nan_to_num().equal(logits.nan_to_num())) return true;
  }
  return false;
}

std::string explain_failure(const std::string& message) {
  // The cause stands after TorchScript's own trace.
  if (message.find("missing value for argument") != std::string::npos) {
    return "it takes several inputs; only classifiers with a single input are supported";
  }
  std::string line = message;
  if (const size_t at = line.rfind("RuntimeError: "); at != std::string::npos) {
    line = line.substr(at + 14);
  }
  line = line.substr(0, line.find('\n'));
  if (message.find("expand(") != std::string::npos ||
      message.find("is invalid for input of size") != std::string::npos) {
    line += "; a traced model may have its batch size baked in: trace with batch 4, or script it";
  } else if (message.find("Expected all tensors to be on the same device") != std::string::npos ||
             message.find("CUDA") != std::string::npos) {
    line += "; the model has a device baked in: trace it on the CPU, or script it";
  } else if (message.find("derivative for ") != std::string::npos &&
             message.find(" is not implemented") != std::string::npos) {
    line +=
        "; export with operations that have gradients: trace outside torch.no_grad(), and "
        "transformer encoders after torch.backends.mha.set_fastpath_enabled(False)";
  } else if (message.find("same dtype") != std::string::npos ||
             message.find("scalar type") != std::string::npos ||
             message.find("should be the same") != std::string::npos) {
    // The model.dtype that would do, where one is named; there is none of half precision.
    const bool half =
        message.find("Half") != std::string::npos || message.find("BFloat16") != std::string::npos;
    const bool wide = message.find("ouble") != std::string::npos;
    line += half   ? "; half precision is baked in: export without casts to it"
            : wide ? "; a dtype is baked in: set model.dtype: float64, or export without casts"
                   : "; a dtype is baked in: export without casts";
  }
  return line;
}

ModelFacts probe(const Model& model, const at::Tensor& inputs, const at::Tensor& plain,
                 const Tape& tape, const GraphTraits& traits, bool random,
                 const std::string& path) {
  ModelFacts facts;
  facts.random = random;
  const at::Tensor& logits = tape.logits();  // [block, K]
  const int64_t bad = logits.isfinite().all(1).logical_not().sum().item<int64_t>();
  if (bad > 0) {
    throw Error(path + " returns NaN or infinite logits for " + std::to_string(bad) + " of " +
                    std::to_string(inputs.size(0)) + " probe inputs in the box; check " +
                    "model.normalize and the exported weights",
                ExitCode::kRefused);
  }
  if (!random) require_same_answers(plain, logits, path);
  const ModelSpec::Output output = model.spec().output;
  if (output == ModelSpec::Output::kProbabilities) require_probabilities(logits, path);
  flag_squashed(logits, output, &facts.flags);
  if (!traits.training.empty()) {
    std::string names;
    for (const std::string& name : traits.training) names += (names.empty() ? "" : ", ") + name;
    facts.flags.push_back({"train_mode", "", "operators run in training mode: " + names,
                           "call model.eval() before the export"});
  } else if (traits.switched) {
    facts.flags.push_back({"train_mode", "",
                           "the file was saved in training mode, and is judged in eval mode",
                           "call model.eval() before the export: whoever loads this file and does "
                           "not serves another model than the one that was judged"});
  }
  if (facts.random) {
    facts.flags.push_back({"randomised", "", "two forwards of the same inputs may differ",
                           "remove dropout and noise before the export, or attack with eot"});
  }
  facts.gradient = tape.has_gradient();
  if (!facts.gradient) {
    facts.flags.push_back({"no_gradient", "",
                           "the output does not depend differentiably on the input",
                           "export without detach, no_grad and rounding; or use attacks with score "
                           "or label access"});
  }
  const at::Tensor gradient =
      tape.vjp(probe_cotangent(inputs.size(0), model.classes(), model.dtype()));
  const int64_t zero = gradient.flatten(1).eq(0).all(1).sum().item<int64_t>();
  if (facts.gradient && zero * 10 > inputs.size(0)) {
    facts.flags.push_back({"zero_gradient", "",
                           std::to_string(zero) + " of " + std::to_string(inputs.size(0)) +
                               " probe gradients are zero in every entry",
                           "attacks with gradients are blind there; add one with score access"});
  }
  const int64_t wild = gradient.flatten(1).isfinite().all(1).logical_not().sum().item<int64_t>();
  // What is left without them may lead an attack still; where nothing is, there is no gradient.
  const bool none = gradient.nan_to_num(0, 0, 0).eq(0).all().item<bool>();
  if (wild > 0 && none) facts.gradient = false;
  if (wild > 0) {
    facts.flags.push_back(
        {"nonfinite_gradient", "",
         std::to_string(wild) + " of " + std::to_string(inputs.size(0)) +
             " probe gradients hold NaN or infinity",
         "attacks with gradients are blind there; look for a NaN that torch.where "
         "hides and for log or sqrt of 0, or add an attack with score access"});
  }
  if (facts.random) return facts;  // no bits to keep
  facts.quantum = find_quantum(model, inputs, {logits, gradient});
  if (facts.quantum == 0) {
    facts.flags.push_back(
        {"batch_dependent", "", "a row's output depends on the rest of its batch",
         "look for batch statistics (batch norm in train mode); full blocks are run, "
         "so results hold for this block size only"});
  }
  return facts;
}

}  // namespace assay

#include "harness/model/model.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/print_handler.h>
#include <torch/script.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "harness/model/crash.h"
#include "harness/model/forward.h"
#include "harness/model/kept_state.h"
#include "harness/model/max_pool.h"
#include "harness/model/probe.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Executor, gradient and thread settings are thread-local in LibTorch, and so is this mark.
thread_local bool worker_entered = false;

// What holds for the whole process, before its first model call.
bool prepare_process() {
  // MKL's default kernels give a row other bits at odd places of a batch; its reproducible mode
  // does not, at the same speed. MKL reads this once, at its first call.
  bool done = setenv("MKL_CBWR", "AUTO", 1) == 0;
#ifdef __GLIBC__
  // Activations of some MiB come and go with every call. By default each is a mapping of its own,
  // and its page faults cost more than a quarter of a small network's time.
  done = done && mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1 && mallopt(M_TRIM_THRESHOLD, -1) == 1 &&
         mallopt(M_TOP_PAD, 64 << 20) == 1;
#endif
  return done;
}

constexpr int64_t kProbed = 32;  // the largest quantum

at::Tensor pad_rows(const at::Tensor& x, int64_t size) {
  const int64_t missing = size - x.size(0);
  if (missing <= 0) return x;
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = missing;
  return at::cat({x, x.narrow(0, x.size(0) - 1, 1).expand(shape)}, 0);
}

}  // namespace

void enter_worker() {
  static const bool prepared = prepare_process();
  ASSAY_CHECK(prepared, "cannot prepare the process for model work");
  at::set_num_threads(1);
  at::globalContext().setFlushDenormal(true);
  torch::jit::setGraphExecutorOptimize(false);
  c10::GradMode::set_enabled(false);
  prepare_crash_stack();
  worker_entered = true;
}

void seed_generator(const std::string& key) { at::manual_seed(hash64(key)); }

Platform platform(const std::string& device) {
  return {std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
              std::to_string(TORCH_VERSION_PATCH),
          at::get_cpu_capability(), device};
}

struct Tape::State {
  struct Piece {
    at::Tensor x;       // [m, ...], padded, requires a gradient
    at::Tensor logits;  // [m, K], with its graph
    int64_t rows = 0;   // without padding
  };
  std::vector<Piece> pieces;
};

Tape::Tape(at::Tensor logits, std::shared_ptr<State> state)
    : logits_(std::move(logits)), state_(std::move(state)) {}

at::Tensor Tape::vjp(const at::Tensor& c) const {
  ASSAY_CHECK(c.sizes() == logits_.sizes(), "a cotangent needs the shape of the logits");
  std::vector<at::Tensor> gradients;
  int64_t begin = 0;
  for (const State::Piece& piece : state_->pieces) {
    at::Tensor part = c.narrow(0, begin, piece.rows);
    if (piece.rows < piece.logits.size(0)) {
      part = at::constant_pad_nd(part, {0, 0, 0, piece.logits.size(0) - piece.rows});
    }
    if (!piece.logits.requires_grad()) {
      gradients.push_back(at::zeros_like(piece.x).narrow(0, 0, piece.rows));
      begin += piece.rows;
      continue;
    }
    at::Tensor gradient;
    try {
      const ModelCall call;
      gradient = torch::autograd::grad({piece.logits}, {piece.x}, {part}, /*retain_graph=*/true,
                                       /*create_graph=*/false, /*allow_unused=*/true)[0];
    } catch (const std::exception& error) {
      rethrow_failure(error);
    }
    gradients.push_back(gradient.defined() ? gradient.narrow(0, 0, piece.rows)
                                           : at::zeros_like(piece.x).narrow(0, 0, piece.rows));
    begin += piece.rows;
  }
  return gradients.size() == 1 ? gradients[0] : at::cat(gradients, 0);
}

bool Tape::has_gradient() const {
  return std::all_of(state_->pieces.begin(), state_->pieces.end(),
                     [](const State::Piece& piece) { return piece.logits.requires_grad(); });
}

struct Model::Impl {
  Impl(const ModelSpec& given, Forward call) : spec(given), forward(std::move(call)) {}
  ModelSpec spec;
  Forward forward;
  torch::jit::Module original;  // as loaded, in eval mode: the judge's graph
  torch::jit::Module graph;     // frozen where that keeps the bits, else `original`
  KeptState state;
  ModelFacts facts;
  int64_t block = 64;

  int64_t quantum() const { return facts.quantum == 0 ? block : facts.quantum; }
  // Cuts x into pieces of at most `block` rows, pads each, and calls run(piece, rows).
  template <typename Run>
  void in_pieces(const at::Tensor& x, Run run) const;
  at::Tensor plain(const torch::jit::Module& module, const at::Tensor& x) const;
  // What a call may write to is each call's own: none sees another's, in whatever thread it is.
  at::Tensor call(const torch::jit::Module& module, const at::Tensor& piece) const {
    return forward(state.written.empty() ? module : fresh_copy(module, state.written), piece);
  }
  void require_no_memory(const std::string& path, const at::Tensor& inputs) const;
  static void probe_all(Model* model, const std::string& path, const GraphTraits& traits,
                        const std::optional<torch::jit::Module>& frozen, const ModelFacts* known);
  static void probe_block(Model* model, const std::string& path, const GraphTraits& traits,
                          const std::optional<torch::jit::Module>& frozen, const ModelFacts* known);
  static std::optional<Tape> try_graph(Model* model, const torch::jit::Module& graph,
                                       const at::Tensor& few, const at::Tensor& inputs,
                                       const at::Tensor& logits);
};

template <typename Run>
void Model::Impl::in_pieces(const at::Tensor& x, Run run) const {
  ASSAY_CHECK(worker_entered, "a thread called a model without enter_worker()");
  ASSAY_CHECK(x.size(0) >= 1, "a model needs at least one row");
  ASSAY_CHECK(x.sizes().slice(1) == at::IntArrayRef(spec.shape), "rows of another shape");
  const int64_t q = quantum();
  const int64_t most = std::max(block / q, int64_t{1}) * q;
  for (int64_t begin = 0; begin < x.size(0); begin += most) {
    const int64_t rows = std::min(most, x.size(0) - begin);
    run(pad_rows(x.narrow(0, begin, rows), (rows + q - 1) / q * q), rows);
  }
}

at::Tensor Model::Impl::plain(const torch::jit::Module& module, const at::Tensor& x) const {
  std::vector<at::Tensor> parts;
  in_pieces(x, [&](const at::Tensor& piece, int64_t rows) {
    parts.push_back(call(module, piece).narrow(0, 0, rows));
  });
  return parts.size() == 1 ? parts[0] : at::cat(parts, 0);
}

namespace {

// True if rounding to the spec's type makes another model of it: all its numbers are float64.
bool is_narrowed(const torch::jit::Module& module, const ModelSpec& spec) {
  if (type_of(spec) == at::kDouble) return false;
  int64_t wide = 0, others = 0;
  const auto look = [&](const at::Tensor& values) {
    if (!values.is_floating_point() && !values.is_complex()) return;
    ++(c10::toRealValueType(values.scalar_type()) == at::kDouble ? wide : others);
  };
  for (const at::Tensor& values : module.parameters()) look(values);
  for (const at::Tensor& values : module.buffers()) look(values);
  return wide > 0 && others == 0;
}

// `known`: it was opened before, or is a network that was made here, which may keep float64 inside.
// `traits`: as it was saved, and before its first call, which rewrites the graph.
torch::jit::Module open_module(const ModelSpec& spec, const std::filesystem::path& path, bool known,
                               GraphTraits* traits) {
  // What a model prints is no result of ours: stdout is for those.
  torch::jit::setPrintHandler([](const std::string& text) { std::cerr << text; });
  torch::jit::Module module = load_archive(path);
  *traits = inspect(module);
  module.eval();
  if (!known && is_narrowed(module, spec)) {
    throw Error(path.string() +
                    " is a float64 model, and would be rounded to float32; set model.dtype: "
                    "float64",
                ExitCode::kRefused);
  }
  cast_floating(module, type_of(spec));
  for (at::Tensor parameter : module.parameters()) parameter.set_requires_grad(false);
  for (at::Tensor buffer : module.buffers()) {
    if (buffer.is_floating_point()) buffer.set_requires_grad(false);
  }
  return module;
}

// The module with its attributes folded, or nothing: not every module can be frozen.
std::optional<torch::jit::Module> frozen_copy(const torch::jit::Module& module) {
  try {
    // Without the numeric optimisations freezing only folds attributes. It inlines submodules,
    // which needs the optimiser that workers turn off.
    const torch::jit::GraphOptimizerEnabledGuard inlining(true);
    const ModelCall call;
    torch::jit::Module frozen = torch::jit::freeze(module, std::nullopt, false);
    replace_max_pool(frozen);
    return frozen;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::load(const ModelSpec& spec, const std::filesystem::path& path, int64_t block,
                  const std::string& device, const ModelFacts* known) {
  if (device != "cpu") {
    throw Error("run.device is `" + device + "`; this build runs on `cpu`");
  }
  enter_worker();
  auto impl = std::make_unique<Impl>(spec, Forward(spec, path.string()));
  impl->block = block;
  GraphTraits traits;
  impl->original = open_module(spec, path, known != nullptr, &traits);
  impl->graph = impl->original;
  impl->state = kept_state(impl->original);
  std::optional<torch::jit::Module> frozen;
  if (impl->state.written.empty()) frozen = frozen_copy(impl->original);
  Model model(std::move(impl));
  Impl::probe_all(&model, path.string(), traits, frozen, known);
  return model;
}

// Finds out which graph of a model that has just been opened serves, and what is not known of it.
// On kProbed rows at least: what a few rows show of a quantum depends on how few they are.
void Model::Impl::probe_all(Model* model, const std::string& path, const GraphTraits& traits,
                            const std::optional<torch::jit::Module>& frozen,
                            const ModelFacts* known) {
  Impl& self = *model->impl_;
  const int64_t block = self.block;
  if (block < kProbed) {
    self.block = kProbed;
    try {
      probe_block(model, path, traits, frozen, known);
      self.block = block;
      return;
    } catch (const std::exception&) {
      // Whatever is wrong shows again, but for a batch that is baked in or too large.
      self.block = block;
      self.graph = self.original;
    }
  }
  probe_block(model, path, traits, frozen, known);
}

void Model::Impl::probe_block(Model* model, const std::string& path, const GraphTraits& traits,
                              const std::optional<torch::jit::Module>& frozen,
                              const ModelFacts* known) {
  Impl& self = *model->impl_;
  const at::Tensor inputs = probe_inputs(self.spec, self.block);  // [block, ...]
  at::Tensor logits;
  try {
    logits = model->judge(inputs);
  } catch (const ModelFailure& error) {
    throw Error(path + " fails on a batch of " + std::to_string(self.block) +
                    " inputs of model.input.shape " + c10::str(at::IntArrayRef(self.spec.shape)) +
                    ": " + error.what(),
                ExitCode::kRefused);
  }
  try {
    const at::Tensor few = few_rows(*model, inputs);
    if (!self.state.telling.empty()) self.require_no_memory(path, few);
    const bool random = known ? known->random : is_random(*model, few, traits);
    // Trust, but compare bits. Freezing drops dropout: a randomised model is left as it is. It also
    // drops `detach`, and with it the gradient of a straight-through estimator.
    std::optional<Tape> tape;
    if (frozen && !random) tape = try_graph(model, *frozen, few, inputs, logits);
    if (known) {
      self.facts = *known;
      return;
    }
    if (!tape) tape = model->record(inputs);
    self.facts = probe(*model, inputs, logits, *tape, traits, random, path);
  } catch (const ModelFailure& error) {
    throw Error(path + " fails while it is probed: " + error.what(), ExitCode::kRefused);
  }
}

// A model whose answers depend on what it was asked before has no verdict.
void Model::Impl::require_no_memory(const std::string& path, const at::Tensor& inputs) const {
  const at::Tensor others = inputs.neg().add_(spec.lo + spec.hi).clamp_(spec.lo, spec.hi);
  std::string names;
  for (const std::string& name : remembered(forward, original, state, inputs, others)) {
    names += (names.empty() ? "`" : ", `") + name + "`";
  }
  if (names.empty()) return;
  throw Error(path + " keeps state between calls: forward writes " + names +
                  " in eval mode, and what it returns may depend on the calls before; write there "
                  "under `if self.training:` only, or export the model without it",
              ExitCode::kRefused);
}

// Lets another graph serve if its bits are those of the module; its tape of `inputs`, or nothing.
std::optional<Tape> Model::Impl::try_graph(Model* model, const torch::jit::Module& graph,
                                           const at::Tensor& few, const at::Tensor& inputs,
                                           const at::Tensor& logits) {
  Impl& self = *model->impl_;
  const Tape own = model->record(few);
  try {
    self.graph = graph;
    if (same_bits(own, model->record(few))) {
      const Tape tape = model->record(inputs);
      if (tape.logits().equal(logits)) return tape;
    }
  } catch (const std::exception&) {
    // As it is, it has just run.
  }
  self.graph = self.original;
  return std::nullopt;
}

int64_t Model::classes() const { return impl_->spec.classes; }
const ModelSpec& Model::spec() const { return impl_->spec; }
const ModelFacts& Model::facts() const { return impl_->facts; }
int64_t Model::block() const { return impl_->block; }

std::vector<at::Tensor> Model::matrices(int64_t rows, int64_t columns) const {
  std::vector<at::Tensor> found;
  const auto look = [&](const at::Tensor& values) {
    if (values.dim() != 2 || !values.is_floating_point()) return;
    const at::Tensor matrix = values.detach().to(at::kCPU, at::kDouble);
    if (matrix.size(0) == rows && matrix.size(1) == columns) found.push_back(matrix);
    if (matrix.size(1) == rows && matrix.size(0) == columns) found.push_back(matrix.t());
  };
  for (const at::Tensor& values : impl_->original.parameters()) look(values);
  for (const at::Tensor& values : impl_->original.buffers()) look(values);
  return found;
}

at::ScalarType Model::dtype() const { return type_of(impl_->spec); }

Tape Model::record(const at::Tensor& x) const {
  auto state = std::make_shared<Tape::State>();
  std::vector<at::Tensor> logits;
  const c10::AutoGradMode with_graph(true);
  impl_->in_pieces(x, [&](const at::Tensor& piece, int64_t rows) {
    const at::Tensor leaf = piece.detach().requires_grad_(true);
    at::Tensor output = impl_->call(impl_->graph, leaf);
    logits.push_back(output.detach().narrow(0, 0, rows));
    state->pieces.push_back({leaf, std::move(output), rows});
  });
  return Tape(logits.size() == 1 ? logits[0] : at::cat(logits, 0), std::move(state));
}

at::Tensor Model::logits(const at::Tensor& x) const { return impl_->plain(impl_->graph, x); }

at::Tensor Model::judge(const at::Tensor& x) const { return impl_->plain(impl_->original, x); }

Votes Model::vote(const at::Tensor& x) const {
  Votes votes;
  votes.number = impl_->facts.random ? kVotes : 1;
  votes.counts = at::zeros({x.size(0), classes()}, at::kLong);
  votes.finite = at::ones({x.size(0)}, at::kBool);
  for (int64_t i = 0; i < votes.number; ++i) {
    const at::Tensor logits = judge(x);  // [n, K]
    votes.counts.scatter_add_(1, logits.argmax(1, /*keepdim=*/true),
                              at::ones({x.size(0), 1}, at::kLong));
    votes.finite.logical_and_(logits.isfinite().all(1));
  }
  return votes;
}

}  // namespace assay

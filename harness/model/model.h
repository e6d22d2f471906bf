// A TorchScript classifier behind a tape: logits, and vjps with respect to the input.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// Prepares the calling thread for model work: no profiling executor, one intra-op thread,
/// denormals flushed, gradients off. Every thread that calls a Model must have called it; Model
/// aborts if not.
void enter_worker();

/// Seeds the generator that TorchScript models draw from; there is one per process.
void seed_generator(const std::string& key);

/// LibTorch version, CPU capability and device as they stand in headers and store keys.
struct Platform {
  std::string libtorch;
  std::string cpu_capability;
  std::string device;
};
Platform platform(const std::string& device);

/// The model's own code threw on a batch of inputs in the box. A fault of the candidate, unlike a
/// machine out of memory, which is an Error (kIncomplete).
class ModelFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One recorded forward pass.
class Tape {
 public:
  struct State;
  Tape(at::Tensor logits, std::shared_ptr<State> state);

  /// [n, K], detached. NaN or infinite where the model's output was.
  const at::Tensor& logits() const { return logits_; }
  /// Gradient of Σ logits·c with respect to the recorded input: [n, K] → [n, ...]. May be called
  /// again with another c. Rows do not influence each other.
  at::Tensor vjp(const at::Tensor& c) const;
  /// False if the logits do not depend differentiably on the input; vjp is then all zero.
  bool has_gradient() const;

 private:
  at::Tensor logits_;
  std::shared_ptr<State> state_;
};

/// What loading found out about a model file; cached by file digest so that a run with nothing left
/// to compute need not load it.
struct ModelFacts {
  int64_t quantum = 1;   ///< batches are padded to a multiple; 0: batch_dependent, full blocks only
  bool random = false;   ///< two forwards of the same input differ
  bool gradient = true;  ///< the output depends differentiably on the input
  std::vector<Flag> flags;
};
std::string to_text(const ModelFacts& facts);
/// False for text of another version, which is as good as none.
bool parse_facts(const std::string& text, ModelFacts* facts);

/// How a model labels inputs. A randomised model is asked several times.
struct Votes {
  at::Tensor counts;   ///< [n, K] int64: how often each label came
  at::Tensor finite;   ///< [n] bool: every output was a number
  int64_t number = 1;  ///< of forwards
  /// [n] int64: the most frequent label, the lowest of several.
  at::Tensor labels() const { return counts.argmax(1); }
};

/// A loaded model. Const and thread-safe: many workers may share it.
class Model {
 public:
  /// Loads TorchScript in eval mode and probes it: output shape against classes, finite logits,
  /// probabilities in place of logits, train-mode layers, randomness, gradients, padding quantum up
  /// to `block` rows. With `known` facts (of the same file, spec, block and platform) it does not
  /// probe. Throws Error: kUsage where there is no such file or device; kRefused for the wrong kind
  /// of file (with the lines that export a usable one) and for a model that cannot be judged.
  static Model load(const ModelSpec& spec, const std::filesystem::path& path, int64_t block,
                    const std::string& device, const ModelFacts* known = nullptr);
  Model(Model&&) noexcept;
  ~Model();

  int64_t classes() const;
  const ModelSpec& spec() const;
  at::ScalarType dtype() const;  ///< kFloat or kDouble: of inputs, logits and gradients
  const ModelFacts& facts() const;
  int64_t block() const;  ///< most rows of one forward; larger batches are cut
  /// The matrices [rows, columns] among its parameters and buffers, turned where they are stored as
  /// [columns, rows], in float64. What was folded into the file's code is not there.
  std::vector<at::Tensor> matrices(int64_t rows, int64_t columns) const;

  /// All three throw ModelFailure where the model's code throws.
  /// Forward with a tape. x [n, ...shape] in the box, dtype(); n ≥ 1. Padded inside.
  Tape record(const at::Tensor& x) const;
  /// Forward without a tape, with the same bits: [n, ...shape] → [n, K].
  at::Tensor logits(const at::Tensor& x) const;
  /// The same on the module exactly as it was loaded, for judging: [n, ...shape] → [n, K].
  at::Tensor judge(const at::Tensor& x) const;
  /// The labels that judge() gives: one forward, or kVotes of a randomised model.
  Votes vote(const at::Tensor& x) const;
  static constexpr int64_t kVotes = 21;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay

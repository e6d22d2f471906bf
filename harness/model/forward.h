// From a batch in the box to logits, for a module that the suite's `model:` describes.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <exception>
#include <filesystem>
#include <string>

#include "harness/suite/suite.h"

namespace assay {

/// Of inputs, parameters and logits.
at::ScalarType type_of(const ModelSpec& spec);

/// A TorchScript archive with a method `forward`, on the CPU and otherwise as it was saved. Throws
/// Error like require_torchscript().
torch::jit::Module load_archive(const std::filesystem::path& path);

/// Casts floating-point parameters and buffers to `dtype`, and complex ones to its complex type.
/// Integers, bytes and masks stay as they are: Module::to would make floats of them, too, which no
/// index may be, and which neither wrap nor divide as they do.
void cast_floating(const torch::jit::Module& module, at::ScalarType dtype);

/// Sorts what a model's code throws: Error (kIncomplete) where the machine ran out of memory, else
/// ModelFailure.
[[noreturn]] void rethrow_failure(const std::exception& error);

/// What surrounds a call of a module: normalisation, the output's place and its convention.
class Forward {
 public:
  /// `name` stands for the module in messages.
  Forward(const ModelSpec& spec, std::string name);

  /// x [n, ...shape] in the box → logits [n, K]. Whatever the module writes into its input leaves x
  /// as it was, and no later call changes the logits. Throws ModelFailure where the module's code
  /// throws, and Error (kRefused) for an output that is not as the spec says.
  at::Tensor operator()(torch::jit::Module module, const at::Tensor& x) const {
    return call(std::move(module), normalised(x));
  }
  /// The two halves of it, for callers that use an input often.
  at::Tensor normalised(const at::Tensor& x) const;
  at::Tensor call(torch::jit::Module module, const at::Tensor& input) const;

 private:
  at::Tensor to_logits(const at::Tensor& output) const;
  c10::IValue select(const c10::IValue& value) const;
  std::string cure_of(at::IntArrayRef shape, int64_t n) const;

  ModelSpec spec_;
  std::string name_;
  at::Tensor mean_;  // [C, 1, …] or undefined
  at::Tensor std_;   // [C, 1, …] or undefined
};

}  // namespace assay

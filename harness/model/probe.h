// What loading finds out about a model by calling it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/model.h"

namespace torch::jit {
struct Module;
}

namespace assay {

/// Inputs of many kinds spread over the box (noise, constants, ramps): [n, ...shape], the same for
/// every model of that shape.
at::Tensor probe_inputs(const ModelSpec& spec, int64_t n);

/// What a module's graph shows before it is called.
struct GraphTraits {
  std::vector<std::string> training;    ///< operators always run in training mode, each once
  std::vector<std::string> evaluating;  ///< and those never run in it, as tracing leaves them
  bool draws = false;                   ///< an operator draws random numbers
  bool switched = false;                ///< a part of it that asks is in training mode
};
GraphTraits inspect(const torch::jit::Module& module);

/// A LibTorch message as one line, with the cure where the cause is known.
std::string explain_failure(const std::string& message);

/// The first of `inputs`, enough to see what does not depend on the size of a batch; all of them
/// for a model that takes no batch of another size.
at::Tensor few_rows(const Model& model, const at::Tensor& inputs);

/// True if two tapes of the same inputs agree in logits and gradients.
bool same_bits(const Tape& a, const Tape& b);

/// True if forwards of the same inputs differ, or the graph says that they may.
bool is_random(const Model& model, const at::Tensor& inputs, const GraphTraits& traits);

/// Reports what a model is like that ran on `inputs` [block, ...], still without padding, with
/// logits `plain` [block, K] and as `tape` tells; calls it on other batches of them. Throws Error
/// (kRefused) for non-finite logits, and for a tape with others than the plain ones.
ModelFacts probe(const Model& model, const at::Tensor& inputs, const at::Tensor& plain,
                 const Tape& tape, const GraphTraits& traits, bool random, const std::string& path);

}  // namespace assay

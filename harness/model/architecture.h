// The inside of Architecture, which needs TorchScript.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <set>
#include <string>
#include <vector>

#include "harness/model/shadow.h"

namespace assay {

struct Architecture::Impl {
  std::string name;
  std::string reason;
  std::string digest;
  torch::jit::Module module;      // in the spec's dtype, never called
  std::set<std::string> trained;  // names of the parameters that training moves
  std::vector<std::string> kept;  // values of the candidate that training leaves as they are
  bool fresh = true;              // they start from random values, not from the module's
  bool channels_last = false;     // the code takes images with the channels innermost
};

/// A copy of its own, ready for a first step: in training mode, with initial values drawn from the
/// seed where the architecture starts afresh.
torch::jit::Module instantiate(const Architecture::Impl& impl, uint64_t seed);

/// The parameters of an instance that training moves, in the module's order.
std::vector<at::Tensor> trained_parameters(const Architecture::Impl& impl,
                                           const torch::jit::Module& instance);

}  // namespace assay

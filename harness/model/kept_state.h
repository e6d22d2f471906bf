// What a model's code writes into the model itself, and would find there at its next call.
#pragma once

#include <ATen/ATen.h>

#include <set>
#include <string>

namespace torch::jit {
struct Module;
}

namespace assay {

class Forward;

/// Attributes by their path (`cache`, `layers.0.count`).
struct KeptState {
  std::set<std::string> written;  ///< forward may write to them in eval mode
  std::set<std::string> telling;  ///< those of them that its output may depend on
};

/// By its graph: before the module is called for the first time.
KeptState kept_state(const torch::jit::Module& module);

/// The module with values of its own for these attributes, and all else shared.
torch::jit::Module fresh_copy(const torch::jit::Module& module,
                              const std::set<std::string>& written);

/// Which of these attributes are not what the last input alone makes of them: calls a copy of the
/// module on `inputs` [n, ...] in the box several times. A value that is worked out anew for each
/// input, or for each size, is none of them. Throws ModelFailure where the module's code throws.
std::set<std::string> remembered(const Forward& forward, const torch::jit::Module& module,
                                 const KeptState& state, const at::Tensor& inputs,
                                 const at::Tensor& others);

}  // namespace assay

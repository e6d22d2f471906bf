// What makes two architectures the same.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "harness/model/architecture.h"

namespace assay {

/// True for what a normalisation layer collects while it trains: running_mean and its like.
bool is_statistic(const torch::jit::Module& layer, const std::string& buffer);

/// Architecture::digest(), of an impl whose other members are set. Before the module's first call,
/// which rewrites its graph.
std::string digest_architecture(const Architecture::Impl& impl, const ModelSpec& spec);

}  // namespace assay

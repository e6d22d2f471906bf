// What kind of file a model path names.
#pragma once

#include <filesystem>

namespace assay {

/// Returns if the file is a TorchScript archive. Otherwise throws Error saying what it is instead
/// (state_dict, pickled module, exported program, safetensors, ONNX, truncated archive, …) and the
/// lines that export a usable file: kUsage if it cannot be read, else kRefused.
void require_torchscript(const std::filesystem::path& path);

}  // namespace assay

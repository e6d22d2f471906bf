#include "harness/model/model_file.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr const char* kExport =
    "export it in Python, after model.eval(), with "
    "torch.jit.script(model).save('candidate.pt') or "
    "torch.jit.trace(model, example_of_batch_4).save('candidate.pt')";

[[noreturn]] void refuse_file(const std::filesystem::path& path, const std::string& what) {
  throw Error(path.string() + " " + what, ExitCode::kRefused);
}

std::string head_of(const std::filesystem::path& path, size_t length) {
  std::ifstream file(path, std::ios::binary);
  std::string head(length, '\0');
  file.read(head.data(), static_cast<std::streamsize>(length));
  head.resize(static_cast<size_t>(file.gcount()));
  return head;
}

// The zip archives that torch.save and torch.export.save write have no code/ folder.
void require_code(const std::filesystem::path& path) {
  std::vector<std::string> records;
  std::string pickle;
  try {
    caffe2::serialize::PyTorchStreamReader reader(path.string());
    records = reader.getAllRecords();
    if (std::find(records.begin(), records.end(), "data.pkl") != records.end()) {
      auto [data, size] = reader.getRecord("data.pkl");
      pickle.assign(static_cast<const char*>(data.get()), size);
    }
  } catch (const std::exception&) {
    refuse_file(path, "is a damaged or truncated archive; copy or export it again");
  }
  // LibTorch reads records without a look at their checksums.
  try {
    check_zip(Bytes::open(path));
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; copy or export it again", ExitCode::kRefused);
  }
  const auto any = [&records](auto test) {
    return std::any_of(records.begin(), records.end(), test);
  };
  if (any([](const std::string& name) { return name.starts_with("code/"); })) return;
  if (any([](const std::string& name) {
        return name.starts_with("models/") || name.ends_with("serialized_exported_program.json");
      })) {
    refuse_file(path,
                std::string("is a program of torch.export (.pt2), not TorchScript; ") + kExport);
  }
  if (pickle.empty()) {
    refuse_file(path, std::string("is a zip archive without a model in it; ") + kExport);
  }
  if (pickle.find("torch.nn.modules") != std::string::npos ||
      pickle.find("__main__") != std::string::npos) {
    refuse_file(path,
                "is a pickled module (torch.save(model)), which only its own Python code can "
                "open; " +
                    std::string(kExport));
  }
  refuse_file(path,
              "is a state_dict (tensors without code); in Python: "
              "model.load_state_dict(torch.load('" +
                  path.filename().string() + "')), or the entry that holds it, then " + kExport);
}

}  // namespace

void require_torchscript(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw Error("model " + path.string() + " is a folder, not a TorchScript file");
  }
  if (!std::filesystem::exists(path, error)) throw Error("no such model file: " + path.string());
  if (!std::ifstream(path, std::ios::binary)) {
    throw Error("model " + path.string() + " cannot be read: " + std::strerror(errno));
  }
  const std::string head = head_of(path, 64);
  if (head.empty()) refuse_file(path, std::string("is empty; ") + kExport);
  if (head.starts_with("PK\x03\x04")) return require_code(path);
  if (head.starts_with("\x80\x02") || head.starts_with("\x80\x04")) {
    refuse_file(path,
                std::string("is a plain pickle (an old torch.save, or another program's), not "
                            "TorchScript; ") +
                    kExport);
  }
  if (head.starts_with("version https://git-lfs")) {
    refuse_file(path, "is a git-lfs pointer, not the file; fetch it with git lfs pull");
  }
  if (head.starts_with("\x89HDF")) {
    refuse_file(path,
                "is an HDF5 file (Keras), not TorchScript; only PyTorch models are supported");
  }
  if (head.size() > 8 && head[8] == '{') {
    refuse_file(
        path,
        std::string("is a safetensors file (tensors without code), not TorchScript; ") + kExport);
  }
  if (path.extension() == ".onnx" || head.starts_with("\x08")) {
    refuse_file(path, std::string("looks like an ONNX model, not TorchScript; ") + kExport);
  }
  refuse_file(path, std::string("is not a TorchScript archive; ") + kExport);
}

}  // namespace assay

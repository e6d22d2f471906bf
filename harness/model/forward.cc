#include "harness/model/forward.h"

#include <sys/sysinfo.h>
#include <torch/script.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "harness/model/crash.h"
#include "harness/model/model.h"
#include "harness/model/model_file.h"
#include "harness/model/probe.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// First line of a message that says something: LibTorch appends C++ and TorchScript traces.
std::string first_line(const std::string& text) {
  const size_t begin = std::min(text.find_first_not_of("\n "), text.size());
  return text.substr(begin, text.find('\n', begin) - begin);
}

// What LibTorch's allocator could not get, if that is what a message says in its words: a model's
// own exception may speak of memory, too. (One that takes these words ends in exit 3, never 0.)
std::optional<uint64_t> bytes_refused(const std::string& message) {
  constexpr std::string_view kAllocator = "DefaultCPUAllocator: ";
  constexpr std::string_view kAsked = "you tried to allocate ";
  size_t at = message.find(kAllocator);
  if (at != std::string::npos) at = message.find(kAsked, at);
  if (at == std::string::npos) return std::nullopt;
  uint64_t bytes = 0;
  const char* end = message.data() + message.size();
  const auto [last, fault] = std::from_chars(message.data() + at + kAsked.size(), end, bytes);
  return fault == std::errc() ? std::optional(bytes) : std::nullopt;
}

// Bytes, with what may be swapped out.
uint64_t machine_memory() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return std::numeric_limits<uint64_t>::max();
  return (uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
}

at::Tensor per_channel(const std::vector<double>& values, const ModelSpec& spec) {
  std::vector<int64_t> shape(spec.shape.size(), 1);
  shape[0] = static_cast<int64_t>(values.size());
  return at::tensor(values, at::kDouble).to(type_of(spec)).reshape(shape);
}

}  // namespace

at::ScalarType type_of(const ModelSpec& spec) {
  return spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat;
}

torch::jit::Module load_archive(const std::filesystem::path& path) {
  require_torchscript(path);
  torch::jit::Module module;
  try {
    const ModelCall call;
    module = torch::jit::load(path.string(), c10::Device(at::kCPU));
  } catch (const std::exception& error) {
    std::string reason = first_line(error.what());
    while (reason.ends_with('.')) reason.pop_back();
    if (reason.find("Unknown builtin op") != std::string::npos) {
      reason += "; operators of other libraries are not at hand, export the model without them";
    }
    throw Error(path.string() + " cannot be loaded as TorchScript: " + reason, ExitCode::kRefused);
  }
  if (!module.find_method("forward")) {
    throw Error(path.string() + " has no method `forward`", ExitCode::kRefused);
  }
  return module;
}

void cast_floating(const torch::jit::Module& module, at::ScalarType dtype) {
  const auto cast = [dtype](at::Tensor tensor) {
    if (!tensor.is_floating_point() && !tensor.is_complex()) return;
    const at::ScalarType wanted = tensor.is_complex() ? c10::toComplexType(dtype) : dtype;
    if (tensor.scalar_type() != wanted) tensor.set_data(tensor.detach().to(wanted));
  };
  for (const at::Tensor& parameter : module.parameters()) cast(parameter);
  for (const at::Tensor& buffer : module.buffers()) cast(buffer);
}

void rethrow_failure(const std::exception& error) {
  const std::string message = error.what();
  const std::string cause = explain_failure(message);
  const std::optional<uint64_t> asked = bytes_refused(message);
  if (asked && *asked > machine_memory()) {  // on no retry will there be so much
    throw ModelFailure("it tries to allocate " + std::to_string(*asked) +
                       " bytes at once, more than the machine has");
  }
  if (asked || cause == "std::bad_alloc" ||
      dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    throw Error("out of memory in a model call; lower --workers or run.block: " + cause,
                ExitCode::kIncomplete);
  }
  throw ModelFailure(cause);
}

Forward::Forward(const ModelSpec& spec, std::string name) : spec_(spec), name_(std::move(name)) {
  if (!spec.mean.empty()) {
    mean_ = per_channel(spec.mean, spec);
    std_ = per_channel(spec.std, spec);
  }
}

at::Tensor Forward::normalised(const at::Tensor& x) const {
  return mean_.defined() ? x.sub(mean_).div(std_) : x;
}

at::Tensor Forward::to_logits(const at::Tensor& output) const {
  switch (spec_.output) {
    case ModelSpec::Output::kProbabilities: {
      const double tiny = output.scalar_type() == at::kDouble
                              ? std::numeric_limits<double>::min()
                              : static_cast<double>(std::numeric_limits<float>::min());
      return output.clamp_min(tiny).log();
    }
    case ModelSpec::Output::kSigmoid: {
      const at::Tensor z = output.reshape({output.size(0), 1});  // [n, 1]
      return at::cat({at::zeros_like(z), z}, 1);
    }
    default:
      return output;
  }
}

// The entry of a tuple, list or dict that model.output_index names.
c10::IValue Forward::select(const c10::IValue& value) const {
  const std::string& wanted = spec_.output_index;
  if (wanted.empty()) return value;
  if (value.isTuple() || value.isList()) {
    const std::vector<c10::IValue> items =
        value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
    size_t index = items.size();
    const char* end = wanted.data() + wanted.size();
    const auto [last, fault] = std::from_chars(wanted.data(), end, index);
    if (fault != std::errc() || last != end || index >= items.size()) {
      throw Error("model.output_index is `" + wanted + "`, but the model returns " +
                      std::to_string(items.size()) + " values, numbered from 0",
                  ExitCode::kRefused);
    }
    return items[index];
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    if (!dict.contains(wanted)) {
      std::string keys;
      for (const auto& item : dict) {
        if (item.key().isString()) keys += (keys.empty() ? "" : ", ") + item.key().toStringRef();
      }
      throw Error("model.output_index is `" + wanted + "`, but the model returns the keys " + keys,
                  ExitCode::kRefused);
    }
    return dict.at(wanted);
  }
  return value;
}

// What mends an output of this shape for n inputs, where that is known.
std::string Forward::cure_of(at::IntArrayRef shape, int64_t n) const {
  const bool single = shape == at::IntArrayRef({n, 1}) || shape == at::IntArrayRef({n});
  if (!single || spec_.classes != 2) return "";
  return "; say `output: sigmoid` if it is one logit, and export the model without its sigmoid if "
         "it is a probability";
}

at::Tensor Forward::call(torch::jit::Module module, const at::Tensor& input) const {
  c10::IValue value;
  try {
    const ModelCall inside;
    // A model may write into what it is given: its own copy. Gradients flow through it.
    value = module.forward({input.clone()});
  } catch (const std::exception& error) {
    rethrow_failure(error);
  }
  value = select(value);
  if (!value.isTensor()) {
    throw Error(name_ + " returns a " + value.tagKind() +
                    ", not a tensor; name the entry with the logits in model.output_index",
                ExitCode::kRefused);
  }
  const at::Tensor output = value.toTensor();
  const int64_t n = input.size(0);
  const int64_t width = spec_.output == ModelSpec::Output::kSigmoid ? 1 : spec_.classes;
  const bool flat = spec_.output == ModelSpec::Output::kSigmoid && output.dim() == 1;
  if (!(flat && output.size(0) == n) &&
      !(output.dim() == 2 && output.size(0) == n && output.size(1) == width)) {
    throw Error(name_ + " returns shape " + c10::str(output.sizes()) + " for " + std::to_string(n) +
                    " inputs; the suite says model.classes " + std::to_string(spec_.classes) +
                    ", so [" + std::to_string(n) + ", " + std::to_string(width) + "] is expected" +
                    cure_of(output.sizes(), n),
                ExitCode::kRefused);
  }
  // A copy too: the module may return its own buffer, and write into it at the next call.
  return to_logits(output.to(input.scalar_type(), /*non_blocking=*/false, /*copy=*/true));
}

}  // namespace assay

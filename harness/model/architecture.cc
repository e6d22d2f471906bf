#include "harness/model/architecture.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/architecture_digest.h"
#include "harness/model/forward.h"
#include "harness/model/kept_values.h"
#include "harness/model/model.h"
#include "harness/model/network.h"
#include "harness/model/probe.h"
#include "harness/model/rng.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// All parameters; or, where the author froze some (a pretrained trunk), those that are not.
std::set<std::string> names_to_train(const torch::jit::Module& module) {
  std::set<std::string> all, free;
  for (const auto& [name, parameter] : module.named_parameters()) {
    if (!parameter.is_floating_point()) continue;
    all.insert(name);
    if (parameter.requires_grad()) free.insert(name);
  }
  return free.empty() ? all : free;
}

int64_t fan_in(const at::Tensor& weight) { return weight.numel() / weight.size(0); }

// Initial value of one parameter, by the roles that PyTorch's layers give them.
void draw_parameter(const std::string& name, const std::string& type,
                    const std::map<std::string, at::Tensor>& siblings, const Rng& rng,
                    uint64_t index, at::Tensor* parameter) {
  double bound = 0;
  if (parameter->dim() >= 2) {
    // Kaiming-uniform with a = sqrt(5), what PyTorch's dense and convolutional layers start from.
    bound = 1 / std::sqrt(static_cast<double>(std::max(fan_in(*parameter), int64_t{1})));
  } else if (const size_t at = name.rfind("bias"); at != std::string::npos) {
    const auto weight = siblings.find(std::string(name).replace(at, 4, "weight"));
    const bool layer = weight != siblings.end() && weight->second.dim() >= 2;
    if (layer) bound = 1 / std::sqrt(static_cast<double>(fan_in(weight->second)));
  } else {
    // The factors of a normalisation, or an offset of the author's own.
    double value = 0;
    for (const char* factor : {"weight", "scale", "gamma", "alpha", "temperature"}) {
      if (name.find(factor) != std::string::npos) value = 1;
    }
    parameter->fill_(type.ends_with("PReLU") ? 0.25 : value);
    return;
  }
  parameter->copy_(rng.uniform(std::span(&index, 1), parameter->sizes(), 0, 0)
                       .squeeze(0)
                       .mul_(2 * bound)
                       .sub_(bound));
}

void reinitialise(const torch::jit::Module& module, const std::set<std::string>& trained,
                  uint64_t seed) {
  const Rng rng(seed, "shadow", 0);
  uint64_t index = 0;
  for (const auto& part : module.named_modules()) {
    const std::string prefix = part.name.empty() ? "" : part.name + ".";
    std::map<std::string, at::Tensor> own;
    for (const auto& [name, value] : part.value.named_parameters(/*recurse=*/false)) {
      own.emplace(name, value);
    }
    const std::string type = part.value.type()->name() ? part.value.type()->name()->name() : "";
    for (const auto& [name, value] : part.value.named_parameters(/*recurse=*/false)) {
      at::Tensor parameter = value.detach();
      if (trained.contains(prefix + name)) {
        draw_parameter(name, type, own, rng, index, &parameter);
      }
      ++index;
    }
    for (const auto& [name, buffer] : part.value.named_buffers(/*recurse=*/false)) {
      if (is_statistic(part.value, name)) {
        at::Tensor(buffer.detach()).fill_(name == "running_var" ? 1 : 0);
      }
    }
  }
}

at::Tensor trial_loss(const Forward& forward, const torch::jit::Module& module,
                      const at::Tensor& input) {
  const at::Tensor logits = forward.call(module, input);  // [n, K]
  const at::Tensor labels = at::arange(logits.size(0), at::kLong).remainder(logits.size(1));
  return at::cross_entropy_loss(logits, labels);
}

// One step in training mode: why it cannot be done, or "".
std::string try_step(const Architecture::Impl& impl, const ModelSpec& spec) {
  const Forward forward(spec, impl.name);
  at::Tensor input = forward.normalised(probe_inputs(spec, 8));
  if (impl.channels_last) input = with_channels_last(input);
  torch::jit::Module module = instantiate(impl, 0);
  std::vector<at::Tensor> parameters = trained_parameters(impl, module);
  std::vector<at::Tensor> gradients;
  try {
    const c10::AutoGradMode with_graph(true);
    const at::Tensor loss = trial_loss(forward, module, input);
    if (!loss.requires_grad()) return "its parameters get no gradient";
    gradients = torch::autograd::grad({loss}, parameters, {}, /*retain_graph=*/false,
                                      /*create_graph=*/false, /*allow_unused=*/true);
  } catch (const Error& error) {
    if (error.code() == ExitCode::kIncomplete) throw;
    return std::string("in training mode ") + error.what();
  } catch (const std::exception& error) {
    return std::string("it fails in training mode: ") + explain_failure(error.what());
  }
  // A parameter without a gradient is no obstacle where nothing depends on it.
  module.eval();
  const at::Tensor before = forward.call(module, input);
  if (!before.isfinite().all().item<bool>()) {
    return "with fresh values it gives NaN or infinity in eval mode";
  }
  bool all = true;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (gradients[i].defined()) {
      all = false;
    } else {
      parameters[i].detach().add_(1);
    }
  }
  if (all || !forward.call(module, input).equal(before)) {
    return "parameters that its output depends on get no gradient";
  }
  return "";
}

// Why the architecture cannot be trained, or "". Finds out whether it takes channels last, which
// makes convolutions and pooling of small images on a CPU faster.
std::string find_obstacle(const ModelSpec& spec, Architecture::Impl* impl) {
  if (impl->trained.empty()) return "it has no parameters: frozen or compiled";
  const GraphTraits traits = inspect(impl->module);
  if (!traits.evaluating.empty()) {
    return "fixed in eval mode: " + join(traits.evaluating) +
           ", as torch.jit.trace leaves them; export with torch.jit.script";
  }
  std::map<const void*, std::string> seen;
  for (const auto& [name, parameter] : impl->module.named_parameters()) {
    const auto [other, is_new] = seen.emplace(parameter.data_ptr(), name);
    if (!is_new) return "its parameters " + other->second + " and " + name + " are one";
  }
  if (spec.shape.size() == 3) {
    impl->channels_last = true;
    if (try_step(*impl, spec).empty()) return "";
    impl->channels_last = false;
  }
  return try_step(*impl, spec);
}

Architecture::Impl read_module(const ModelSpec& spec, const std::string& name, bool fresh,
                               torch::jit::Module module) {
  Architecture::Impl impl;
  impl.name = name;
  impl.fresh = fresh;
  cast_floating(module, type_of(spec));
  impl.module = std::move(module);
  impl.trained = names_to_train(impl.module);
  impl.digest = digest_architecture(impl, spec);
  return impl;
}

Architecture::Impl named_network(const ModelSpec& spec, const std::string& name) {
  if (name == "cnn" && !suits_cnn(spec)) {
    throw Error(
        "architecture `cnn` needs images [C, H, W] with H and W of at least 4; the model's "
        "input has shape " +
        c10::str(at::IntArrayRef(spec.shape)) + "; use mlp");
  }
  return read_module(spec, name, true, name == "cnn" ? cnn_network(spec) : mlp_network(spec));
}

constexpr std::array<std::string_view, 4> kArchitectures = {"candidate", "auto", "cnn", "mlp"};

}  // namespace

bool names_file(const std::string& architecture) {
  return std::find(kArchitectures.begin(), kArchitectures.end(), architecture) ==
         kArchitectures.end();
}

std::string architecture_file(const std::filesystem::path& folder, const std::string& wanted) {
  if (!names_file(wanted)) return wanted;
  const std::filesystem::path file = folder / wanted;
  if (std::filesystem::exists(file)) return file.string();
  const std::vector<std::string> names(kArchitectures.begin(), kArchitectures.end());
  throw Error("unknown architecture `" + wanted + "`" + suggest(wanted, names) +
              ", or a TorchScript file");
}

torch::jit::Module instantiate(const Architecture::Impl& impl, uint64_t seed) {
  torch::jit::Module instance = impl.module.deepcopy();
  if (impl.fresh) reinitialise(instance, impl.trained, seed);
  for (const auto& [name, value] : instance.named_parameters()) {
    at::Tensor parameter = value;
    if (impl.channels_last && parameter.dim() == 4) {
      parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
    }
    parameter.set_requires_grad(impl.trained.contains(name));
  }
  instance.train();
  return instance;
}

std::vector<at::Tensor> trained_parameters(const Architecture::Impl& impl,
                                           const torch::jit::Module& instance) {
  std::vector<at::Tensor> parameters;
  for (const auto& [name, parameter] : instance.named_parameters()) {
    if (impl.trained.contains(name)) parameters.push_back(parameter);
  }
  return parameters;
}

Architecture::Architecture(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Architecture Architecture::of(const ModelSpec& spec, const std::filesystem::path& candidate,
                              const std::string& wanted) {
  enter_worker();
  Impl impl;
  std::string obstacle;
  if (wanted == "candidate") {
    impl = read_module(spec, wanted, true, load_archive(candidate));
    obstacle = find_obstacle(spec, &impl);
    if (!obstacle.empty()) {
      const std::string reason = "the candidate cannot be trained: " + obstacle;
      impl = named_network(spec, suits_cnn(spec) ? "cnn" : "mlp");
      impl.reason = reason;
      obstacle = find_obstacle(spec, &impl);
    } else {
      impl.kept = kept_values(impl, spec);
    }
  } else if (!names_file(wanted)) {
    const std::string suited = suits_cnn(spec) ? "cnn" : "mlp";
    impl = named_network(spec, wanted == "auto" ? suited : wanted);
    obstacle = find_obstacle(spec, &impl);
  } else {
    const std::filesystem::path path = architecture_file("", wanted);
    impl = read_module(spec, path.filename().string(), false, load_archive(path));
    if (!candidate.empty() && has_values_of(impl.module, load_archive(candidate))) {
      throw Error("architecture " + wanted + " has the values of the model " + candidate.string() +
                  ", by which its copies would know the members; name a file of the network as it "
                  "was before it was trained, or with values that other data trained");
    }
    if (!candidate.empty()) impl.kept = values_of(impl.module, load_archive(candidate));
    obstacle = find_obstacle(spec, &impl);
    if (!obstacle.empty()) {
      throw Error("architecture " + wanted + " cannot be trained: " + obstacle);
    }
  }
  ASSAY_CHECK(obstacle.empty(), "our own network cannot be trained: " + obstacle);
  return Architecture(std::make_shared<const Impl>(std::move(impl)));
}

Architecture Architecture::anew(const ModelSpec& spec) const {
  // A file's values are the thief's own, but for those that he has from the candidate.
  if (impl_->kept.empty() || !impl_->fresh) return *this;
  enter_worker();
  Impl impl = *impl_;
  for (const auto& [name, parameter] : impl.module.named_parameters()) {
    if (parameter.is_floating_point()) impl.trained.insert(name);
  }
  if (impl.trained.size() > impl_->trained.size()) {
    if (const std::string obstacle = find_obstacle(spec, &impl); !obstacle.empty()) {
      impl = named_network(spec, suits_cnn(spec) ? "cnn" : "mlp");
      impl.reason =
          "the candidate cannot be trained from nothing, without what its author froze: " +
          obstacle;
      ASSAY_CHECK(find_obstacle(spec, &impl).empty(), "our own network can be trained");
      return Architecture(std::make_shared<const Impl>(std::move(impl)));
    }
    impl.digest = digest_architecture(impl, spec);
  }
  impl.kept = kept_values(impl, spec);
  return Architecture(std::make_shared<const Impl>(std::move(impl)));
}

const std::string& Architecture::digest() const { return impl_->digest; }
const std::string& Architecture::name() const { return impl_->name; }
const std::string& Architecture::reason() const { return impl_->reason; }
const std::vector<std::string>& Architecture::kept() const { return impl_->kept; }

std::string Architecture::start() const {
  if (impl_->fresh) return "";
  torch::jit::Module module = instantiate(*impl_, 0);
  module.eval();
  std::ostringstream bytes;
  module.save(bytes);
  return bytes.str();
}

}  // namespace assay

#include "harness/model/train.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/optim/adam.h>
#include <torch/script.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cmath>
#include <exception>
#include <sstream>
#include <thread>

#include "harness/model/model.h"
#include "harness/model/network.h"
#include "harness/model/rng.h"
#include "harness/record/files.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr int64_t kParts = 4;

// Streams of the seed; each purpose has its own.
enum Stage : uint64_t { kWeights, kStart = 2 };

// Uniform in ±sqrt(6/fan_in) (He et al., ICCV 2015), from counters.
at::Tensor he_uniform(const Rng& rng, uint64_t layer, at::IntArrayRef shape, int64_t fan_in) {
  const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
  return rng.uniform(std::span(&layer, 1), shape, 0, 0)
      .squeeze(0)
      .mul_(2 * bound)
      .sub_(bound)
      .to(at::kFloat);
}

torch::jit::Module make_network(const ModelSpec& spec, uint64_t seed) {
  const Rng rng(seed, "train", kWeights);
  torch::jit::Module network = cnn_network(spec);
  uint64_t layer = 0;
  for (at::Tensor parameter : network.parameters()) {
    if (parameter.dim() == 1) continue;  // biases stay zero
    const int64_t fan_in = parameter.numel() / parameter.size(0);
    parameter.detach().copy_(he_uniform(rng, layer++, parameter.sizes(), fan_in));
  }
  return network;
}

// What one part of a batch contributes.
struct Part {
  std::vector<at::Tensor> gradients;
  double loss = 0;
  int64_t right = 0;
};

class Trainer {
 public:
  Trainer(const Dataset& dataset, const ModelSpec& spec, const TrainOptions& options)
      : dataset_(dataset),
        spec_(spec),
        options_(options),
        network_(make_network(spec, options.seed)),
        start_(options.seed, "train", kStart) {
    for (const at::Tensor& parameter : network_.parameters()) parameters_.push_back(parameter);
  }

  void run(const std::function<void(const EpochReport&)>& report) {
    const int workers = std::clamp(options_.workers, 1, static_cast<int>(kParts));
    torch::optim::Adam optimiser(parameters_, torch::optim::AdamOptions(0));
    std::vector<Part> parts(kParts);
    std::exception_ptr failure;
    std::barrier begin(workers), end(workers);
    std::vector<std::jthread> threads;
    bool over = false;
    const auto work = [&](int worker) {
      for (int64_t part = worker; part < kParts; part += workers) {
        try {
          parts[static_cast<size_t>(part)] = run_part(part);
        } catch (...) {
          failures_[static_cast<size_t>(part)] = std::current_exception();
        }
      }
    };
    int started = 1;  // this thread
    try {
      for (; started < workers; ++started) {
        threads.emplace_back([&, worker = started] {
          enter_worker();
          while (true) {
            begin.arrive_and_wait();
            if (over) return;
            work(worker);
            end.arrive_and_wait();
          }
        });
      }
      run_epochs(
          report,
          [&] {
            begin.arrive_and_wait();
            work(0);
            end.arrive_and_wait();
            for (const std::exception_ptr& each : failures_) {
              if (each) std::rethrow_exception(each);
            }
            return add_up(parts);
          },
          &optimiser);
    } catch (...) {
      failure = std::current_exception();
    }
    over = true;
    // For threads that the system would not start, so that nobody waits for them.
    for (; started < workers; ++started) begin.arrive_and_drop();
    begin.arrive_and_wait();
    threads.clear();
    if (failure) std::rethrow_exception(failure);
  }

  void save(const std::filesystem::path& out) {
    for (at::Tensor parameter : parameters_) parameter.mutable_grad() = at::Tensor();
    network_.eval();
    // LibTorch names the archive's root after the file it writes; through a stream the bytes do not
    // depend on the name.
    std::ostringstream bytes;
    network_.save(bytes);
    write_durably(out, bytes.str());
  }

 private:
  // One pass over the data per epoch, in an order drawn from the seed. `step` runs the parts of the
  // batch that is set and leaves summed gradients in the parameters.
  template <typename Step>
  void run_epochs(const std::function<void(const EpochReport&)>& report, Step step,
                  torch::optim::Adam* optimiser) {
    const int64_t count = dataset_.size();
    const int64_t steps = (count + options_.batch - 1) / options_.batch;
    for (epoch_ = 0; epoch_ < options_.epochs; ++epoch_) {
      const auto began = std::chrono::steady_clock::now();
      const std::vector<int64_t> order = epoch_order(count, options_.seed, epoch_);
      double loss = 0;
      int64_t right = 0;
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t first = i * options_.batch;
        batch_ =
            std::span(order).subspan(static_cast<size_t>(first),
                                     static_cast<size_t>(std::min(options_.batch, count - first)));
        const double share =
            static_cast<double>(epoch_ * steps + i) / static_cast<double>(options_.epochs * steps);
        static_cast<torch::optim::AdamOptions&>(optimiser->param_groups()[0].options())
            .lr(options_.learning_rate * one_cycle(share));
        const Part sum = step();
        loss += sum.loss;
        right += sum.right;
        optimiser->step();
      }
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
      const auto n = static_cast<double>(count);
      report({epoch_ + 1, options_.epochs, loss / n, static_cast<double>(right) / n, took.count()});
    }
  }

  // Forward, loss and parameter gradients of one part of the batch.
  Part run_part(int64_t part) const {
    const auto size = static_cast<int64_t>(batch_.size());
    const int64_t begin = size * part / kParts;
    const int64_t end = size * (part + 1) / kParts;
    Part result;
    if (begin == end) return result;
    const std::span<const int64_t> rows =
        batch_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    at::Tensor x = dataset_.read(rows);  // [m, C, H, W]
    std::vector<int64_t> labels;
    for (const int64_t row : rows) labels.push_back(dataset_.label(row));
    const at::Tensor y = at::tensor(labels, at::kLong);
    const c10::AutoGradMode with_graph(true);
    if (options_.eps > 0) x = perturb(x, y, rows);
    const at::Tensor logits = forward(x);
    const at::Tensor loss = at::cross_entropy_loss(logits, y, {}, at::Reduction::Sum);
    result.gradients = torch::autograd::grad({loss}, parameters_);
    result.loss = loss.item<double>();
    result.right = logits.argmax(1).eq(y).sum().item<int64_t>();
    return result;
  }

  at::Tensor forward(const at::Tensor& x) const {
    torch::jit::Module network = network_;
    return network.forward({x}).toTensor();
  }

  at::Tensor perturb(const at::Tensor& x, const at::Tensor& y,
                     std::span<const int64_t> rows) const {
    std::vector<uint64_t> ids(rows.begin(), rows.end());
    const double eps = options_.eps;
    at::Tensor delta =
        start_.uniform(ids, x.sizes().slice(1), 0, epoch_).mul_(2 * eps).sub_(eps).to(at::kFloat);
    const at::Tensor leaf = x.add(delta).clamp_(spec_.lo, spec_.hi).detach().requires_grad_(true);
    const at::Tensor loss = at::cross_entropy_loss(forward(leaf), y, {}, at::Reduction::Sum);
    const at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
    const at::NoGradGuard plain;
    delta = leaf.sub(x).add_(gradient.sign().mul_(1.25 * eps)).clamp_(-eps, eps);
    return x.add(delta).clamp_(spec_.lo, spec_.hi).detach();
  }

  // Sums the parts in their order into the parameters' gradients.
  Part add_up(const std::vector<Part>& parts) {
    Part sum;
    for (const Part& part : parts) {
      sum.loss += part.loss;
      sum.right += part.right;
    }
    const auto n = static_cast<double>(batch_.size());
    for (size_t i = 0; i < parameters_.size(); ++i) {
      at::Tensor total = at::zeros_like(parameters_[i]);
      for (const Part& part : parts) {
        if (!part.gradients.empty()) total.add_(part.gradients[i]);
      }
      parameters_[i].mutable_grad() = total.div_(n);
    }
    return sum;
  }

  const Dataset& dataset_;
  const ModelSpec& spec_;
  const TrainOptions& options_;
  torch::jit::Module network_;
  const Rng start_;
  std::vector<at::Tensor> parameters_;
  std::array<std::exception_ptr, kParts> failures_;
  std::span<const int64_t> batch_;
  int64_t epoch_ = 0;
};

}  // namespace

void train(const Dataset& dataset, const ModelSpec& spec, const TrainOptions& options,
           const std::filesystem::path& out,
           const std::function<void(const EpochReport&)>& report) {
  if (!suits_cnn(spec)) {
    throw Error("training needs images [C, H, W] with H and W of at least 4");
  }
  if (dataset.size() == 0) throw Error("training needs at least one sample");
  enter_worker();
  Trainer trainer(dataset, spec, options);
  trainer.run(report);
  trainer.save(out);
}

}  // namespace assay

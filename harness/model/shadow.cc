#include "harness/model/shadow.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <cmath>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/model/architecture.h"
#include "harness/model/forward.h"
#include "harness/model/model.h"
#include "harness/model/network.h"
#include "harness/model/optimizer.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Records are kept decoded up to this size.
constexpr int64_t kMostBytes = int64_t{1} << 30;

/// The records that one shadow learns, normalised, by their place among its rows.
class Records {
 public:
  Records(const Forward& forward, const ModelSpec& spec, bool channels_last,
          const ReadRecords& read, std::span<const int64_t> rows)
      : forward_(forward),
        dtype_(type_of(spec)),
        channels_last_(channels_last),
        read_(read),
        rows_(rows) {
    int64_t bytes = static_cast<int64_t>(rows.size() * c10::elementSize(dtype_));
    for (const int64_t side : spec.shape) bytes *= side;
    if (bytes <= kMostBytes) std::tie(x_, labels_) = load(rows);
  }

  // [n, ...], [n] for these places.
  std::pair<at::Tensor, at::Tensor> batch(std::span<const int64_t> places) const {
    if (!x_.defined()) {
      std::vector<int64_t> rows;
      for (const int64_t place : places) rows.push_back(rows_[static_cast<size_t>(place)]);
      return load(rows);
    }
    const at::Tensor index = at::tensor(at::ArrayRef<int64_t>(places.data(), places.size()));
    return {laid_out(x_.index_select(0, index)), labels_.index_select(0, index)};
  }

 private:
  std::pair<at::Tensor, at::Tensor> load(std::span<const int64_t> rows) const {
    auto [x, labels] = read_(rows);
    return {laid_out(forward_.normalised(x.to(dtype_))), labels};
  }

  at::Tensor laid_out(const at::Tensor& x) const {
    return channels_last_ ? with_channels_last(x) : x;
  }

  const Forward& forward_;
  const at::ScalarType dtype_;
  const bool channels_last_;
  const ReadRecords& read_;
  const std::span<const int64_t> rows_;
  at::Tensor x_, labels_;  // undefined where they do not fit
};

class Training {
 public:
  Training(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
           const ReadRecords& read, std::span<const int64_t> rows, uint64_t seed)
      : recipe_(recipe),
        seed_(seed),
        size_(static_cast<int64_t>(rows.size())),
        forward_(spec, architecture.name()),
        module_(instantiate(architecture.impl(), seed)),
        parameters_(trained_parameters(architecture.impl(), module_)),
        optimizer_(recipe, parameters_),
        records_(forward_, spec, architecture.impl().channels_last, read, rows) {
    seed_generator("shadow " + std::to_string(seed));
  }

  void run() {
    const double all = static_cast<double>(recipe_.epochs * size_);
    for (int64_t epoch = 0; epoch < recipe_.epochs; ++epoch) {
      const std::vector<int64_t> order = epoch_order(size_, seed_, epoch);
      int64_t done = epoch * size_;
      in_batches(order, recipe_.batch, [&](std::span<const int64_t> places) {
        const double loss = step(places, one_cycle(static_cast<double>(done) / all));
        if (!std::isfinite(loss)) {
          throw Error("the loss of a shadow is no number in epoch " + std::to_string(epoch + 1) +
                      "; lower learning_rate, which is " + c10::str(recipe_.learning_rate));
        }
        done += static_cast<int64_t>(places.size());
      });
    }
  }

  Shadow finish() {
    module_.eval();
    Shadow shadow;
    std::vector<int64_t> order(static_cast<size_t>(size_));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    in_batches(order, 128, [&](std::span<const int64_t> places) {
      const auto [x, labels] = records_.batch(places);
      const at::Tensor logits = forward_.call(module_, x);  // [n, K]
      shadow.accuracy += logits.argmax(1).eq(labels).sum().item<double>();
      shadow.loss += at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>();
    });
    shadow.accuracy /= static_cast<double>(size_);
    shadow.loss /= static_cast<double>(size_);
    for (at::Tensor parameter : module_.parameters()) {
      parameter.set_data(parameter.detach().contiguous());
    }
    // Through a stream, so that the archive bears no file's name.
    std::ostringstream bytes;
    module_.save(bytes);
    shadow.bytes = bytes.str();
    return shadow;
  }

 private:
  double step(std::span<const int64_t> places, double rate) {
    const auto [x, labels] = records_.batch(places);
    const c10::AutoGradMode with_graph(true);
    const at::Tensor loss = at::cross_entropy_loss(forward_.call(module_, x), labels);
    std::vector<at::Tensor> gradients =
        torch::autograd::grad({loss}, parameters_, {}, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    const at::NoGradGuard plain;
    optimizer_.step(std::move(gradients), recipe_.learning_rate * rate);
    return loss.item<double>();
  }

  const Recipe& recipe_;
  const uint64_t seed_;
  const int64_t size_;
  const Forward forward_;
  torch::jit::Module module_;
  const std::vector<at::Tensor> parameters_;
  Optimizer optimizer_;
  const Records records_;
};

}  // namespace

std::string training_version() { return ASSAY_TRAINING_VERSION; }

Shadow train_shadow(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
                    const ReadRecords& read, std::span<const int64_t> rows, uint64_t seed) {
  ASSAY_CHECK(recipe.epochs >= 1 && recipe.batch >= 1, "a recipe without steps");
  if (rows.empty()) throw Error("a shadow needs at least one record to train on");
  enter_worker();
  try {
    Training training(architecture, spec, recipe, read, rows, seed);
    training.run();
    return training.finish();
  } catch (const Error&) {
    throw;
  } catch (const ModelFailure&) {
    throw;
  } catch (const std::exception& error) {
    rethrow_failure(error);  // backward passes and the optimiser run out of memory too
  }
}

}  // namespace assay

#include "harness/model/max_pool.h"

#include <ATen/core/op_registration/op_registration.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/passes/subgraph_rewrite.h>
#include <torch/script.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace assay {
namespace {

// Planes of height · width, cut into windows of 2 · 2 from the top left corner on.
struct Windows {
  int64_t planes, height, width;
  int64_t rows() const { return height / 2; }
  int64_t columns() const { return width / 2; }
  // Where a row of windows begins.
  int64_t start(int64_t line) const { return (line / rows() * height + line % rows() * 2) * width; }
};

// Four numbers at once, spelt out: compilers leave these loops scalar.
constexpr int64_t kLanes = 4;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

// Reads or writes at most n numbers.
Lanes load(const float* from, int64_t n) {
  Lanes lanes{};
  if (n >= kLanes) {
    std::memcpy(&lanes, from, sizeof(lanes));
    return lanes;
  }
  std::memcpy(&lanes, from, static_cast<size_t>(std::max<int64_t>(n, 0)) * sizeof(float));
  return lanes;
}
void store(const Lanes& lanes, float* to, int64_t n) {
  if (n >= kLanes) {
    std::memcpy(to, &lanes, sizeof(lanes));
    return;
  }
  std::memcpy(to, &lanes, static_cast<size_t>(std::max<int64_t>(n, 0)) * sizeof(float));
}

// The largest entry of each window and, where kPlaced, its place there: the first of equals; a NaN
// beats all. So does LibTorch. Places are numbers like the others, to fit the lanes.
template <bool kPlaced>
void pool_line(const float* x, int64_t width, int64_t columns, float* out, float* place) {
  for (int64_t next = 0; next < columns; next += kLanes) {
    const int64_t j = std::min(next, std::max<int64_t>(columns - kLanes, 0));  // may overlap
    const int64_t n = columns - j;
    Lanes most{}, at{};
    for (int64_t row = 0; row < 2; ++row) {
      const float* from = x + row * width + 2 * j;
      const Lanes low = load(from, 2 * n);
      const Lanes high = load(from + kLanes, 2 * n - kLanes);
      const Lanes sides[] = {__builtin_shufflevector(low, high, 0, 2, 4, 6),
                             __builtin_shufflevector(low, high, 1, 3, 5, 7)};
      for (int64_t side = 0; side < 2; ++side) {
        const Lanes& value = sides[side];
        if (row + side == 0) {
          most = value;
          continue;
        }
        const auto wins = (value > most) | (value != value);
        most = wins ? value : most;
        if (kPlaced) at = wins ? Lanes{} + static_cast<float>(2 * row + side) : at;
      }
    }
    store(most, out + j, n);
    if (kPlaced) store(at, place + j, n);
  }
}

// Writes the windows of a gradient: g at the place of the largest entry, 0 elsewhere.
void unpool_line(const float* g, const float* place, int64_t width, int64_t columns,
                 float* gradient) {
  for (int64_t next = 0; next < columns; next += kLanes) {
    const int64_t j = std::min(next, std::max<int64_t>(columns - kLanes, 0));  // may overlap
    const int64_t n = columns - j;
    const Lanes value = load(g + j, n);
    const Lanes at = load(place + j, n);
    for (int64_t row = 0; row < 2; ++row) {
      const auto side = [&](int64_t k) {
        return at == Lanes{} + static_cast<float>(2 * row + k) ? value : Lanes{};
      };
      const Lanes left = side(0), right = side(1);
      float* to = gradient + row * width + 2 * j;
      store(__builtin_shufflevector(left, right, 0, 4, 1, 5), to, 2 * n);
      store(__builtin_shufflevector(left, right, 2, 6, 3, 7), to + kLanes, 2 * n - kLanes);
    }
  }
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class MaxPool : public torch::autograd::Function<MaxPool> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, bool with_places) {
    const Windows w{x.size(0) * x.size(1), x.size(2), x.size(3)};
    at::Tensor out = at::empty({x.size(0), x.size(1), w.rows(), w.columns()}, x.options());
    const at::Tensor places = with_places ? at::empty_like(out) : out;
    const auto* from = x.const_data_ptr<float>();
    auto* to = out.data_ptr<float>();
    auto* place = places.data_ptr<float>();
    const auto run = with_places ? pool_line<true> : pool_line<false>;
    for (int64_t line = 0; line < w.planes * w.rows(); ++line) {
      run(from + w.start(line), w.width, w.columns(), to, place);
      to += w.columns();
      place += w.columns();
    }
    if (with_places) context->save_for_backward({places});
    context->saved_data["shape"] = x.sizes().vec();
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector();
    const Windows w{shape[0] * shape[1], shape[2], shape[3]};
    const at::Tensor places = context->get_saved_variables()[0];
    const at::Tensor g = gradients[0].contiguous();
    const bool covered = w.height % 2 == 0 && w.width % 2 == 0;
    at::Tensor gradient = covered ? at::empty(shape, g.options()) : at::zeros(shape, g.options());
    const auto* from = g.const_data_ptr<float>();
    const auto* place = places.const_data_ptr<float>();
    auto* to = gradient.data_ptr<float>();
    for (int64_t line = 0; line < w.planes * w.rows(); ++line) {
      unpool_line(from, place, w.width, w.columns(), to + w.start(line));
      from += w.columns();
      place += w.columns();
    }
    return {gradient, {}};
  }
};

bool all_of(at::IntArrayRef values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

at::Tensor pool_operator(const at::Tensor& x, at::IntArrayRef kernel, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode) {
  return max_pool(x, kernel, stride, padding, dilation, ceil_mode);
}

}  // namespace

at::Tensor max_pool(const at::Tensor& x, at::IntArrayRef kernel, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode) {
  const bool ours = x.dim() == 4 && x.is_contiguous() && x.size(2) >= 2 && x.size(3) >= 2 &&
                    !kernel.empty() && all_of(kernel, 2) && all_of(stride, 2) &&
                    all_of(padding, 0) && all_of(dilation, 1) && !ceil_mode &&
                    x.scalar_type() == at::kFloat;
  if (!ours) return at::max_pool2d(x, kernel, stride, padding, dilation, ceil_mode);
  return MaxPool::apply(x, x.requires_grad() && c10::GradMode::is_enabled());
}

void replace_max_pool(torch::jit::Module& module) {
  static const auto registration = c10::RegisterOperators().op(
      "assay::max_pool(Tensor x, int[] kernel, int[] stride, int[] padding, int[] dilation, "
      "bool ceil_mode) -> Tensor",
      c10::RegisterOperators::options().catchAllKernel<decltype(pool_operator), &pool_operator>());
  const std::string head = "graph(%x, %kernel, %stride, %padding, %dilation, %ceil):\n  %y = ";
  const std::string tail = "(%x, %kernel, %stride, %padding, %dilation, %ceil)\n  return (%y)";
  torch::jit::SubgraphRewriter rewriter;
  rewriter.RegisterRewritePattern(head + "aten::max_pool2d" + tail,
                                  head + "assay::max_pool" + tail);
  auto graph = module.get_method("forward").graph();
  rewriter.runOnGraph(graph);
}

}  // namespace assay

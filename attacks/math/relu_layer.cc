#include "attacks/math/relu_layer.h"

#include <array>
#include <vector>

#include "attacks/math/least_squares.h"
#include "attacks/math/unit_box.h"

namespace assay::attacks {
namespace {

constexpr int kSteps = 10;        // of Gauss–Newton
constexpr int kTurns = 200;       // of conjugate gradients for each
constexpr double kEnough = 1e-8;  // of the slope that a step starts with
constexpr double kGain = 0.99;    // a step lowers the residual below that share, or is the last

// A change of every weight, in the order of ReluLayer.
using Change = std::array<at::Tensor, 5>;

double dot(const Change& a, const Change& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i].mul(b[i]).sum().item<double>();
  return sum;
}

// The network to first order around its weights, at points of a fixed hidden pattern.
class Linearised {
 public:
  Linearised(const ReluLayer& at, const at::Tensor& points)
      : layer_(at), points_(points), has_linear_(at.linear.ne(0).any().item<bool>()) {
    const at::Tensor hidden = points.matmul(at.weights.t()).add_(at.offsets);  // [n, h]
    on_ = hidden.gt(0).to(at::kDouble);
    hidden_ = hidden.relu_();
  }

  // How outputs [n, K] move with the weights.
  at::Tensor outputs(const Change& change) const {
    const auto& [weights, offsets, coefficients, linear, constant] = change;
    const at::Tensor inside = points_.matmul(weights.t()).add_(offsets).mul_(on_);  // [n, h]
    at::Tensor moved = inside.matmul(layer_.coefficients.t());
    moved.add_(hidden_.matmul(coefficients.t())).add_(constant);
    if (has_linear_) moved.add_(points_.matmul(linear.t()));
    return moved;
  }

  // The transpose of it: of outputs [n, K].
  Change weights(const at::Tensor& outputs) const {
    const at::Tensor inside = outputs.matmul(layer_.coefficients).mul_(on_);  // [n, h]
    return {inside.t().matmul(points_), inside.sum(0), outputs.t().matmul(hidden_),
            has_linear_ ? outputs.t().matmul(points_) : at::zeros_like(layer_.linear),
            outputs.sum(0)};
  }

 private:
  const ReluLayer& layer_;
  const at::Tensor& points_;
  const bool has_linear_;
  at::Tensor on_, hidden_;
};

// The change that brings the linearised outputs nearest to theirs, `rest` [n, K] away.
Change step_of(const Linearised& net, at::Tensor rest) {
  Change slope = net.weights(rest), direction = slope, step;
  for (size_t i = 0; i < step.size(); ++i) {
    step[i] = at::zeros_like(slope[i]);
    direction[i] = slope[i].clone();
  }
  double square = dot(slope, slope);
  const double enough = square * kEnough * kEnough;
  for (int turn = 0; turn < kTurns && square > enough; ++turn) {
    const at::Tensor moved = net.outputs(direction);
    const double length = moved.square().sum().item<double>();
    if (!(length > 0)) break;
    const double far = square / length;
    rest = rest.sub(moved, far);
    slope = net.weights(rest);
    const double next = dot(slope, slope);
    for (size_t i = 0; i < step.size(); ++i) {
      step[i].add_(direction[i], far);
      direction[i] = slope[i].add(direction[i], next / square);
    }
    square = next;
  }
  return step;
}

}  // namespace

at::Tensor ReluLayer::operator()(const at::Tensor& points) const {
  return points.matmul(weights.t())
      .add_(offsets)
      .relu_()
      .matmul(coefficients.t())
      .add_(points.matmul(linear.t()))
      .add_(constant);
}

double ReluLayer::residual(const at::Tensor& points, const at::Tensor& outputs) const {
  return outputs.sub((*this)(points)).square().mean().sqrt().item<double>();
}

std::vector<Dense> dense_layers(const ReluLayer& layer, const ModelSpec& spec) {
  const auto [left, values, right] = at::linalg_svd(layer.linear, /*full_matrices=*/false);
  const double least = 1e-12 * (1 + layer.coefficients.abs().sum().item<double>());
  const int64_t rank = values.gt(least).sum().item<int64_t>();
  const at::Tensor always = right.narrow(0, 0, rank);                               // [rank, d]
  const at::Tensor lift = always.abs().sum(1).add(1);                               // [rank]
  const at::Tensor share = left.narrow(1, 0, rank).mul(values.narrow(0, 0, rank));  // [K, rank]
  const Dense hidden = {at::cat({layer.weights, always}), at::cat({layer.offsets, lift})};
  const Dense last = {at::cat({layer.coefficients, share}, 1),
                      layer.constant.sub(share.matmul(lift))};
  if (hidden.second.size(0) > 0) return {in_box(hidden, spec), last};
  return {{at::zeros({last.second.size(0), right.size(1)}, at::kDouble), last.second}};
}

ReluLayer fit_outputs(const at::Tensor& weights, const at::Tensor& offsets,
                      const at::Tensor& points, const at::Tensor& outputs, bool with_linear) {
  const int64_t n = points.size(0), d = points.size(1), h = weights.size(0);
  std::vector<at::Tensor> columns = {points.matmul(weights.t()).add(offsets).relu()};
  if (with_linear) columns.push_back(points);
  columns.push_back(at::ones({n, 1}, at::kDouble));
  const at::Tensor x = LeastSquares(at::cat(columns, 1)).solve(outputs);  // [columns, K]
  return {.weights = weights,
          .offsets = offsets,
          .coefficients = x.narrow(0, 0, h).t().contiguous(),
          .linear = with_linear ? x.narrow(0, h, d).t().contiguous()
                                : at::zeros({outputs.size(1), d}, at::kDouble),
          .constant = x[x.size(0) - 1].clone()};
}

ReluLayer refined(ReluLayer start, const at::Tensor& points, const at::Tensor& outputs) {
  double residual = start.residual(points, outputs);
  for (int i = 0; i < kSteps; ++i) {
    const auto& [weights, offsets, coefficients, linear, constant] =
        step_of(Linearised(start, points), outputs.sub(start(points)));
    const ReluLayer next = {start.weights.add(weights), start.offsets.add(offsets),
                            start.coefficients.add(coefficients), start.linear.add(linear),
                            start.constant.add(constant)};
    const double left = next.residual(points, outputs);
    if (!(left < residual)) break;
    start = next;
    const bool last = left > kGain * residual;
    residual = left;
    if (last) break;
  }
  return start;
}

}  // namespace assay::attacks

#include "attacks/math/relu_neurons.h"

#include <algorithm>
#include <cmath>

#include "attacks/math/least_squares.h"

namespace assay::attacks {
namespace {

// Planes are one if neurons agree so well.
constexpr double kSame = 1e-3;
// A jump belongs to a neuron if it is its own up to such a share.
constexpr double kJump = 0.1;
// What is left of a change of gradient beside one plane, as a share, without noise.
constexpr double kRest = 1e-4;
// Noise may blur a plane by such a share.
constexpr double kBlur = 0.1;

double number(const at::Tensor& x) { return x.item<double>(); }

// Gradients [d, K] at `point` [d] from steps along all axes, inwards.
at::Tensor gradient(const Probe& probe, const at::Tensor& point, double step) {
  const int64_t d = point.size(0);
  const at::Tensor steps = at::where(point > 0, -step, step);  // [d]
  const at::Tensor points = at::cat({point.unsqueeze(0), point.unsqueeze(0).add(steps.diag())});
  const auto [sent, outputs] = probe(points);
  const at::Tensor moved = sent.narrow(0, 1, d).sub(sent[0]).diagonal();  // [d]
  return outputs.narrow(0, 1, d).sub(outputs[0]).div(moved.unsqueeze(1));
}

}  // namespace

bool explains(const Neuron& neuron, const Crossing& crossing, double noise) {
  const double slope = number(neuron.weight.dot(crossing.direction));
  const double value = number(neuron.weight.dot(crossing.point())) + neuron.offset;
  const double size = number(crossing.kink.jump.norm());
  // Where lines met: noise over 1/32 of the room that there was, by the change of slope.
  const double shift = 64 * noise / size + 1e-9;
  if (std::abs(value) > 3 * neuron.error + shift * std::abs(slope)) return false;
  const at::Tensor rest = crossing.kink.jump.sub(neuron.output.mul(std::abs(slope)));
  return number(rest.norm()) <= kJump * size + 64 * noise / crossing.kink.room;
}

bool same_plane(const Neuron& a, const Neuron& b) {
  const double cosine = number(a.weight.dot(b.weight));
  const double apart = a.offset - std::copysign(1.0, cosine) * b.offset;
  const double error = kSame + a.error + b.error;
  return 1 - std::abs(cosine) < error * error && std::abs(apart) < error;
}

bool recover_neuron(const Probe& probe, const Crossing& crossing, double noise, int64_t tries,
                    Neuron* neuron) {
  const int64_t d = crossing.direction.size(0);
  const at::Tensor point = crossing.point();
  const at::Tensor away = crossing.direction.mul(0.45 * crossing.kink.room);
  // The function has no curvature: a larger step has less noise, but may meet another plane.
  double step = std::clamp(std::pow(noise, 0.25), 1e-4, 0.05);
  for (int64_t i = 0; i < tries; ++i, step /= 8) {
    const at::Tensor change = gradient(probe, point.add(away), step)
                                  .sub(gradient(probe, point.sub(away), step));  // [d, K]
    const auto [left, values, right] = at::linalg_svd(change, /*full_matrices=*/false);
    const double size = number(values[0]);
    const double blur = 2 * noise / step * std::sqrt(static_cast<double>(change.numel()));
    if (!(size > 0) || blur > kBlur * size) return false;
    const double allowed = kRest * size + 2 * blur;
    if (values.size(0) > 1 && number(values[1]) > allowed) continue;
    const at::Tensor weight = left.select(1, 0);
    const double slope = number(weight.dot(crossing.direction));
    // Steps stayed on their side.
    if (std::abs(slope) * 0.45 * crossing.kink.room < 1.1 * step * number(weight.abs().max())) {
      continue;
    }
    // The change along the direction is the kink.
    const at::Tensor jump = crossing.direction.matmul(change);
    const double length = number(crossing.direction.norm());
    if (number(jump.sub(crossing.kink.jump).norm()) >
        kRest * number(jump.norm()) + allowed * length + 64 * noise / crossing.kink.room) {
      continue;
    }
    neuron->weight = weight.clone();
    neuron->offset = -number(weight.dot(point));
    neuron->output = right[0].mul(std::copysign(size, slope));
    neuron->error = 1e-9 + 2 * blur / size * std::sqrt(static_cast<double>(d)) +
                    64 * noise / number(crossing.kink.jump.norm()) * std::abs(slope);
    return true;
  }
  return false;
}

ReluLayer fit_neurons(const std::vector<Neuron>& neurons, const at::Tensor& points,
                      const at::Tensor& outputs, double noise) {
  std::vector<at::Tensor> weights = {at::empty({0, points.size(1)}, at::kDouble)};
  std::vector<double> offsets;
  for (const Neuron& neuron : neurons) {
    weights.push_back(neuron.weight.unsqueeze(0));
    offsets.push_back(neuron.offset);
  }
  const ReluLayer best =
      fit_outputs(at::cat(weights), at::tensor(offsets, at::kDouble), points, outputs, true);
  if (neurons.empty()) return best;
  const at::Tensor sign =
      at::where(turned(best.weights, best.coefficients, best.linear), -1.0, 1.0).to(at::kDouble);
  const ReluLayer plain = fit_outputs(best.weights.mul(sign.unsqueeze(1)), best.offsets.mul(sign),
                                      points, outputs, false);
  return plain.residual(points, outputs) <= 2 * best.residual(points, outputs) + noise ? plain
                                                                                       : best;
}

at::Tensor turned(const at::Tensor& weights, const at::Tensor& coefficients,
                  const at::Tensor& linear) {
  // linear = −Σ sᵢ · coefficientᵢ weightᵢᵀ over the turned: normal equations in s.
  const at::Tensor gram = weights.matmul(weights.t()).mul(coefficients.t().matmul(coefficients));
  const at::Tensor right = linear.matmul(weights.t()).mul(coefficients).sum(0).neg();
  return LeastSquares(gram).solve(right.unsqueeze(1)).squeeze(1).gt(0.5);
}

}  // namespace assay::attacks

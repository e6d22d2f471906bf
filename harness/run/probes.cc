#include "harness/run/probes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/suite/digest.h"

namespace assay {
namespace {

constexpr double kReach = 1.0 / 64;  // the reference's ±4/255, in widths of the box
constexpr double kMeanChange = 0.1;

// The label that a model finds second to y at a row of logits [K].
int64_t second_to(const at::Tensor& logits, int64_t y) {
  const at::Tensor others = logits.clone();
  others[y].fill_(-std::numeric_limits<double>::infinity());
  return others.argmax().item<int64_t>();
}

// What the gradient at x [m, ...] says of how far label y is ahead of the `second` [m] at points
// [k, m, ...] → [k, m] float64: how much more than at x. 0 for a model without a gradient.
at::Tensor foretold(const Model& model, const at::Tensor& x, const at::Tensor& points,
                    const at::Tensor& y, const at::Tensor& second) {
  const int64_t m = x.size(0);
  if (!model.facts().gradient) return at::zeros({points.size(0), m}, at::kDouble);
  const Tape tape = model.record(x);
  at::Tensor c = at::zeros_like(tape.logits());
  c.scatter_(1, y.unsqueeze(1), 1.0).scatter_(1, second.unsqueeze(1), -1.0);
  const at::Tensor gradient = at::nan_to_num(tape.vjp(c), 0.0, 0.0, 0.0).to(at::kDouble);
  const at::Tensor step = points.to(at::kDouble).sub(x.to(at::kDouble));
  return step.flatten(2).mul(gradient.flatten(1)).sum(2);
}

}  // namespace

std::vector<int64_t> choose_probes(const std::vector<SampleInfo>& samples) {
  const auto n = static_cast<int64_t>(samples.size());
  const int64_t count = std::min(n, std::clamp<int64_t>(n / 32, 4, 32));
  std::vector<std::pair<uint64_t, int64_t>> order;
  for (int64_t i = 0; i < n; ++i) {
    order.emplace_back(hash64(samples[static_cast<size_t>(i)].id), i);
  }
  std::partial_sort(order.begin(), order.begin() + count, order.end());
  std::vector<int64_t> probes;
  for (int64_t i = 0; i < count; ++i) probes.push_back(order[static_cast<size_t>(i)].second);
  std::sort(probes.begin(), probes.end());
  return probes;
}

double whole_box_radius(const ThreatModel& threat, int64_t d) {
  const double width = threat.hi - threat.lo;
  switch (threat.norm) {
    case Norm::kLinf:
      return width;
    case Norm::kL2:
      return width * std::sqrt(static_cast<double>(d));
    case Norm::kL1:
      return width * static_cast<double>(d);
    default:
      return static_cast<double>(d);
  }
}

std::optional<AttackSpec> whole_box_spec(const AttackSpec& spec, double eps, double radius) {
  const auto steps = spec.params.find("steps");
  // With features held still, no ball reaches the whole box.
  const bool held = !spec.threat.fixed.empty() || !spec.threat.feature_scale.empty();
  if (spec.threat.access != Access::kGradient || spec.threat.goal == Goal::kTargeted || held ||
      steps == spec.params.end()) {
    return {};
  }
  const int64_t* count = std::get_if<int64_t>(&steps->second);
  if (count == nullptr || *count < 2) return {};
  AttackSpec wide = spec;
  const auto size = spec.params.find("step_size");
  if (size == spec.params.end()) return wide;
  if (const double* length = std::get_if<double>(&size->second); length != nullptr && eps > 0) {
    Value text;
    text.kind = Value::Kind::kScalar;
    text.scalar = number_text(*length * radius / eps);
    wide.entry.set("step_size", text);
  }
  return wide;
}

int64_t count_unstable(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                       std::span<const uint64_t> ids, const Rng& rng) {
  const ModelSpec& spec = model.spec();
  std::vector<at::Tensor> points = {x};
  for (int64_t draw = 0; draw < kNeighbours; ++draw) {
    const at::Tensor noise = rng.uniform(ids, spec.shape, draw, 0)  // [m, ...]
                                 .mul(2)
                                 .sub(1)
                                 .mul(kReach * (spec.hi - spec.lo));
    points.push_back(x.add(noise.to(x.scalar_type())).clamp(spec.lo, spec.hi));
  }
  const int64_t m = x.size(0);
  const at::Tensor logits =
      model.logits(at::cat(points, 0)).to(at::kDouble).view({kNeighbours + 1, m, model.classes()});
  const at::Tensor labels = at::tensor(std::vector<int64_t>(y.begin(), y.end()));
  const at::Tensor second = at::empty_like(labels);
  for (int64_t i = 0; i < m; ++i) {
    second[i] = second_to(logits[0][i], y[static_cast<size_t>(i)]);
  }
  points.erase(points.begin());
  const at::Tensor told = foretold(model, x, at::stack(points, 0), labels, second);
  int64_t unstable = 0;
  for (int64_t i = 0; i < m; ++i) {
    const at::Tensor seen = logits.select(1, i);  // [kNeighbours + 1, K]
    // Measured by the spread of the logits: by the margin itself, as the reference does, every
    // sample near a boundary would count.
    const double spread = seen[0].max().sub(seen[0].min()).item<double>();
    const at::Tensor ahead =
        seen.select(1, y[static_cast<size_t>(i)]).sub(seen.select(1, second[i].item<int64_t>()));
    const at::Tensor change = ahead.slice(0, 1).sub(ahead[0]).sub(told.select(1, i)).abs();
    // Also true for NaN.
    unstable += change.mean().item<double>() <= kMeanChange * (spread > 0 ? spread : 1) ? 0 : 1;
  }
  return unstable;
}

}  // namespace assay

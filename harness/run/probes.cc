#include "harness/run/probes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "harness/suite/digest.h"

namespace assay {
namespace {

constexpr double kReach = 1.0 / 64;  // the reference's ±4/255, in widths of the box
constexpr double kClose = 1.0 / 1024;
constexpr double kMeanChange = 0.1;
constexpr double kMisfit = 0.3;      // of the squares of changes; sound networks come to .1
constexpr double kRounding = 1e-6;   // of the largest logit
constexpr double kBrink = 1.0 / 64;  // of the way to the boundary

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

// Random points within `reach` [...] of x [m, ...], the draws from `first` on: [count, m, ...].
at::Tensor points_around(const Model& model, const at::Tensor& x, std::span<const uint64_t> ids,
                         const Rng& rng, const at::Tensor& reach, int64_t first, int64_t count) {
  const ModelSpec& spec = model.spec();
  std::vector<at::Tensor> points;
  for (int64_t draw = first; draw < first + count; ++draw) {
    const at::Tensor noise = rng.uniform(ids, spec.shape, draw, 0).mul(2).sub(1).mul(reach);
    points.push_back(x.add(noise.to(x.scalar_type())).clamp(spec.lo, spec.hi));
  }
  return at::stack(points, 0);
}

// Steps both ways from a point near each of x [m, ...], at which no pixels tie as they do in clean
// images and which is off the walls: kPairs wide ones and as many short ones.
struct Pairs {
  at::Tensor centre;  // [m, ...]
  at::Tensor ends;    // [4 kPairs, m, ...] of all steps one way, then of the same the other way
};

Pairs pairs_around(const Model& model, const at::Tensor& x, std::span<const uint64_t> ids,
                   const Rng& rng, const at::Tensor& widths) {
  const ModelSpec& spec = model.spec();
  const at::Tensor wide = widths.mul(kReach);
  const at::Tensor wall = wide.mul(2);
  const at::Tensor inner =
      x.clamp(wall.add(spec.lo).to(x.scalar_type()), wall.neg().add(spec.hi).to(x.scalar_type()));
  const at::Tensor centre = points_around(model, inner, ids, rng, wide, kNeighbours, 1)[0];
  constexpr int64_t kFirst = kNeighbours + 1;
  const at::Tensor there = at::cat(
      {points_around(model, centre, ids, rng, wide, kFirst, kPairs),
       points_around(model, centre, ids, rng, widths.mul(kClose), kFirst + kPairs, kPairs)});
  return {centre, at::cat({there, centre.mul(2).sub(there).clamp(spec.lo, spec.hi)})};
}

// How far changes of a margin may be off, in the largest of the logits [K]: some models compute in
// half precision, and a change takes four roundings.
double change_rounding(const at::Tensor& logits) {
  const auto holds = [&](at::ScalarType type) {
    return logits.to(type).to(logits.scalar_type()).equal(logits);
  };
  return holds(at::kBFloat16) ? 0x1p-7 : holds(at::kHalf) ? 0x1p-10 : kRounding;
}

// True if a gradient tells most of a function's changes [2 kPairs], the wide or the short: a kink
// may lie within any reach, and a model of low precision rounds short steps away. Even the gradient
// of a good likeness leaves a third of their squares and more.
bool tells_changes(const at::Tensor& changes, const at::Tensor& told, double rounding) {
  bool tells = false;
  for (const int64_t first : {int64_t{0}, kPairs}) {
    const at::Tensor seen = changes.narrow(0, first, kPairs);
    const double rest = seen.sub(told.narrow(0, first, kPairs)).norm().item<double>();
    tells = tells || rest <= std::sqrt(kMisfit) * seen.norm().item<double>() +
                                 rounding * std::sqrt(static_cast<double>(kPairs));
  }
  return tells;
}

// Indices, in order, of so many samples or all, by a hash of their ids.
std::vector<int64_t> choose_by_hash(const std::vector<SampleInfo>& samples, int64_t most) {
  const auto n = static_cast<int64_t>(samples.size());
  const int64_t count = std::min(n, most);
  std::vector<std::pair<uint64_t, int64_t>> order;
  for (int64_t i = 0; i < n; ++i) {
    order.emplace_back(hash64(samples[static_cast<size_t>(i)].id), i);
  }
  std::partial_sort(order.begin(), order.begin() + count, order.end());
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < count; ++i) chosen.push_back(order[static_cast<size_t>(i)].second);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

std::vector<int64_t> choose_probes(const std::vector<SampleInfo>& samples) {
  const auto n = static_cast<int64_t>(samples.size());
  return choose_by_hash(samples, std::clamp<int64_t>(n / 32, 4, 32));
}

std::vector<int64_t> choose_measured(const std::vector<SampleInfo>& samples,
                                     std::span<const int64_t> shape) {
  if (shape.size() == 3) return {};
  const int64_t entries =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  constexpr int64_t kMost = int64_t{1} << 20;  // they are sorted and held several times
  return choose_by_hash(samples, std::clamp<int64_t>(kMost / entries, 16, 256));
}

at::Tensor feature_widths(const ModelSpec& spec, const at::Tensor& x) {
  const at::Tensor box = at::full(spec.shape, spec.hi - spec.lo, at::kDouble);
  if (x.size(0) == 0) return box;
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor off = wide.sub(std::get<0>(wide.median(0))).abs();
  const at::Tensor usual = std::get<0>(off.median(0)).mul(4);
  const double none = std::numeric_limits<double>::infinity();
  const at::Tensor least = off.masked_fill(off.eq(0), none).amin(0);
  const at::Tensor range = wide.amax(0).sub(wide.amin(0));
  return at::where(usual.gt(0), usual, least).minimum(range).minimum(box);
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
  if (spec.threat.access != Access::kGradient) return {};
  if (const auto steps = spec.params.find("steps"); steps != spec.params.end()) {
    const int64_t* count = std::get_if<int64_t>(&steps->second);
    if (count == nullptr || *count < 2) return {};
  }
  AttackSpec wide = spec;
  wide.threat.feature_scale.clear();
  for (size_t i = 0; i < spec.threat.feature_scale.size(); ++i) {
    if (spec.threat.feature_scale[i] == 0) wide.threat.fixed.push_back(static_cast<int64_t>(i));
  }
  std::vector<int64_t>& fixed = wide.threat.fixed;
  std::sort(fixed.begin(), fixed.end());
  fixed.erase(std::unique(fixed.begin(), fixed.end()), fixed.end());
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

bool may_survive_box(const ThreatModel& threat) {
  return threat.goal == Goal::kTargeted || !threat.fixed.empty();
}

int64_t count_unstable(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                       std::span<const uint64_t> ids, const at::Tensor& widths, const Rng& rng) {
  const at::Tensor points = points_around(model, x, ids, rng, widths.mul(kReach), 0, kNeighbours);
  const Pairs pairs = pairs_around(model, x, ids, rng, widths);
  const int64_t m = x.size(0);
  const at::Tensor logits =
      model.logits(at::cat({x.unsqueeze(0), points, pairs.ends}).flatten(0, 1))
          .to(at::kDouble)
          .view({kLookedAt, m, model.classes()});
  const at::Tensor labels = at::tensor(std::vector<int64_t>(y.begin(), y.end()));
  const at::Tensor second = at::empty_like(labels);
  for (int64_t i = 0; i < m; ++i) {
    second[i] = second_to(logits[0][i], y[static_cast<size_t>(i)]);
  }
  const auto gathered = [&](const at::Tensor& label) {  // [kLookedAt, m]
    return logits.gather(2, label.view({1, m, 1}).expand({kLookedAt, m, 1})).squeeze(2);
  };
  const auto both_ways = [](const at::Tensor& ends) {  // [4 kPairs, m] → [2 kPairs, m]
    return ends.narrow(0, 0, 2 * kPairs).sub(ends.narrow(0, 2 * kPairs, 2 * kPairs));
  };
  const at::Tensor ahead = gathered(labels).sub(gathered(second));
  const at::Tensor told = foretold(model, x, points, labels, second);
  const at::Tensor across = both_ways(ahead.narrow(0, 1 + kNeighbours, 4 * kPairs));
  const at::Tensor told_across =
      both_ways(foretold(model, pairs.centre, pairs.ends, labels, second));
  // Noise is no gradient's to tell, and where there is none that is flagged by itself.
  const bool looks = model.facts().gradient && !model.facts().random;
  int64_t unstable = 0;
  for (int64_t i = 0; i < m; ++i) {
    const at::Tensor clean = logits[0][i];
    // Measured by the spread of the logits: by the margin itself, as the reference does, every
    // sample near a boundary would count.
    const double spread = clean.max().sub(clean.min()).item<double>();
    const at::Tensor change = ahead.select(1, i).sub(ahead[0][i]).narrow(0, 1, kNeighbours);
    const double mean = change.sub(told.select(1, i)).abs().mean().item<double>();
    const bool steady = mean <= kMeanChange * (spread > 0 ? spread : 1);  // false for NaN
    const double rounding = change_rounding(clean) * clean.abs().max().item<double>();
    const bool own =
        !looks || tells_changes(across.select(1, i), told_across.select(1, i), rounding);
    unstable += steady && own ? 0 : 1;
  }
  return unstable;
}

at::Tensor way_widths(const at::Tensor& widths, const at::Tensor& x) {
  constexpr int64_t kCodes = 16;
  if (x.size(0) == 0) return widths;
  const at::Tensor sorted = std::get<0>(x.sort(0));
  const at::Tensor values = sorted.narrow(0, 1, x.size(0) - 1)
                                .ne(sorted.narrow(0, 0, x.size(0) - 1))
                                .sum(0)
                                .add(1);  // [...shape]
  // Codes come again and again.
  return widths.masked_fill(values.le(std::min(kCodes, x.size(0) / 2)), 0.0);
}

Approaches count_cliffs(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                        std::span<const uint64_t> ids, const at::Tensor& widths, const Rng& rng) {
  const int64_t m = x.size(0);
  const at::Tensor labels = at::tensor(std::vector<int64_t>(y.begin(), y.end())).unsqueeze(1);
  const auto margins = [&labels](const at::Tensor& logits) {  // [..., m, K] → [..., m]
    std::vector<int64_t> each = logits.sizes().vec();
    each.back() = 1;
    const at::Tensor own = labels.expand(each);
    const double least = -std::numeric_limits<double>::infinity();
    return logits.gather(-1, own).squeeze(-1).sub(logits.scatter(-1, own, least).amax(-1));
  };
  const auto logits_of = [&](const at::Tensor& points) {  // [k, m, ...] → [k, m, K]
    return model.logits(points.flatten(0, 1))
        .to(at::kDouble)
        .view({points.size(0), m, model.classes()});
  };
  const at::Tensor far = points_around(model, x, ids, rng, widths, kLookedAt, kFarPoints);
  const at::Tensor first = logits_of(at::cat({x.unsqueeze(0), far}));  // [1 + kFarPoints, m, K]
  const at::Tensor ahead = margins(first);
  // Of each the first that crosses: argmax finds the first of equal values.
  const at::Tensor crosses = ahead.narrow(0, 1, kFarPoints).lt(0);
  const at::Tensor found = crosses.any(0);
  Approaches counts;
  counts.approached = found.sum().item<int64_t>();
  if (counts.approached == 0) return counts;
  const at::Tensor which = crosses.to(at::kLong).argmax(0);  // [m]
  const at::Tensor start = x.to(at::kDouble);
  const at::Tensor step = far.to(at::kDouble).index({which, at::arange(m, at::kLong)}).sub(start);
  const auto along = [&](const at::Tensor& shares) {  // [k, m] of the way → [k, m]
    std::vector<int64_t> sizes(static_cast<size_t>(x.dim()) + 1, 1);
    sizes[0] = shares.size(0);
    sizes[1] = m;
    const at::Tensor points = start.add(step.mul(shares.view(sizes)));
    return margins(logits_of(points.to(x.scalar_type()).clamp(model.spec().lo, model.spec().hi)));
  };
  at::Tensor near = at::zeros({m}, at::kDouble);
  double part = 1;
  for (int64_t round = 0; round < kNarrowings; ++round) {
    part /= kSections;
    const at::Tensor inner = at::arange(1, kSections, at::kDouble).mul(part).unsqueeze(1);
    const at::Tensor beyond = along(near.add(inner)).gt(0).logical_not();  // [kSections - 1, m]
    const at::Tensor last = at::ones({1, m}, at::kBool);
    near = near.add(at::cat({beyond, last}).to(at::kLong).argmax(0).mul(part));
  }
  const at::Tensor brink =
      along(at::stack({near.mul(1 - kBrink), near.add(part).mul(1 + kBrink).clamp_max(1)}));
  const at::Tensor fall = brink[0].sub(brink[1]);
  for (int64_t i = 0; i < m; ++i) {
    const at::Tensor clean = first[0][i];
    const double rounding = change_rounding(clean) * clean.abs().max().item<double>();
    const double half = ahead[0][i].item<double>() / 2 + rounding;
    counts.cliffs += found[i].item<bool>() && fall[i].item<double>() >= half ? 1 : 0;
  }
  return counts;
}

}  // namespace assay

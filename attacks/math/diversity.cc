#include "attacks/math/diversity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "attacks/math/rows.h"
#include "attacks/math/segment.h"
#include "attacks/math/steepest.h"
#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

constexpr double kGrowth = 1.1;

// The point that images are scaled and padded towards: 0, or the end of the box next to it.
double ground(const ThreatModel& threat) { return std::clamp(0.0, threat.lo, threat.hi); }

// Applies row i's map (its adjoint where `back`) to the rows that have one. x [m, ...] float64.
at::Tensor resized(const at::Tensor& x, const std::vector<std::optional<Resize>>& maps, bool back) {
  const at::Tensor result = x.clone(at::MemoryFormat::Contiguous);
  const auto d = static_cast<size_t>(row_length(x));
  for (size_t row = 0; row < maps.size(); ++row) {
    if (!maps[row]) continue;
    double* values = result.data_ptr<double>() + row * d;
    const std::span<const double> image(values, d);
    const std::vector<double> changed = back ? maps[row]->adjoint(image) : maps[row]->apply(image);
    std::copy(changed.begin(), changed.end(), values);
  }
  return result;
}

std::vector<std::optional<Resize>> draw_maps(const Diversity& diversity, const at::Tensor& x,
                                             std::span<const uint64_t> keys, const Rng& rng,
                                             int64_t restart, int64_t step) {
  std::vector<std::optional<Resize>> maps(keys.size());
  if (diversity.diverse_prob == 0) return maps;
  const at::Tensor draws = rng.uniform(keys, {4}, restart, step).contiguous();
  for (size_t row = 0; row < maps.size(); ++row) {
    const double* draw = draws.const_data_ptr<double>() + row * 4;
    if (draw[0] >= diversity.diverse_prob) continue;
    maps[row].emplace(x.size(x.dim() - 2), x.size(x.dim() - 1),
                      std::span<const double, 3>(draw + 1, 3));
  }
  return maps;
}

}  // namespace

Diversity read_diversity(Params& params) {
  const Diversity diversity{
      .diverse_prob =
          params.number("diverse_prob", 0, {0, 1},
                        "images: chance that a gradient is taken at a resized and padded copy "
                        "(DI-FGSM uses 0.5)"),
      .scale_copies = params.integer("scale_copies", 1, {1, 30},
                                     "gradients averaged over x / 2^i (SI-FGSM uses 5)"),
      .translation_kernel =
          params.integer("translation_kernel", 0, {0, 999},
                         "images: odd width of the Gaussian that smooths gradients (TI-FGSM uses "
                         "15); 0: none"),
  };
  const int64_t width = diversity.translation_kernel;
  if (width > 0 && width % 2 == 0) {
    params.fail("translation_kernel", "translation_kernel is " + std::to_string(width) +
                                          "; it must be odd, or 0 for none; try " +
                                          std::to_string(width + 1));
  }
  return diversity;
}

void check_images(const Diversity& diversity, const at::Tensor& x) {
  if (x.dim() >= 3) return;
  for (const auto& [name, used] : {std::pair{"diverse_prob", diversity.diverse_prob > 0},
                                   {"translation_kernel", diversity.translation_kernel > 0}}) {
    if (!used) continue;
    throw Error(std::string(name) + " transforms images, but the model's input has " +
                std::to_string(x.size(1)) + " features and no height and width; remove it");
  }
}

std::optional<Look> look_around(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                                const at::Tensor& y, const at::Tensor& target, LossKind kind,
                                const Diversity& diversity, const Rng& rng, int64_t restart,
                                int64_t step) {
  const int64_t copies = diversity.scale_copies;
  const int64_t m = rows.size(0);
  const std::vector<uint64_t> keys = keys_of(oracle.block(), rows);
  const double zero = ground(oracle.threat());
  const at::Tensor raised = x.to(at::kDouble).sub(zero);  // [m, ...]
  std::vector<std::vector<std::optional<Resize>>> maps;
  std::vector<at::Tensor> points;
  for (int64_t copy = 0; copy < copies; ++copy) {
    maps.push_back(draw_maps(diversity, x, keys, rng, restart, step * copies + copy + 1));
    const at::Tensor scaled = raised.mul(std::ldexp(1.0, static_cast<int>(-copy)));
    points.push_back(boxed(resized(scaled, maps.back(), false).add(zero), x, oracle.threat()));
  }
  const auto repeated = [copies](const at::Tensor& t) {
    return t.defined() ? t.repeat({copies}) : t;
  };
  const at::Tensor all_rows = repeated(rows);  // [copies · m]
  // Only what is not transformed is an iterate.
  const Untraced copied(oracle, diversity.diverse_prob > 0 ? 0 : m);
  const Tape tape = oracle.tape(at::cat(points), all_rows);
  Look found{oracle.undecided(rows), {}, {}, {}, {}};
  if (found.keep.size(0) == 0) return std::nullopt;
  const Loss loss = loss_towards(oracle, kind, tape.logits(), repeated(y), repeated(target));
  const at::Tensor open = oracle.decided().index_select(0, all_rows).logical_not().unsqueeze(1);
  const at::Tensor g =
      oracle.vjp(tape, loss.direction.mul(open.to(x.scalar_type())), all_rows).to(at::kDouble);
  // Directions lack the loss's scale: copies are weighted by theirs, relative to the largest, so
  // that a saturated softmax does not zero the sum.
  const at::Tensor scale = loss.scale.view({copies, m});
  const at::Tensor largest = std::get<0>(scale.max(0));  // [m]
  at::Tensor sum = at::zeros_like(raised);
  for (int64_t copy = 0; copy < copies; ++copy) {
    const at::Tensor weight = at::where(largest.gt(0), scale[copy].div(largest), 1.0)
                                  .mul(std::ldexp(1.0, static_cast<int>(-copy)));
    const at::Tensor part =
        resized(g.narrow(0, copy * m, m), maps[static_cast<size_t>(copy)], true);
    sum = sum.add(part.mul(spread(weight, part)));
  }
  if (diversity.translation_kernel > 0) sum = smooth(sum, diversity.translation_kernel);
  found.value = loss.value.narrow(0, 0, m).index_select(0, found.keep);
  found.gradient = sum.to(x.scalar_type()).index_select(0, found.keep);
  found.scale = largest.index_select(0, found.keep);
  found.broken =
      oracle.breaks(tape.logits().narrow(0, 0, m).argmax(1), rows).index_select(0, found.keep);
  return found;
}

Resize::Resize(int64_t height, int64_t width, std::span<const double, 3> draw)
    : rows_(axis(height, draw[0], draw[1])), columns_(axis(width, draw[0], draw[2])) {}

// Output i of the way back sums two places of the canvas, each either padding or two of the input.
Resize::Axis Resize::axis(int64_t size, double growth, double place) {
  const auto n = static_cast<double>(size);
  const auto canvas = static_cast<int64_t>(std::ceil(kGrowth * n));
  const int64_t grown =
      size + static_cast<int64_t>(growth * static_cast<double>(canvas - size + 1));
  const auto offset = static_cast<int64_t>(place * static_cast<double>(canvas - grown + 1));
  const auto taps = [](int64_t i, int64_t from, int64_t to) {  // of output i, from → to entries
    const double ratio = static_cast<double>(from) / static_cast<double>(to);
    const double at = std::clamp((static_cast<double>(i) + 0.5) * ratio - 0.5, 0.0,
                                 static_cast<double>(from - 1));
    const auto low = static_cast<int64_t>(at);
    const double part = at - static_cast<double>(low);
    return std::array<Tap, 2>{Tap{low, 1 - part}, Tap{std::min(low + 1, from - 1), part}};
  };
  Axis result(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    for (const Tap& outer : taps(i, canvas, size)) {
      const int64_t inside = outer.from - offset;
      if (inside < 0 || inside >= grown) continue;
      for (const Tap& inner : taps(inside, size, grown)) {
        const double weight = outer.weight * inner.weight;
        if (weight > 0) result[static_cast<size_t>(i)].push_back({inner.from, weight});
      }
    }
  }
  return result;
}

std::vector<double> Resize::apply(std::span<const double> image) const {
  const size_t height = rows_.size();
  const size_t width = columns_.size();
  std::vector<double> result(image.size(), 0.0);
  std::vector<double> line(width);
  for (size_t channel = 0; channel < image.size(); channel += height * width) {
    for (size_t i = 0; i < height; ++i) {
      std::fill(line.begin(), line.end(), 0.0);
      for (const Tap& tap : rows_[i]) {
        const double* from = image.data() + channel + static_cast<size_t>(tap.from) * width;
        for (size_t j = 0; j < width; ++j) line[j] += tap.weight * from[j];
      }
      double* to = result.data() + channel + i * width;
      for (size_t j = 0; j < width; ++j) {
        for (const Tap& tap : columns_[j])
          to[j] += tap.weight * line[static_cast<size_t>(tap.from)];
      }
    }
  }
  return result;
}

std::vector<double> Resize::adjoint(std::span<const double> image) const {
  const size_t height = rows_.size();
  const size_t width = columns_.size();
  std::vector<double> result(image.size(), 0.0);
  std::vector<double> line(width);
  for (size_t channel = 0; channel < image.size(); channel += height * width) {
    for (size_t i = 0; i < height; ++i) {
      std::fill(line.begin(), line.end(), 0.0);
      const double* from = image.data() + channel + i * width;
      for (size_t j = 0; j < width; ++j) {
        for (const Tap& tap : columns_[j])
          line[static_cast<size_t>(tap.from)] += tap.weight * from[j];
      }
      for (const Tap& tap : rows_[i]) {
        double* to = result.data() + channel + static_cast<size_t>(tap.from) * width;
        for (size_t j = 0; j < width; ++j) to[j] += tap.weight * line[j];
      }
    }
  }
  return result;
}

at::Tensor smooth(const at::Tensor& x, int64_t width) {
  ASSAY_CHECK(width % 2 == 1 && x.dim() >= 3, "an odd kernel for images");
  const int64_t reach = width / 2;
  std::vector<double> kernel(static_cast<size_t>(width));
  double sum = 0;
  for (int64_t k = 0; k < width; ++k) {
    const double at =
        reach == 0 ? 0 : 3.0 * static_cast<double>(k - reach) / static_cast<double>(reach);
    kernel[static_cast<size_t>(k)] = std::exp(-0.5 * at * at);
    sum += kernel[static_cast<size_t>(k)];
  }
  const auto along = [&](const at::Tensor& from, int64_t stride, int64_t length) {
    const at::Tensor result = at::zeros_like(from, at::MemoryFormat::Contiguous);
    const double* in = from.const_data_ptr<double>();
    double* out = result.data_ptr<double>();
    for (int64_t i = 0; i < from.numel(); ++i) {
      const int64_t place = i / stride % length;
      for (int64_t k = std::max<int64_t>(0, reach - place);
           k < std::min(width, length - place + reach); ++k) {
        out[i] += kernel[static_cast<size_t>(k)] / sum * in[i + (k - reach) * stride];
      }
    }
    return result;
  };
  const int64_t columns = x.size(x.dim() - 1);
  const at::Tensor wide = x.to(at::kDouble).contiguous();
  const at::Tensor smoothed = along(along(wide, 1, columns), columns, x.size(x.dim() - 2));
  return smoothed.to(x.scalar_type());
}

}  // namespace assay::attacks

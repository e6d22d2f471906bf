#include "harness/model/trace.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

constexpr size_t kPoints = 64;  // so that a place in the trace is known to 2 % or better
constexpr int64_t kFewestSteps = 10;
constexpr float kStillFalling = 0.05F;
// The best of random draws goes on improving as the logarithm of their number, by fits and starts.
constexpr float kStillFallingByScores = 0.1F;
// Attacks that anneal their steps still come nearer at the end, by design, and those by labels
// alone for as long as they last.
constexpr float kStillNearing = 0.2F;
constexpr float kRounding = 1e-6F;

float still_falling(int64_t window) { return window > 1 ? kStillFallingByScores : kStillFalling; }

template <typename Run>
void for_each(const at::Tensor& rows, Run run) {
  const at::Tensor samples = rows.contiguous();
  const int64_t* sample = samples.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < samples.size(0); ++i) run(static_cast<size_t>(sample[i]));
}

}  // namespace

Trace::Trace(const at::Tensor& y, const at::Tensor& target, bool counts, int64_t window)
    : targeted_(target.defined()), counts_(counts), window_(window) {
  const at::Tensor wanted = (targeted_ ? target : y).contiguous();
  const int64_t* labels = wanted.const_data_ptr<int64_t>();
  wanted_.assign(labels, labels + wanted.numel());
  paths_.resize(wanted_.size());
  sums_.resize(wanted_.size());
}

void Trace::start(const at::Tensor& rows) {
  for_each(rows, [&](size_t sample) {
    conclude(paths_[sample], &sums_[sample]);
    paths_[sample] = Path();
  });
}

void Trace::settle(const at::Tensor& rows) {
  for_each(rows, [&](size_t sample) { paths_[sample] = Path(); });
}

void Trace::cross(int64_t sample, double distance) {
  Path& path = paths_[static_cast<size_t>(sample)];
  if (path.crossed) {
    path.best = std::min(path.best, static_cast<float>(distance));
    return;
  }
  // Before, it was infinitely far away.
  path.crossed = true;
  path.first = std::numeric_limits<float>::infinity();
  path.best = static_cast<float>(distance);
  std::fill(path.points.begin(), path.points.end(), path.first);
}

void Trace::spend(const at::Tensor& rows) {
  for_each(rows, [&](size_t sample) { ++paths_[sample].spent; });
}

void Trace::add(const at::Tensor& logits, const at::Tensor& rows) {
  if (logits.scalar_type() == at::kDouble) {
    add_rows<double>(logits, rows);
  } else {
    add_rows<float>(logits.to(at::kFloat), rows);
  }
}

template <typename Number>
void Trace::add_rows(const at::Tensor& logits, const at::Tensor& rows) {
  const at::Tensor table = logits.contiguous();
  const Number* row = table.template const_data_ptr<Number>();
  const int64_t classes = table.size(1);
  for_each(rows, [&](size_t sample) {
    const int64_t label = wanted_[sample];
    Number other = -std::numeric_limits<Number>::infinity();
    for (int64_t k = 0; k < classes; ++k) {
      if (k != label && row[k] > other) other = row[k];
    }
    const Number margin = targeted_ ? other - row[label] : row[label] - other;
    if (std::isfinite(margin)) step(&paths_[sample], static_cast<float>(margin));
    row += classes;
  });
}

void Trace::add(const at::Tensor& rows) {
  for_each(rows, [&](size_t sample) {
    if (paths_[sample].crossed) step(&paths_[sample], paths_[sample].best);
  });
}

void Trace::step(Path* path, float value) const {
  if (!path->crossed) {
    if (!path->begun) path->first = path->best = value;
    path->best = std::min(path->best, value);
  }
  path->begun = true;
  if (window_ > 1 && path->spent < window_) return;
  path->spent = 0;
  ++path->steps;
  if (path->steps % path->stride != 0) return;
  if (path->points.size() == kPoints) {
    for (size_t i = 0; i < kPoints / 2; ++i) path->points[i] = path->points[2 * i + 1];
    path->points.resize(kPoints / 2);
    path->stride *= 2;
    if (path->steps % path->stride != 0) return;
  }
  path->points.push_back(path->best);
}

float Trace::slack(float distance) const {
  // Of few entries, one more or less is no sign of anything.
  return counts_ ? std::max(1.0F, kStillNearing * distance) : kStillNearing * distance;
}

bool Trace::converged(const Path& path) const {
  if (path.steps < kFewestSteps) return false;
  const int64_t place = (path.steps - path.steps / 10) / path.stride;  // a point's number from 1
  const float before = place < 1 ? path.first : path.points[static_cast<size_t>(place - 1)];
  const float allowed =
      path.crossed ? slack(path.best) : still_falling(window_) * (path.first - path.best);
  return before - path.best <= allowed;
}

void Trace::conclude(const Path& path, Sum* sum) const {
  if (!path.begun && !path.crossed) return;
  sum->any = true;
  sum->tells = sum->tells || path.steps >= kFewestSteps;
  sum->fell =
      sum->fell || path.crossed || path.first - path.best > kRounding * std::abs(path.first);
  Best& best = sum->best[path.crossed ? 1 : 0];
  if (path.best < best.value) {
    best.value = path.best;
    best.fall = path.first - path.best;
  }
  if (converged(path)) best.finished = std::min(best.finished, path.best);
}

Trace::Sum Trace::sum_of(int64_t sample) const {
  Sum sum = sums_[static_cast<size_t>(sample)];
  conclude(paths_[static_cast<size_t>(sample)], &sum);
  return sum;
}

bool Trace::tells(int64_t sample) const { return sum_of(sample).tells; }

bool Trace::hasty(int64_t sample) const {
  const Sum sum = sum_of(sample);
  return sum.any && !sum.tells;
}

bool Trace::unfinished(int64_t sample) const {
  const Sum sum = sum_of(sample);
  if (!sum.tells) return false;
  const bool crossed = std::isfinite(sum.best[1].value);
  const Best& best = sum.best[crossed ? 1 : 0];
  const float allowed = crossed ? slack(best.value) : still_falling(window_) * best.fall;
  return !(best.finished - best.value <= allowed);
}

bool Trace::stalled(int64_t sample) const {
  const Sum sum = sum_of(sample);
  return sum.tells && !sum.fell;
}

bool Trace::crossed(int64_t sample) const { return std::isfinite(sum_of(sample).best[1].value); }

double Trace::least_margin(int64_t sample) const { return sum_of(sample).best[0].value; }

}  // namespace assay

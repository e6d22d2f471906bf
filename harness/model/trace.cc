#include "harness/model/trace.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay {
namespace {

constexpr size_t kPoints = 64;  // so that a place in the trace is known to 2 % or better
constexpr int64_t kFewestQueries = 10;
constexpr int64_t kFewestSent = 3 * kFewestQueries;
constexpr float kStillFalling = 0.05F;

}  // namespace

Trace::Trace(const at::Tensor& y, const at::Tensor& target) : targeted_(target.defined()) {
  const at::Tensor wanted = (targeted_ ? target : y).contiguous();
  const int64_t* labels = wanted.const_data_ptr<int64_t>();
  wanted_.assign(labels, labels + wanted.numel());
  paths_.resize(wanted_.size());
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
  const at::Tensor samples = rows.contiguous();
  const Number* row = table.template const_data_ptr<Number>();
  const int64_t* sample = samples.const_data_ptr<int64_t>();
  const int64_t classes = table.size(1);
  for (int64_t i = 0; i < table.size(0); ++i, row += classes) {
    const auto at = static_cast<size_t>(sample[i]);
    const int64_t label = wanted_[at];
    Number other = -std::numeric_limits<Number>::infinity();
    for (int64_t k = 0; k < classes; ++k) {
      if (k != label && row[k] > other) other = row[k];
    }
    const Number margin = targeted_ ? other - row[label] : row[label] - other;
    if (std::isfinite(margin)) step(&paths_[at], static_cast<float>(margin));
  }
}

void Trace::step(Path* path, float margin) const {
  if (path->queries++ == 0) path->first = path->best = margin;
  path->best = std::min(path->best, margin);
  if (path->queries % path->stride != 0) return;
  if (path->points.size() == kPoints) {
    for (size_t i = 0; i < kPoints / 2; ++i) path->points[i] = path->points[2 * i + 1];
    path->points.resize(kPoints / 2);
    path->stride *= 2;
    if (path->queries % path->stride != 0) return;
  }
  path->points.push_back(path->best);
}

void Trace::add_outside(const at::Tensor& rows) {
  const at::Tensor samples = rows.contiguous();
  const int64_t* sample = samples.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < samples.size(0); ++i) ++paths_[static_cast<size_t>(sample[i])].outside;
}

bool Trace::tells(int64_t sample) const {
  return paths_[static_cast<size_t>(sample)].queries >= kFewestQueries;
}

bool Trace::hasty(int64_t sample) const {
  const Path& path = paths_[static_cast<size_t>(sample)];
  return path.queries < kFewestQueries && path.queries + path.outside < kFewestSent;
}

bool Trace::unfinished(int64_t sample) const {
  const Path& path = paths_[static_cast<size_t>(sample)];
  if (path.queries < kFewestQueries) return false;
  const int64_t place =
      (path.queries - path.queries / 10) / path.stride;  // a point's number from 1
  const float before = place < 1 ? path.first : path.points[static_cast<size_t>(place - 1)];
  return before - path.best > kStillFalling * (path.first - path.best);
}

}  // namespace assay

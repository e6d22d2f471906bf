// How the attacked samples' margins fell, query by query: what tells an attack that converged from
// one that ran out of steps.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace assay {

/// The smallest margin seen so far of each sample, over the sample's own queries, so that what else
/// is in its batches does not matter. Some hundred bytes per sample, however many queries there
/// are.
class Trace {
 public:
  /// Distance to the goal: z_y − max of the others or, with `target`, max of the others − z_t.
  /// y, target [n] int64; target may be undefined.
  Trace(const at::Tensor& y, const at::Tensor& target);

  /// logits [m, K] of queries for the samples at `rows` [m].
  void add(const at::Tensor& logits, const at::Tensor& rows);
  /// As many queries of points outside the ball, whose margins say nothing of it.
  void add_outside(const at::Tensor& rows);

  /// True if the sample saw queries enough, in the ball, to tell whether its margin had stopped
  /// falling.
  bool tells(int64_t sample) const;
  /// True if it could not for want of queries: it saw too few in the ball, and less than three
  /// times as many with those outside, where some attacks spend most of their way.
  bool hasty(int64_t sample) const;
  /// True if the smallest margin fell by more than .05 of its whole fall in the last tenth of the
  /// queries (Indicators of Attack Failure: incomplete optimisation).
  bool unfinished(int64_t sample) const;

 private:
  // Every `stride`-th query leaves a point; when they are too many, every second one goes.
  struct Path {
    int64_t queries = 0;  // in the ball
    int64_t outside = 0;
    int64_t stride = 1;
    float first = 0;
    float best = 0;
    std::vector<float> points;
  };
  template <typename Number>
  void add_rows(const at::Tensor& logits, const at::Tensor& rows);
  void step(Path* path, float margin) const;

  std::vector<int64_t> wanted_;  // the label that the margin is about
  bool targeted_;
  std::vector<Path> paths_;
};

}  // namespace assay

// How an attack fared on each sample, step by step: what tells one that converged from one that ran
// out of steps.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace assay {

/// The best that each sample's ascents came to, over the sample's own steps, so that what else is
/// in its batches does not matter. An ascent is a run from one start, towards one target; several
/// short ones do not make a long one. Some hundred bytes per sample, however many steps there are.
///
/// What counts is the smallest margin or, once an ascent has crossed the boundary (of attacks that
/// look for the nearest point: others end there), the smallest distance at which it did.
class Trace {
 public:
  /// Margin: the way left to the goal, z_y − max of the others or, with `target`, max of the others
  /// − z_t. y, target [n] int64; target may be undefined. `counts`: distances are whole numbers.
  /// `window`: of searches by scores, how many queries make a step. One query tells nothing there:
  /// most find nothing better, however much there is left to find.
  Trace(const at::Tensor& y, const at::Tensor& target, bool counts = false, int64_t window = 1);

  /// The samples at `rows` [m] begin a new ascent.
  void start(const at::Tensor& rows);
  /// The attack ended the ascents of `rows` [m] by a rule of its own, whatever steps it had left:
  /// they tell nothing.
  void settle(const at::Tensor& rows);
  /// A broken point of the sample was seen at this distance from the clean input, on the way of the
  /// next step.
  void cross(int64_t sample, double distance);
  /// The samples at `rows` [m] paid for a query, of whatever kind; before add(). Where a window is
  /// one query, it need not be told.
  void spend(const at::Tensor& rows);
  /// Steps of the samples at `rows` [m] to points with these logits [m, K], or where a window of
  /// queries is not full, points on the way of one. Those that are not finite are none.
  void add(const at::Tensor& logits, const at::Tensor& rows);
  /// Steps of which no margin is known: they count from the first crossing on.
  void add(const at::Tensor& rows);

  /// True if some ascent of the sample had steps enough to tell whether it converged.
  bool tells(int64_t sample) const;
  /// True if there were ascents, and none had.
  bool hasty(int64_t sample) const;
  /// True if it tells, and no ascent that came as far as any had converged. One has not if, in the
  /// last tenth of its steps, its margin fell by more than .05 of its whole fall, .1 by scores
  /// (Indicators of Attack Failure: incomplete optimisation), or its distance by .2 of the rest.
  bool unfinished(int64_t sample) const;
  /// True if it tells, and no ascent crossed the boundary or came to a smaller margin than it began
  /// with: the steps led nowhere.
  bool stalled(int64_t sample) const;
  /// True if an ascent crossed the boundary, inside the ball or not: its margins tell no more.
  bool crossed(int64_t sample) const;
  /// The smallest margin that the sample's ascents came to before a crossing; infinite if none did.
  double least_margin(int64_t sample) const;

 private:
  // Every `stride`-th step leaves a point; when they are too many, every second one goes.
  struct Path {
    int64_t steps = 0;
    int64_t stride = 1;
    int64_t spent = 0;  // queries since the last step
    bool begun = false;
    bool crossed = false;
    float first = 0;
    float best = 0;
    std::vector<float> points;
  };
  // What the ascents by one of the two measures came to.
  struct Best {
    float value = std::numeric_limits<float>::infinity();
    float fall = 0;                                           // of the ascent that came there
    float finished = std::numeric_limits<float>::infinity();  // of those that converged
  };
  struct Sum {
    bool any = false;
    bool tells = false;
    bool fell = false;
    std::array<Best, 2> best;  // by margin, by distance
  };
  template <typename Number>
  void add_rows(const at::Tensor& logits, const at::Tensor& rows);
  void step(Path* path, float value) const;
  bool converged(const Path& path) const;
  void conclude(const Path& path, Sum* sum) const;
  Sum sum_of(int64_t sample) const;
  // What a distance may still have been better by.
  float slack(float distance) const;

  std::vector<int64_t> wanted_;  // the label that the margin is about
  bool targeted_;
  bool counts_;
  int64_t window_;
  std::vector<Path> paths_;  // of the ascents under way
  std::vector<Sum> sums_;    // of those before
};

}  // namespace assay

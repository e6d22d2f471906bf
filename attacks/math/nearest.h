// What minimum-norm attacks share: balls whose radius is each sample's own, and the last pull
// towards the clean input.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <initializer_list>

#include "harness/model/oracle.h"

namespace assay::attacks {

/// Keeps the rows `indices` [k] of every tensor that is defined and has another number of rows.
void keep_rows(const at::Tensor& indices, std::initializer_list<at::Tensor*> tensors);

/// Lengths of rows in the norm: [n, ...] → [n] float64.
at::Tensor length(const at::Tensor& v, Norm norm);

/// g without NaN and infinity: a model may yield either where its logits are finite.
at::Tensor finite_entries(const at::Tensor& g);

/// g / ‖g‖₂ row by row; 0 where g is 0.
at::Tensor unit(const at::Tensor& g);

/// The point nearest to x in Euclidean distance that lies within radius[i] of row i of x0 and in
/// the box; for l0, which counts entries, the `radius` largest changes of x, then cut to the box.
/// Ties go to the lower index. x, x0 [n, ...] of one type, radius [n] float64 ≥ 0 → [n, ...].
at::Tensor shrink(const at::Tensor& x, const at::Tensor& x0, const at::Tensor& radius,
                  const ThreatModel& threat);

/// Distance to the farthest corner of the box: [n, ...] → [n] float64.
at::Tensor farthest(const at::Tensor& x0, const ThreatModel& threat);

/// Falls from 1 at step 0 to 0 at step `steps` along a cosine.
double cosine(int64_t step, int64_t steps);

/// Pulls every best point towards its clean input: bisects the radius to which it can be shrunk, in
/// at most `steps` queries per sample (l0: the number of changes, until it is exact). The oracle
/// keeps what holds. `stretch`: what the way to the best point is prolonged by first, as far as the
/// box allows; which entries change stays the same.
void tighten(Oracle& oracle, int64_t steps, double stretch = 1);

}  // namespace assay::attacks

// Where linearised boundaries meet the box: smallest steps onto a hyperplane, row by row.
#pragma once

#include <ATen/ATen.h>

#include "harness/suite/suite.h"

namespace assay::attacks {

/// The smallest δ in the norm with ⟨w, δ⟩ = rise and lo ≤ x + δ ≤ hi: exact up to rounding, by
/// Newton's method on a piecewise linear function (linf, l2) or greedily (l1, l0). Where the box
/// ends before the plane, δ leads to the corner of the box that is nearest to it. 0 where w is, or
/// where rise is not finite. x, w [n, ...], rise [n] float64 → δ [n, ...] float64.
at::Tensor to_plane(const at::Tensor& x, const at::Tensor& w, const at::Tensor& rise, Norm norm,
                    double lo, double hi);
/// The same with walls for each entry, low and high [n, ...] in the type of x.
at::Tensor to_plane(const at::Tensor& x, const at::Tensor& w, const at::Tensor& rise, Norm norm,
                    const at::Tensor& low, const at::Tensor& high);

/// How far each row's plane is: [n] float64.
struct Reach {
  at::Tensor boxed;  ///< inside the box; infinite where no point of it is across
  at::Tensor open;   ///< were there no walls (l0: in linf); infinite where w is 0
};
/// By the δ that to_plane() gave for w [n, ...] and rise [n].
Reach reach_of(const at::Tensor& step, const at::Tensor& w, const at::Tensor& rise, Norm norm);
/// [n] bool: a's planes are nearer than b's; those that the box keeps out of reach come last.
at::Tensor nearer(const Reach& a, const Reach& b);

/// ⟨a, b⟩ row by row, summed in order: [n, ...] × [n, ...] → [n] float64. NaN counts as 0.
at::Tensor row_dot(const at::Tensor& a, const at::Tensor& b);

/// ‖w‖ in the norm dual to `norm` (l0: to linf), so that |rise| / dual_length is the distance to
/// the plane without a box: [n, ...] → [n] float64. NaN counts as 0.
at::Tensor dual_length(const at::Tensor& w, Norm norm);

}  // namespace assay::attacks

// What attacks share that descend on a displacement u from the clean input, measured in widths of
// the box: x = x0 + width · u.
#pragma once

#include <ATen/ATen.h>

#include "attacks/math/hyperplane.h"
#include "attacks/math/look.h"

namespace assay::attacks {

/// The point of the box at displacement u [m, ...] of x0.
inline at::Tensor place(const at::Tensor& u, const at::Tensor& x0, const ThreatModel& threat) {
  return u.mul(threat.hi - threat.lo).add(x0).clamp(threat.lo, threat.hi);
}

/// The displacement u as far as the box allows it.
inline at::Tensor inside(const at::Tensor& u, const at::Tensor& x0, const ThreatModel& threat) {
  return place(u, x0, threat).sub(x0).div(threat.hi - threat.lo);
}

/// How far, in the norm (kL1, kL2 or kLinf) and in widths of the box, the model linearised at the
/// rows of a look flips: [m] float64; 1 where it never does. Attacks take their units from it:
/// a learning rate that fits one model passes the boundary of another a hundred times over.
inline at::Tensor plane_distance(const Look& seen, Norm norm, const ThreatModel& threat) {
  const at::Tensor steep = dual_length(seen.gradient, norm).mul(seen.scale);
  const at::Tensor plane = seen.value.abs().div(steep).div(threat.hi - threat.lo);
  return at::nan_to_num(plane, 1, 1).clamp(1e-12, 1e12);
}

}  // namespace assay::attacks

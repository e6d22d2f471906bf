// Queries without gradients: scores and labels of points, seen as an attacker's progress.
#pragma once

#include <ATen/ATen.h>

#include "attacks/math/losses.h"
#include "harness/model/oracle.h"

namespace assay::attacks {

/// Score access: sends x [m, ...] and returns the margin loss of each row [m] float64, positive if
/// and only if the row is broken; NaN where the model failed.
inline at::Tensor margins(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows) {
  const at::Tensor z = oracle.logits(x, rows);  // [m, K]
  const Block& block = oracle.block();
  const at::Tensor y = block.y.index_select(0, rows);
  if (!block.target.defined()) return leave_loss(LossKind::kMargin, z, y).value;
  return reach_loss(LossKind::kMargin, z, block.target.index_select(0, rows)).value;
}

/// Label access: sends x [m, ...], which need not lie in the ball, and returns [m] bool, whether
/// each row is broken.
inline at::Tensor breaks(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows) {
  return oracle.breaks(oracle.labels_from_afar(x, rows), rows);
}

/// The same of what the judge looks at in their place: rounded, and within the shares of eps.
inline at::Tensor admissible_breaks(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows) {
  return oracle.breaks(oracle.labels_once_admissible(x, rows), rows);
}

}  // namespace assay::attacks

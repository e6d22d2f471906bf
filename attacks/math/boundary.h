// Label-only attacks: broken points to start from, and the decision boundary on the way to them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "harness/model/oracle.h"
#include "harness/model/rng.h"

namespace assay::attacks {

/// The samples that a label-only attack works on, each with a broken point.
struct Fringe {
  at::Tensor rows;  ///< [m] block rows
  at::Tensor x0;    ///< [m, ...] clean
  at::Tensor x;     ///< [m, ...] broken

  /// Keeps the given indices [k].
  void keep(const at::Tensor& indices);
};

/// Sends up to `tries` random points of the box for every sample of the block and keeps the first
/// that is broken; samples without one, or decided meanwhile, are left out: all their queries were
/// in vain, and nothing is claimed for them. Draws take restart −1.
///
/// The points are uniform noise, on the grid of the input itself and on ever coarser ones in turn:
/// some models give all fine noise one label, whose samples could not start from it.
Fringe noise_start(Oracle& oracle, const Rng& rng, int64_t tries);

/// The point a share t of the way from x0 to x, in the box. linf: x, clipped to within t times its
/// distance of x0, which is how the linf distance falls fastest; else on the straight line.
/// x0, x [m, ...], t [m] float64 in [0, 1] → [m, ...]; t = 1 gives x.
at::Tensor blend(const at::Tensor& x0, const at::Tensor& x, const at::Tensor& t,
                 const ThreatModel& threat);

/// Moves each broken x towards x0 by bisecting the share of the way that is needed, until it is
/// known to `tolerance` [m] float64, the sample is decided or its budget is spent. The point that
/// comes back was sent and is broken. x0, x [m, ...], rows [m] → [m, ...].
at::Tensor bisect(Oracle& oracle, const at::Tensor& x0, const at::Tensor& x, const at::Tensor& rows,
                  const at::Tensor& tolerance);

/// [k] indices into rows whose sample is not decided and can pay for `queries` more.
at::Tensor able(const Oracle& oracle, const at::Tensor& rows, int64_t queries);

}  // namespace assay::attacks

// Label-only attacks: broken points to start from, and the decision boundary on the way to them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>

#include "attacks/math/query.h"
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

/// Sends random points of the box for every sample behind `rows` [m] and keeps the first that is
/// broken: `tries` of them, and more until half of a sample's queries are spent. Samples without
/// one, or decided meanwhile, are left out: nothing is claimed for them. Draws take restart −1.
///
/// The points are uniform noise, on the grid of the input itself and on ever coarser ones in turn,
/// then corners of the box, points half way to corners, and corners with one entry in ten high, or
/// low, on the same grids: some models give all fine noise one label, and a target may be rare.
Fringe noise_start(Oracle& oracle, const Rng& rng, int64_t tries, const at::Tensor& rows);
/// The same for the whole block.
Fringe noise_start(Oracle& oracle, const Rng& rng, int64_t tries);
/// `tries` of the corners among them, and no more. Draws take restart −2.
Fringe corner_start(Oracle& oracle, const Rng& rng, int64_t tries, const at::Tensor& rows);

/// The point a share t of the way from x0 to x, in the box. linf: x, clipped to within t times its
/// distance of x0, which is how the linf distance falls fastest; else on the straight line.
/// x0, x [m, ...], t [m] float64 in [0, 1] → [m, ...]; t = 1 gives x.
at::Tensor blend(const at::Tensor& x0, const at::Tensor& x, const at::Tensor& t,
                 const ThreatModel& threat);

/// The points of fringe samples `indices` [k] at lengths t [k] float64 of their ways → [k, ...].
using Way = std::function<at::Tensor(const at::Tensor& indices, const at::Tensor& t)>;

/// Sends points [k, ...] for block rows [k] → [k] bool, whether each is broken.
using Ask = at::Tensor (*)(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows);

/// Bisects how far each sample has to go: `high` [m] float64 is broken, `low` [m] is not, and the
/// gap is halved until it is at most `tolerance` [m], the sample is decided or its budget is spent.
/// rows [m] → [m], broken, and sent if it is not `high` itself.
at::Tensor bisect(Oracle& oracle, const at::Tensor& rows, const at::Tensor& low,
                  const at::Tensor& high, const at::Tensor& tolerance, const Way& way,
                  Ask ask = breaks);

/// The same on the way from x0 to the broken x, as a share of it: moves x to the boundary.
/// x0, x [m, ...], rows [m] → [m, ...].
at::Tensor bisect(Oracle& oracle, const at::Tensor& x0, const at::Tensor& x, const at::Tensor& rows,
                  const at::Tensor& tolerance);

/// [k] indices into rows whose sample is not decided and can pay for `queries` more.
at::Tensor able(const Oracle& oracle, const at::Tensor& rows, int64_t queries);

/// Where only whole levels count: sends what rounding leaves of points on the ways through the
/// fringe's. A broken point is no success where rounding takes it back. With an eps these are the
/// ends of the ball, two queries for each sample that can pay: one at the end of the ball loses
/// least. Without one it goes outward from the boundary until the rounded point is broken, for
/// samples that can pay for outward_queries().
void try_rounded(Oracle& oracle, const Fringe& fringe);

/// Queries that going outward takes at most; 0 where no levels are asked for.
int64_t outward_queries(const Oracle& oracle);

/// Keeps the samples of the fringe that can pay for `queries` more → their indices [k]. Those that
/// are left out and not decided spend the rest of their budgets on bisecting towards x0. Where only
/// whole levels count, they are left out some queries earlier, and go outward from the boundary
/// until the rounded point is broken.
at::Tensor retire(Oracle& oracle, Fringe& fringe, int64_t queries);

/// Fewer probes than these say nothing about a direction.
constexpr int64_t kFewestProbes = 8;

/// Random directions for the probe of this number: one row for each key, shaped like x [k, ...],
/// float64.
using Draw =
    std::function<at::Tensor(const at::Tensor& x, std::span<const uint64_t> keys, int64_t probe)>;

/// Estimates the direction into the broken side at boundary points from the labels of probes at
/// x + delta · u, u drawn: the sum of (φ − mean φ) u for φ = ±1, up to a factor (Chen et al. 2020,
/// eq. 16). Sample i pays for probes [m] of them at the distance delta [m]. → [m, ...] float64.
at::Tensor estimate(Oracle& oracle, const Fringe& fringe, const at::Tensor& delta,
                    const at::Tensor& probes, const Draw& draw);

}  // namespace assay::attacks

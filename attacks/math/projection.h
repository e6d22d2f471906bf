// Where a fixed-eps attack may move: the ball of each sample cut by the box. Projections onto it
// and steepest steps in it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/suite/suite.h"

namespace assay::attacks {

/// ‖x − x₀‖ ≤ eps, lo ≤ x ≤ hi and x = x₀ in the fixed features, for each row; with shares
/// |xᵢ − x₀ᵢ| ≤ shareᵢ · eps. What the functions below return lies in the box exactly and
/// within the judge's ball_radius of x₀.
struct Ball {
  Norm norm = Norm::kLinf;  ///< kL1, kL2 or kLinf
  double eps = 0;
  double lo = 0;
  double hi = 1;
  std::vector<int64_t> fixed = {};  ///< indices into the flattened input: they take no part of eps
  std::vector<double> share = {};   ///< linf: of eps, that each feature may use; empty: all of it
};

/// The ball of a threat model that has an eps.
Ball ball_of(const ThreatModel& threat);

/// The point of the ball around each row of x0 that is nearest to x in Euclidean distance. Exact:
/// the threshold (l1) or scale (l2) of the whole intersection is found, not ball and box in turn.
/// x, x0 [n, ...] of one type → [n, ...].
at::Tensor project(const at::Tensor& x, const at::Tensor& x0, const Ball& ball);
/// The same with a radius of its own for each row, `radius` [n] float64, in place of ball.eps.
at::Tensor project(const at::Tensor& x, const at::Tensor& x0, const Ball& ball,
                   const at::Tensor& radius);

/// One step of projected steepest ascent: project(x + size · s), where s has norm 1 and points
/// along the gradient g as the ball's norm sees it:
///   linf  the sign of g, in each feature times its share
///   l2    g / ‖g‖₂
///   l1    the signs of the `top` entries of largest |g| that the box leaves room to follow, over
///         their number (SLIDE, Tramèr & Boneh 2019); what the box cuts off a share goes to the
///         entries that are next, until the step is spent
/// A row whose g is 0 stays where it is. x, g, x0 [n, ...] → [n, ...].
at::Tensor ascend(const at::Tensor& x, const at::Tensor& g, const at::Tensor& x0, double size,
                  int64_t top, const Ball& ball);

/// The point of the ball around each row of x0 that maximises ⟨g, x⟩: x0 where g is 0.
/// g, x0 [n, ...] → [n, ...].
at::Tensor maximise_linear(const at::Tensor& g, const at::Tensor& x0, const Ball& ball);
/// The same with a radius of its own for each row, as above.
at::Tensor maximise_linear(const at::Tensor& g, const at::Tensor& x0, const Ball& ball,
                           const at::Tensor& radius);

}  // namespace assay::attacks

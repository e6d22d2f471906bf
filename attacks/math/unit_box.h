// The box of a victim's inputs as the cube [−1, 1]^d, in which systems of equations are well
// conditioned whatever the range of pixels.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <utility>

#include "harness/model/rng.h"
#include "harness/model/surrogate.h"
#include "harness/model/victim.h"

namespace assay::attacks {

/// Points and what the victim answered to them.
struct Answered {
  at::Tensor points;   ///< [m, d] float64 in the cube, as the victim's type rounded them
  at::Tensor answers;  ///< [m, K] float64
};

/// Sends the points [m, d] of the cube, m ≤ victim.left(). What lies outside is moved to its edge.
Answered ask(Victim& victim, const at::Tensor& points);

/// m points, uniform in the cube: [m, d]. Of each `step` others.
at::Tensor uniform_points(const Victim& victim, int64_t m, const Rng& rng, int64_t step);

/// m points [m, d] that are white with a probability of their own each, so that dark and light
/// inputs are met as well as grey ones: inside the cube, which leaves room for steps, and along no
/// axis' plane. Of each `draw` others.
at::Tensor scattered_points(const Victim& victim, int64_t m, const Rng& rng, int64_t draw);

/// A layer [outputs, d] that takes points of the cube, as one that takes inputs in the box.
Dense in_box(const Dense& layer, const ModelSpec& spec);

}  // namespace assay::attacks

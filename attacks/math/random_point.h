// Random starting points.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "attacks/math/projection.h"
#include "harness/model/rng.h"

namespace assay::attacks {

/// A random point of the ball around each row of x0: uniform in ball ∩ box for linf; for l2 and l1
/// uniform in the ball, then clipped to the box. Row i depends on samples[i], restart and step.
/// x0 [n, ...] → [n, ...].
at::Tensor random_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                        int64_t step, const Rng& rng, const Ball& ball);

/// `count` such points around one row, which depend on sample, restart and step together, and each
/// on its place among them: x0 [1, ...] → [count, ...].
at::Tensor random_points(const at::Tensor& x0, uint64_t sample, int64_t count, int64_t restart,
                         int64_t step, const Rng& rng, const Ball& ball);

/// A random point on the surface of the ball around each row of x0, then projected onto ball ∩ box:
/// linf a uniform vector and l2 and l1 a normal one, scaled to norm eps. Keys as above.
at::Tensor surface_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                         int64_t step, const Rng& rng, const Ball& ball);

/// Where APGD in l1 starts: normal noise as wide as the box around each row of x0, cut to 3 · eps.
/// The cut leaves few entries, near the surface of that ball. Keys as above.
at::Tensor far_point(const at::Tensor& x0, std::span<const uint64_t> samples, int64_t restart,
                     int64_t step, const Rng& rng, const Ball& ball);

}  // namespace assay::attacks

// What iterative gradient attacks share between steps.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace assay::attacks {

/// velocity = momentum · velocity + g / ‖g‖₁, row by row; a row without a finite gradient only
/// coasts. velocity, g [n, ...]; an undefined velocity is 0 → [n, ...].
at::Tensor coast(const at::Tensor& velocity, const at::Tensor& g, double momentum);

/// Share of the entries that a first step in l1 moves.
inline constexpr double kTopShare = 0.01;

/// Entries that an l1 step moves: from share · d down to 1 halfway, evenly on a log scale. A fixed
/// share cannot reach the vertices where an l1 ball is widest.
int64_t top_entries(double share, int64_t d, int64_t step, int64_t steps);

}  // namespace assay::attacks

// Ascent without gradients: the margin's gradient is estimated from differences of scores.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

#include "harness/model/oracle.h"
#include "harness/model/rng.h"

namespace assay::attacks {

/// How scores are spent.
struct Climb {
  int64_t queries = 10000;  ///< hard budget for each sample, at least 1; used to the end
  int64_t pairs = 50;       ///< probes x ± sigma · u of one estimate
  double sigma = 0.02;      ///< in units of the box
  bool signs = false;       ///< entries of u are ±1 rather than normal
};

/// The next points from x [m, ...] of the block rows `rows` [m], given gradients [m, ...] float64.
using Step = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& gradient,
                                      const at::Tensor& rows)>;

/// Estimates, steps and sends the new point, until every sample is decided or has spent its budget.
/// Last queries that are too few for a pair of probes follow the last estimate again. x [n, ...]:
/// where to start, one point for each sample of the block.
void climb(Oracle& oracle, const Rng& rng, const Climb& settings, const at::Tensor& x,
           const Step& step);

}  // namespace assay::attacks

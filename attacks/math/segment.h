// The segment between a clean input and an adversarial point of it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "harness/model/oracle.h"

namespace assay::attacks {

/// The nearest points of the box in the type of `like`, a point of the box itself: [n, ...].
at::Tensor boxed(const at::Tensor& x, const at::Tensor& like, const ThreatModel& threat);

/// Seeks nearer points than the oracle's best between them and the clean inputs: secant steps on
/// the margin that lean to the adversarial side (the final search of Croce & Hein 2020, FAB). Score
/// access; steps + 2 queries of every sample for which a point is known.
void close_in(Oracle& oracle, int64_t steps);

}  // namespace assay::attacks

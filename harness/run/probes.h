// A few samples at which a run looks more closely, to tell robustness from an attack that fails.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// Indices, in order, of the samples to look at: one in 32, at least 4 and at most 32, by a hash of
/// their ids. They depend on the samples alone, never on blocks or shards.
std::vector<int64_t> choose_probes(const std::vector<SampleInfo>& samples);

/// The radius of a ball around any point of the box that holds the whole box; d entries per sample.
double whole_box_radius(const ThreatModel& threat, int64_t d);

/// The entry or stage as it is run in such a ball, its `step_size` grown with the ball; nothing for
/// attacks without gradients or iterations and for targeted goals, which need not succeed there (a
/// model may give no input the target's label).
std::optional<AttackSpec> whole_box_spec(const AttackSpec& spec, double eps, double radius);

/// Random points that a probe is looked at with.
inline constexpr int64_t kNeighbours = 16;

/// How many of x [m, ...] with labels y have a lead over the second label that changes by more than
/// 10 % of the logits' spread from what the gradient says, on average over kNeighbours random
/// points within 1/64 of the box (Indicators of Attack Failure: unstable predictions; there any
/// change counts, of steep models that are linear too). Sends m * (kNeighbours + 1) rows at once,
/// and m with a gradient. Throws ModelFailure.
int64_t count_unstable(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                       std::span<const uint64_t> ids, const Rng& rng);

}  // namespace assay

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

/// Indices, in order, of the samples that feature_widths() looks at: 256 by the same hash, or all,
/// fewer of inputs with more than 4096 entries. None for images, the pixels of which share one
/// scale.
std::vector<int64_t> choose_measured(const std::vector<SampleInfo>& samples,
                                     std::span<const int64_t> shape);

/// How widely each feature is spread over x [n, ...shape], float64: a table may have columns of
/// very different scales, and a share of the box, or of a range that a few outliers stretch, would
/// lead out of all that others hold. Four times the median distance from the column's median, which
/// of a uniform column is its range; where that is 0, the least distance that is not; never more
/// than range and box; 0 of a column that never changes. Without rows the box's width.
at::Tensor feature_widths(const ModelSpec& spec, const at::Tensor& x);

/// The radius of a ball around any point of the box that holds the whole box; d entries per sample.
double whole_box_radius(const ThreatModel& threat, int64_t d);

/// The entry or stage as it is run in such a ball, its `step_size` grown with the ball and no
/// shares of it left, but features without any held still; nothing for attacks without gradients
/// and for those whose `steps` are one.
std::optional<AttackSpec> whole_box_spec(const AttackSpec& spec, double eps, double radius);

/// True if not every sample need break in the whole box: features are held still, or the goal is a
/// label that the model may give to no input.
bool may_survive_box(const ThreatModel& threat);

/// Random points that a probe is looked at with; pairs of steps both ways, as many wide as short;
/// and all rows that are sent for it.
inline constexpr int64_t kNeighbours = 16;
inline constexpr int64_t kPairs = 8;
inline constexpr int64_t kLookedAt = 1 + kNeighbours + 4 * kPairs;

/// How many of x [m, ...] with labels y have a lead over the second label that changes in another
/// way than its gradient says: by more than 10 % of the logits' spread, on average over kNeighbours
/// random points within 1/64 of the `widths` [...shape] (Indicators of Attack Failure: unstable
/// predictions; there any change counts, of steep models that are linear too); or, between the ends
/// of steps both ways from a point near by, by more than .3 of the change itself (sums of squares),
/// of steps of 1/64 and of 1/1024 of them: then the gradient is not the model's own. The latter
/// only where there is a gradient and no noise. Sends m * kLookedAt rows at once, and 2 m with a
/// gradient. Throws ModelFailure.
int64_t count_unstable(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                       std::span<const uint64_t> ids, const at::Tensor& widths, const Rng& rng);

/// How far the way of count_cliffs() may lead in each feature: `widths`, but no way in a column of
/// x [n, ...shape] with at most 16 values, and no more than n / 2, which may be codes: between them
/// a sound model may leap.
at::Tensor way_widths(const at::Tensor& widths, const at::Tensor& x);

/// What lies on the way from samples to random points with another label.
struct Approaches {
  int64_t approached = 0;  ///< samples to which such a point was found
  int64_t cliffs = 0;      ///< of these, where half of the margin goes at the boundary itself
};
inline constexpr int64_t kFarPoints = 4;
inline constexpr int64_t kSections = 16;  ///< of the way, then of the part that crosses
inline constexpr int64_t kNarrowings = 3;
inline constexpr int64_t kApproachedBy = 1 + kFarPoints + kNarrowings * (kSections - 1) + 2;

/// Goes straight from each of x [m, ...] with labels y to the first of kFarPoints random points
/// within `widths` that has another label. There is a cliff where within 1/64 of the way to the
/// boundary, on either side of it, the margin falls by at least half of what it is at x; with sound
/// networks it falls there by .04 to .1 of it (medians). Before a cliff gradients and scores are of
/// something that does not decide, such as the weaker members of an ensemble of probabilities whose
/// strongest has saturated. Sends m * kApproachedBy rows in kNarrowings + 2 calls. Throws
/// ModelFailure.
Approaches count_cliffs(const Model& model, const at::Tensor& x, std::span<const int64_t> y,
                        std::span<const uint64_t> ids, const at::Tensor& widths, const Rng& rng);

}  // namespace assay

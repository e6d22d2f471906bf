// Points around samples that an attack left standing, random ones and one down the mean of
// gradients: what it should have come to.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/model/oracle.h"
#include "harness/suite/suite.h"

namespace assay {

/// How much smaller a margin must be to count as that, in the largest of the logits or margins.
inline constexpr double kSlack = 1e-5;

/// Points drawn for a sample.
inline constexpr int64_t kChances = 32;

/// By row of the block: the nearest of kChances random points of its ball (without eps: of the box)
/// that breaks it, where one does. As an attack's claims are, they are for the judge to confirm.
Candidates broken_by_chance(const Model& model, const ThreatModel& threat, const Block& block,
                            const Rng& rng);

/// By row of the block: some step from the clean input against the gradient of the margin lowers
/// it, or only the walls of the box are in its way. Then the gradient is what it says, and an
/// attack that comes nowhere has another reason. False without gradient access.
std::vector<bool> falls_by_gradient(const Model& model, const ThreatModel& threat,
                                    const Block& block);

/// Gradients that a mean is taken of.
inline constexpr int64_t kSmoothing = 16;

/// A step as long as the ball allows against the mean of the margin's gradients at kSmoothing
/// random points of the inner half of the ball.
struct MeanStep {
  at::Tensor before, after;  ///< margins at the clean inputs and at the step's ends: [n] float64
  Candidates ends;           ///< for the judge to confirm
};
/// By row of the block, for a threat with eps and gradient access. Gradients that turn within an
/// attack's step (x + a·sin(b·x) before a network shatters them) are what they say and lead
/// nowhere; their mean leads down.
MeanStep step_by_mean_gradient(const Model& model, const ThreatModel& threat, const Block& block,
                               const Rng& rng);

/// What random points show of the ball of a sample that an attack left standing.
enum class Slope {
  kUnknown,  ///< nothing
  kFalls,    ///< one of them has a smaller margin than all that the attack saw
  kFlat,     ///< all have the same, and others of the box have not
};
struct Chances {
  std::vector<Slope> slopes;
  Candidates broken;  ///< as broken_by_chance()
};
/// By row of the block; `least` [n] are the smallest margins that the attack saw.
Chances look_by_chance(const Model& model, const ThreatModel& threat, const Block& block,
                       const std::vector<double>& least, const Rng& rng);

}  // namespace assay

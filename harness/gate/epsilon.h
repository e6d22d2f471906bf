// Lower bounds of epsilon from scores, and what such an audit could have shown: a bound that no
// audit of this size could have exceeded proves nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/gate/roc.h"

namespace assay {

enum class EpsilonEstimator { kBonferroni, kSplit, kGdp, kOneRun };
/// bonferroni, split, gdp, one_run; anything else is our bug.
EpsilonEstimator epsilon_estimator(std::string_view name);

struct EpsilonAudit {
  EpsilonEstimator estimator = EpsilonEstimator::kBonferroni;
  double delta = 1e-5;
  double confidence = 0.95;
};

/// Why the audit cannot be made on sets of this size; "" if it can.
std::string epsilon_obstacle(const EpsilonAudit& audit, int64_t members, int64_t non_members);

/// The true epsilon is at least this, at the audit's confidence; 0 or more. No obstacle stands.
double epsilon_lower(const ScoreSets& scores, const EpsilonAudit& audit);

/// The lower bound that scores which separate the sets perfectly would give.
double epsilon_reach(const EpsilonAudit& audit, int64_t members, int64_t non_members);

/// The power that a bound must have had before it counts as "not exceeded".
inline constexpr double kPower = 0.8;
/// How far above a limit the true epsilon may lie before the audit must have seen it: at 1 the
/// attacker's odds are e times what the limit allows.
inline constexpr double kEpsilonMargin = 1;

/// The smallest true epsilon at which this audit's bound exceeds `limit` with probability kPower,
/// under the best attack that epsilon and delta allow; absent if none up to `most` does.
std::optional<double> epsilon_detectable(const EpsilonAudit& audit, int64_t members,
                                         int64_t non_members, double limit, double most);

/// By what factor both sets would have to grow until epsilon_detectable is at most the limit plus
/// kEpsilonMargin; absent if no factor up to ten thousand is enough.
std::optional<double> epsilon_growth(const EpsilonAudit& audit, int64_t members,
                                     int64_t non_members, double limit);

}  // namespace assay

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

/// Why the audit cannot be made on sets of this size; "" if it can. one_run wants sizes that a fair
/// coin could have given: beyond that, "all are members" is right too often whatever the scores.
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

/// Equal scores, two or more, by their places from the highest score down.
struct Tie {
  int64_t first = 0;
  int64_t count = 0;
};

/// What an audit has to work with: no threshold divides a tie.
struct Resolution {
  int64_t members = 0;
  int64_t non_members = 0;
  std::vector<Tie> non_member_ties = {};  ///< among non-members
  std::vector<Tie> record_ties = {};      ///< among all
};
Resolution resolution_of(const ScoreSets& scores);

/// The smallest true epsilon at which this audit's bound exceeds `limit` with probability kPower,
/// under the best attack that epsilon, delta and the ties allow; absent if none up to `most` does.
std::optional<double> epsilon_detectable(const EpsilonAudit& audit, const Resolution& resolution,
                                         double limit, double most);

/// By what factor both sets, and their ties, would have to grow until epsilon_detectable is at most
/// the limit plus kEpsilonMargin; absent if no factor up to ten thousand is enough.
std::optional<double> epsilon_growth(const EpsilonAudit& audit, const Resolution& resolution,
                                     double limit);

}  // namespace assay

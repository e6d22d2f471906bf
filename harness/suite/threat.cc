// Names of the enums, and the ball that judge and projections share.
#include <cmath>
#include <limits>

#include "harness/suite/suite.h"

namespace assay {

std::string_view to_string(Norm norm) {
  switch (norm) {
    case Norm::kL0:
      return "l0";
    case Norm::kL1:
      return "l1";
    case Norm::kL2:
      return "l2";
    case Norm::kLinf:
      return "linf";
  }
  return "linf";
}

std::string_view to_string(Goal goal) {
  return goal == Goal::kTargeted ? "targeted" : "untargeted";
}

std::string_view to_string(Access access) {
  switch (access) {
    case Access::kGradient:
      return "gradient";
    case Access::kScore:
      return "score";
    case Access::kLabel:
      return "label";
  }
  return "gradient";
}

std::string_view to_string(Family family) {
  switch (family) {
    case Family::kEvasion:
      return "evasion";
    case Family::kMembership:
      return "membership";
    case Family::kExtraction:
      return "extraction";
  }
  return "evasion";
}

std::string_view to_string(Surface::Kind kind) {
  switch (kind) {
    case Surface::Kind::kLogits:
      return "logits";
    case Surface::Kind::kProbabilities:
      return "probabilities";
    case Surface::Kind::kTopK:
      return "top_k";
    case Surface::Kind::kRounded:
      return "rounded";
    case Surface::Kind::kLabel:
      return "label";
  }
  return "label";
}

std::string_view to_string(RuleSpec::Kind kind) {
  switch (kind) {
    case RuleSpec::Kind::kAtLeast:
      return "at_least";
    case RuleSpec::Kind::kAtMost:
      return "at_most";
    case RuleSpec::Kind::kMaxDrop:
      return "max_drop";
    case RuleSpec::Kind::kMaxRise:
      return "max_rise";
    case RuleSpec::Kind::kFlagsClear:
      return "flags";
  }
  return "flags";
}

double ball_radius(const ThreatModel& threat, int64_t d, bool float64) {
  if (!threat.eps) return std::numeric_limits<double>::infinity();
  const double unit = std::ldexp(1.0, float64 ? -52 : -23);
  const double slack = unit * std::max(std::abs(threat.lo), std::abs(threat.hi));
  const auto entries = static_cast<double>(d);
  switch (threat.norm) {
    case Norm::kL0:
      return *threat.eps;
    case Norm::kL1:
      return *threat.eps + slack * entries;
    case Norm::kL2:
      return *threat.eps + slack * std::sqrt(entries);
    case Norm::kLinf:
      return *threat.eps + slack;
  }
  return *threat.eps;
}

double share_of_eps(Norm norm, double eps, double share) {
  if (norm != Norm::kL0) return share * eps;
  // A share such as 0.29 of 100 entries is 29 of them, though the product of the nearest doubles
  // lies below.
  return std::floor(share * eps * (1 + std::ldexp(1.0, -50)));
}

}  // namespace assay

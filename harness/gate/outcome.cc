// Names and exit codes of verdicts and outcomes.
#include "harness/gate/decision.h"

namespace assay {

std::string_view to_string(RuleResult::Verdict verdict) {
  switch (verdict) {
    case RuleResult::Verdict::kPass:
      return "pass";
    case RuleResult::Verdict::kFail:
      return "fail";
    case RuleResult::Verdict::kInconclusive:
      return "inconclusive";
    case RuleResult::Verdict::kNotApplicable:
      return "not_applicable";
    case RuleResult::Verdict::kWaived:
      return "waived";
  }
  return "inconclusive";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kInconclusive:
      return "inconclusive";
    case Outcome::kIncomplete:
      return "incomplete";
    case Outcome::kRefused:
      return "refused";
  }
  return "inconclusive";
}

ExitCode exit_code(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return ExitCode::kPass;
    case Outcome::kFail:
      return ExitCode::kFail;
    case Outcome::kInconclusive:
      return ExitCode::kInconclusive;
    case Outcome::kIncomplete:
      return ExitCode::kIncomplete;
    case Outcome::kRefused:
      return ExitCode::kRefused;
  }
  return ExitCode::kInconclusive;
}

}  // namespace assay

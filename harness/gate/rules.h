// One rule on one cell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/gate/pairing.h"
#include "harness/gate/view.h"

namespace assay {

/// All that a rule on a cell may look at.
struct Trial {
  const EvidenceView* candidate = nullptr;
  const CellView* cell = nullptr;
  const EvidenceView* baseline = nullptr;  ///< or null
  const Pairing* pairing = nullptr;
  const std::vector<int64_t>* partners = nullptr;  ///< of pair_samples; empty without a baseline
  const std::vector<Flag>* diagnosis = nullptr;    ///< of diagnose(), for `flags: clear`
  bool first_run = false;
};

struct Judgement {
  RuleResult result;
  std::optional<Flag> flag;  ///< regression_within_margin
};

/// What is known of a rule's result on a cell before anything is judged.
RuleResult blank_result(const RuleSpec& rule, const std::string& cell);

Judgement judge(const RuleSpec& rule, const Trial& trial);

/// Flags that concern a cell: its own, those of its units, and those of the whole run.
std::vector<Flag> flags_of(const Trial& trial);

/// What a clean accuracy out of line is most often caused by, where these flags were raised of a
/// model with so many classes.
std::string clean_hint(const std::vector<Flag>& flags, int64_t classes);

/// "max_drop 0.03", or "max_drop 5%" where the limit is relative.
std::string limit_text(const RuleSpec& rule);

}  // namespace assay

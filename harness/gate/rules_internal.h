// Shared by the files that judge rules; no one else includes it.
#pragma once

#include <string>

#include "harness/gate/rules.h"

namespace assay {

/// What a clean accuracy out of line is most often caused by.
inline constexpr const char* kCleanHint =
    "if this surprises: `normalize` is missing, or the suite and the model both normalise, or the "
    "class order of data and model differs";

void settle(RuleResult& result, RuleResult::Verdict verdict, std::string reason,
            std::string hint = "");

std::string few_for_median(double confidence);

void judge_absolute(const RuleSpec& rule, const Trial& trial, RuleResult& result);
void judge_flags(const RuleSpec& rule, const Trial& trial, RuleResult& result);
/// The trial has a paired baseline cell.
void judge_paired(const RuleSpec& rule, const Trial& trial, Judgement& judgement);

}  // namespace assay

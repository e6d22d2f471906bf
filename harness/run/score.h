// The scores of a membership cell, from what its other units made. Needs no model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/record/evidence.h"
#include "harness/record/scoring.h"
#include "harness/run/plan.h"

namespace assay {

/// What scoring the cell of this kScore unit needs, besides results.
Scoring scoring_of(const Suite& suite, const Plan& plan, const Unit& unit);

/// Members first, each set in its order.
void sort_scores(std::vector<Score>* scores);

/// One for each membership cell of a plan.
std::vector<Scoring> scorings_of(const Suite& suite, const Plan& plan);

/// Scores a cell. `result_of` gives the results of the units that it names, by key, and `blob` the
/// bytes of their tensors.
UnitResult run_score(const Suite& suite, const Scoring& scoring, const std::vector<Attack>& attacks,
                     const std::function<const UnitResult&(const std::string&)>& result_of,
                     const std::function<std::string(const std::string& sha256)>& blob);

}  // namespace assay

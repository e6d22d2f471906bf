// The scores of a membership or an extraction cell, from what its other units made. Needs no model.
#pragma once

#include <ATen/ATen.h>

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

/// One for each cell of a plan that is scored.
std::vector<Scoring> scorings_of(const Suite& suite, const Plan& plan);

/// Numbers that the cell's units made for its records, by what they are, float64
/// [records, ...width]; undefined where no unit did.
class Gathered {
 public:
  Gathered(const Scoring& scoring,
           const std::function<const UnitResult&(const std::string&)>& result_of,
           const std::function<std::string(const std::string&)>& blob)
      : scoring_(scoring), result_of_(result_of), blob_(blob) {}

  at::Tensor numbers(Scoring::Part::What what, int64_t shadow, int64_t view, int64_t records,
                     const std::vector<int64_t>& width) const;
  /// True if a unit made no numbers, as the outputs of a surrogate that there is not.
  bool lacks_any() const;
  const UnitResult& result_of(const std::string& key) const { return result_of_(key); }
  const Scoring& scoring() const { return scoring_; }

 private:
  const Scoring& scoring_;
  const std::function<const UnitResult&(const std::string&)>& result_of_;
  const std::function<std::string(const std::string&)>& blob_;
};

/// What thieves got, from labels, logits and transfers.
UnitResult score_heist(const Suite& suite, const std::vector<Attack>& attacks,
                       const Gathered& gathered);

/// Scores a cell. `result_of` gives the results of the units that it names, by key, and `blob` the
/// bytes of their tensors.
UnitResult run_score(const Suite& suite, const Scoring& scoring, const std::vector<Attack>& attacks,
                     const std::function<const UnitResult&(const std::string&)>& result_of,
                     const std::function<std::string(const std::string& sha256)>& blob);

}  // namespace assay

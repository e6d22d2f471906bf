// Attacks on a block: one, or the stages of an ensemble in order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/run/judge.h"
#include "harness/run/plan.h"
#include "harness/run/supply.h"
#include "harness/suite/suite.h"

namespace assay {

/// What is the same for every row of an attack unit.
struct Task {
  const Model& model;
  const ThreatModel threat;
  const Bound bound;
  const Rng rng;
  const std::string attack;
  const std::string source;  ///< what it takes from elsewhere, or ""
  const Supplies& supplies;
  const bool minimum_norm;  ///< looks for the nearest point, inside a ball or not
};

/// A unit's attack or, for an ensemble, its stages in order, for samples that may use this share of
/// the unit's eps.
std::vector<Task> make_tasks(const Suite& suite, const Unit& unit, double share,
                             const std::vector<Attack>& attacks, const Model& model,
                             const Supplies& supplies);

/// Of these the white-box attacks that iterate, in a ball that holds the whole box: there they must
/// break every sample, whatever the model. None for a unit without a radius.
std::vector<Task> whole_box_tasks(const Suite& suite, const Unit& unit,
                                  const std::vector<Attack>& attacks, const Model& model,
                                  const Supplies& supplies);

/// Puts the failure of the candidate into a row.
void blame(const std::string& detail, Verdict* row);

/// What is judged of a row that the candidate failed on.
JudgedBlock fault_of_row(const Block& block, const std::string& detail);

/// Puts together what `attack` returns for parts of a block of `n` rows, each given by its rows.
JudgedBlock in_parts(int64_t n, const std::vector<std::vector<int64_t>>& parts,
                     const std::function<JudgedBlock(const std::vector<int64_t>&)>& attack);

/// The same for each row alone.
JudgedBlock row_by_row(const Block& block, const std::function<JudgedBlock(int64_t)>& attack);

/// The samples of a block at these positions.
Block sub_block(const Block& block, const std::vector<int64_t>& rows);

/// Runs the tasks in order, each on the samples that no earlier one broke.
JudgedBlock attack_in_stages(const std::vector<Task>& tasks, const Block& block, Cost* cost);

/// The counts of what was judged. `nearest`: broken samples count for how far their distances had
/// converged, too.
Diagnosis diagnosis_of(const JudgedBlock& judged, bool nearest);

}  // namespace assay

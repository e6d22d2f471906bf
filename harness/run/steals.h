// The units of extraction cells that ask the candidate. Private to this room.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/run/outputs.h"
#include "harness/run/plan.h"
#include "harness/run/run.h"

namespace assay {

/// True where probabilities are not what the model says: a network that knows such answers by heart
/// may have learnt less than their labels teach, and one is trained on these labels beside it.
bool distorts(const Surface& surface);

/// Steals a surrogate for each of these kSteal and kReplay units, as train_shadows() trains
/// shadows; the surrogate goes to the store's blobs, and a kReplay unit has what the suite's
/// monitors made of the queries. A result's `extracted` has one Stolen without the strings that
/// stand for records. Where the candidate failed on a query, or took the process down, there is no
/// surrogate, and Stolen::failure says so.
std::string steal_surrogates(const Suite& suite, const Plan& plan,
                             const std::vector<Attack>& attacks, const Model& model,
                             const std::vector<const Unit*>& units, const RunOptions& options,
                             Store* store, const std::function<void(UnitResult)>& done);

/// kTransfer: [records] float64 in the store's blobs: 1 where an adversarial made on the surrogate
/// breaks the candidate (or makes it fail), 0 where it stands, NaN where none was tried. Where the
/// candidate failed on a record as it is, or took the process down, `extracted` has a Stolen that
/// says so.
UnitResult run_transfer(const Suite& suite, const Plan& plan, const Unit& unit,
                        const std::vector<Attack>& attacks, const Model& model,
                        const ResultOf& result_of, const RunOptions& options, Store* store);

}  // namespace assay

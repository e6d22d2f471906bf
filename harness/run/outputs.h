// The units of membership and extraction cells that ask a model: outputs and boundaries. Private to
// this room.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/run/plan.h"
#include "harness/run/run.h"

namespace assay {

/// Results of units by their key.
using ResultOf = std::function<const UnitResult&(const std::string&)>;

/// Throws Error (kIncomplete) if the run is to stop.
void heed_stop(const RunOptions& options);

/// The bytes of a tensor, as they go to the store's blobs.
std::string bytes_of(const at::Tensor& tensor);

/// A shadow or a surrogate as a model, from the blob that has it. Its outputs have units of fixed
/// content, so that no padding is called for beyond what suits every kernel.
Model load_shadow(const Suite& suite, const std::string& blob, const Store& store);

/// kOutputs: logits [n, K] float64 of the candidate, or of a shadow, go to the store's blobs. A
/// record that the candidate fails on has NaN. No tensor for a surrogate that there is not.
UnitResult run_outputs(const Suite& suite, const Plan& plan, const Unit& unit, const Model& model,
                       const ResultOf& result_of, const RunOptions& options, Store* store);

/// kBoundary: distances [n] float64 to the boundary, 0 where the record is misclassified.
UnitResult run_boundary(const Suite& suite, const Plan& plan, const Unit& unit,
                        const std::vector<Attack>& attacks, const Model& model,
                        const RunOptions& options, Store* store);

/// kFeatures: [n, F] float64, the inputs along random directions of standard normal entries.
UnitResult run_features(const Suite& suite, const Plan& plan, const Unit& unit, Store* store);

}  // namespace assay

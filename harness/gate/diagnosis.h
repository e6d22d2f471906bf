// What a run tells about its own attacks: flags that say how far its verdicts can be trusted.
#pragma once

#include <string>
#include <vector>

#include "harness/gate/view.h"

namespace assay {

/// Flags of the candidate's run: from the counts of its units (Diagnosis), added up over each cell,
/// and from its cells held against each other, sample by sample. In a fixed order.
std::vector<Flag> diagnose(const EvidenceView& view);

/// Where a flag on what a cell's units saw belongs: the cell or, of a minimum-norm attack whose
/// radii share their units, the entry.
std::string entry_of(const CellHeader& cell);

/// True if the model gave the clean samples different labels: then the whole box holds, for each of
/// them, an input that breaks it. A model that always answers the same cannot be broken at all.
bool gives_several_labels(const EvidenceView& view);

/// True if the model gave some clean sample each label that the cell's targeted goal may name: then
/// the whole box holds what breaks every sample.
bool gives_every_target(const EvidenceView& view, const CellHeader& cell);

inline constexpr const char* kWholeBoxAdvice =
    "the attack fails for another reason than robustness: masked gradients, a loss that saturates, "
    "or too few steps; add attacks with score and label access, or attack the model without the "
    "layer that masks";

/// The two halves of it.
std::vector<Flag> diagnose_counts(const EvidenceView& view);
std::vector<Flag> diagnose_cells(const EvidenceView& view);

}  // namespace assay

// The flags that a run may raise (README, "Flags").
#pragma once

#include <array>

namespace assay {

/// Ids of all flags, in the README's order.
inline constexpr std::array kFlagIds = {
    "softmax_output",
    "train_mode",
    "randomised",
    "batch_dependent",
    "no_gradient",
    "zero_gradient",
    "nonfinite_gradient",
    "unstable_predictions",
    "incomplete_optimisation",
    "stalled_optimisation",
    "silent_success",
    "survives_whole_box",
    "black_box_beats_white_box",
    "single_step_beats_iterative",
    "not_monotone_in_eps",
    "budget_not_exhausted",
    "no_starting_point",
    "not_attacked",
    "few_classes",
    "eps_scale",
    "regression_within_margin",
    "shadows_not_comparable",
    "unequal_sets",
    "score_reversed",
    "extraction_weak",
    "extraction_undertrained",
    "agreement_not_growing",
    "budget_unspent",
    "pool_overlaps_test",
    "pool_overlaps_benign",
    "surrogate_architecture",
    "surrogate_keeps_values",
    "partial_pairing",
};

}  // namespace assay

// Attacks that score a record by a statistic of its own outputs: their parameters, and thresholds
// for each class.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "attacks/math/membership.h"
#include "harness/suite/params.h"

namespace assay::attacks {

/// For each class the threshold that maximises the balanced accuracy of `value > threshold` for
/// `in`; half way between two values, and of several the lowest. A class that lacks a side has the
/// threshold of all classes together. values [M] finite, labels [M], in [M] bool → [classes].
at::Tensor class_thresholds(const at::Tensor& values, const at::Tensor& labels,
                            const at::Tensor& in, int64_t classes);

/// Declares `views`, `shadows` and the recipe. Without shadows a record's score is its signal; with
/// shadows, less the threshold of its class that is best on them, so that one threshold for all
/// classes, as it moves, moves all of theirs.
Inference confidence_attack(Params& params, Signal signal);

}  // namespace assay::attacks

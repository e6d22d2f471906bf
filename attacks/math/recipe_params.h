// The parameters of a training.
#pragma once

#include <string_view>

#include "harness/model/shadow.h"
#include "harness/suite/params.h"

namespace assay::attacks {

/// Declares architecture, epochs, batch, optimizer, learning_rate and weight_decay, with the
/// defaults of `fallback`. The other texts are the help of the parameters of their names.
Recipe recipe_params(Params& params, const Recipe& fallback, std::string_view architecture,
                     std::string_view epochs, std::string_view learning_rate);

/// The part of it that says how a step is taken: batch, optimizer, learning_rate (with this help)
/// and weight_decay. `to` has the defaults.
void optimizer_params(Params& params, Recipe* to, std::string_view learning_rate);

}  // namespace assay::attacks

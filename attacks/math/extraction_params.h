// The parameters that extraction attacks share.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "harness/model/extraction.h"
#include "harness/suite/params.h"

namespace assay::attacks {

/// Declares `budgets` and `seeds`, all that an attack without a surrogate needs.
Extraction budget_params(Params& params, std::vector<int64_t> budgets);

/// The same with what is measured of surrogates.
Extraction protocol_params(Params& params, std::vector<int64_t> budgets);

/// The same with the recipe of a surrogate that is trained: architecture, epochs, … `fallback`
/// gives the defaults.
Extraction surrogate_params(Params& params, std::vector<int64_t> budgets, const Recipe& fallback);

/// The same for an attack that takes a surrogate's steps one by one, and so has no epochs.
/// `learning_rate` says how it falls.
Extraction stepwise_params(Params& params, std::vector<int64_t> budgets, const Recipe& fallback,
                           std::string_view learning_rate);

/// The recipe of surrogates unless an attack has one of its own.
Recipe surrogate_recipe();

}  // namespace assay::attacks

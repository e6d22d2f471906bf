// What of a candidate its shadows do not learn anew.
#pragma once

#include <string>
#include <vector>

#include "harness/model/architecture.h"

namespace assay {

/// Names of the candidate's values that its copies keep, whatever they are trained on: parameters
/// that its author froze; and buffers, attributes and constants of the code that hold weights, if
/// they are more in all than a normalisation of the inputs takes (two values for each feature or
/// channel, or 16). Statistics of a normalisation layer start anew. Masks (bool) hold nothing, nor
/// do integers (int64) that count something: all equal, at equal steps, or a permutation of such;
/// lists of up to 16 of them are shapes. Literal numbers of the code
/// count if there are more than 16 different ones.
std::vector<std::string> kept_values(const Architecture::Impl& impl, const ModelSpec& spec);

/// Names of the parameters and buffers of `module` with two or more dimensions that have the values
/// of one of `other`; where all values are equal, by no means.
std::vector<std::string> values_of(const torch::jit::Module& module,
                                   const torch::jit::Module& other);

/// True if each parameter of `module` has the values of a parameter or buffer of `other`.
bool has_values_of(const torch::jit::Module& module, const torch::jit::Module& other);

}  // namespace assay

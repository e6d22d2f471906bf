// A parameter's value as text.
#pragma once

#include <string>

#include "harness/suite/params.h"

namespace assay {

/// Canonical JSON: equal for equal values, however a suite spells them.
std::string param_text(const ParamValue& value);

}  // namespace assay

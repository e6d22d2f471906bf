// The parameters that membership attacks share.
#pragma once

#include <cstdint>

#include "harness/model/membership.h"
#include "harness/suite/params.h"

namespace assay::attacks {

/// How an attack uses shadow models.
struct ShadowUse {
  int64_t fallback = 8;     ///< of `shadows`; 0: they are an option
  int64_t offline = 1;      ///< fewest that it works with
  int64_t online = 2;       ///< the same; 0: it has no online mode, and takes no `mode`
  bool references = false;  ///< surrogates of an extraction cell may stand in for them
  const char* what = "";    ///< what for, in one line
};

/// Declares `shadows`, `mode` and the recipe.
Shadows shadow_params(Params& params, const ShadowUse& use);

/// Declares `views`.
int64_t views_param(Params& params, int64_t fallback);

}  // namespace assay::attacks

// The parameters that searches for a near adversarial share.
#pragma once

#include <cstdint>
#include <string_view>

#include "harness/suite/params.h"

namespace assay::attacks {

/// Declares `refine`: the queries of tighten() (nearest.h), or what `help` says.
inline int64_t refine_param(
    Params& params, int64_t fallback = 10,
    std::string_view help =
        "queries that bisect how far the best point can be pulled towards the "
        "clean input") {
  return params.integer("refine", fallback, {0, 1000}, help);
}

/// Declares `starts`: the random points that an attack by labels begins with.
inline int64_t starts_param(Params& params) {
  return params.integer("starts", 100, {1, 1000000},
                        "random points tried until one is broken, and more until half of the "
                        "queries are spent; with none, the sample counts as robust");
}

}  // namespace assay::attacks

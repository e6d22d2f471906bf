// Victims, pools and thefts for tests of extraction attacks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "tests/testing/models.h"

namespace assay::testing {

inline const Shape kSmallImages{.shape = {1, 6, 6}, .classes = 3};

/// Records x [n, ...shape] in the box, with labels [n] or without.
Pool pool_of(const at::Tensor& x, const at::Tensor& labels = {});

/// Binds an extraction attack to flow-style YAML parameters, and the surface that goes with it.
Extraction extraction_of(const std::string& attack, const std::string& params,
                         const Surface& surface = {});

struct Heist {
  Theft theft;
  int64_t spent = 0;
  at::Tensor asked;   ///< [spent, ...shape]
  at::Tensor labels;  ///< [spent]
};
/// Lets an attack steal from a model: `budget` queries on this surface.
Heist steal(const std::string& attack, const std::string& params, const Model& model,
            const Pool& pool, int64_t budget, const Surface& surface = {}, uint64_t seed = 1);

/// The surrogate of a theft, loaded.
Model surrogate_of(const Theft& theft, const ModelSpec& spec);

/// Share of rows x [n, ...shape] that both models label alike.
double agreement_of(const Model& a, const Model& b, const at::Tensor& x);

}  // namespace assay::testing

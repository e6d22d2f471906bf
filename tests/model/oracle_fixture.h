// What the oracle's tests attack.
#pragma once

#include <optional>
#include <vector>

#include "harness/model/oracle.h"
#include "tests/testing/models.h"

namespace assay::testing {

/// Label 1 if the first entry is above 0.5, else 0; two entries in [0, 1].
inline Model threshold_model() {
  return linear_model(Shape{{2}, 2}, values({-1, 0, 1, 0}).view({2, 2}), values({0.5, -0.5}));
}

inline Block two_samples() {
  Block block;
  block.x = values({0.4, 0.5, 0.2, 0.5}).view({2, 2});
  block.y = at::zeros({2}, at::kLong);
  block.ids = {1, 2};
  return block;
}

inline ThreatModel linf(std::optional<double> eps) {
  ThreatModel threat;
  threat.eps = eps;
  return threat;
}

inline at::Tensor rows(std::vector<int64_t> numbers) { return at::tensor(numbers, at::kLong); }

}  // namespace assay::testing

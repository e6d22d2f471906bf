// Runs attacks on small models as a worker would.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"

namespace assay::testing {

/// The attack of this name in attack_table().
Attack find_attack(std::string_view name);

/// Binds parameters spelt as a YAML map, e.g. "{steps: 5}". Throws Error as a suite would.
Bound bind_params(const Attack& attack, const std::string& params, const ThreatModel& threat);

/// The ball of radius eps in the box [lo, hi], for attacks by gradients.
ThreatModel ball(Norm norm, double eps, double lo = 0, double hi = 1);

/// n random inputs in the model's box with the labels the model gives them; ids from `first_id`.
/// The target is the next class.
Block random_block(const Model& model, int64_t n, uint64_t seed, uint64_t first_id = 0);

/// The samples at `indices`, in that order. Keeps targets only for a targeted goal.
Block select(const Block& block, const std::vector<int64_t>& indices);

/// Gives each sample two points: one that goes the wrong way, and one along the gradient.
void give_points(const Model& model, Block* block);

/// What an attack did to a block.
struct Outcome {
  Candidates claims;
  at::Tensor queries;    // [n] int64
  at::Tensor gradients;  // [n] int64
  bool claimed(int64_t i) const { return claims.success[i].item<bool>(); }
  int64_t count() const { return claims.success.sum().item<int64_t>(); }
};

/// Runs on this thread under the budget that the attack itself states.
Outcome run(const Model& model, const Attack& attack, const std::string& params,
            const ThreatModel& threat, const Block& block, uint64_t seed = 1);

/// Bytes of row i.
std::string row_bytes(const at::Tensor& x, int64_t i);

}  // namespace assay::testing

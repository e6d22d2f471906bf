// Linear models on which the smallest perturbation that flips a label is known in closed form.
#pragma once

#include <ATen/ATen.h>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/suite/suite.h"
#include "tests/testing/models.h"

namespace assay::testing {

struct LinearCase {
  Model model;
  Block block;
  at::Tensor closest;  // [n] float64: distance of each sample to the nearest flip
};

/// Two classes, and 16 samples on both sides of the plane between them whose targets are the other
/// class. For linf, l2 and l1 all have the same distance, and the box of `shape`, which must be
/// symmetric and not small, is not in the way. For l0 the box bounds what one entry can do, and a
/// quarter of what all entries together can do is needed.
LinearCase linear_case(const Shape& shape, Norm norm);

/// As many classes as `shape` has, whose logits are multiplied by `scale`, and n samples around the
/// middle of its box, which is not in the way; for l0, where it bounds what one entry can do, half
/// as wide as the box. Only for goals without a target.
LinearCase crowded_case(const Shape& shape, double scale, Norm norm, int64_t n = 8);

}  // namespace assay::testing

// What every white-box minimum-norm attack is tested for beyond the contract.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "harness/suite/suite.h"
#include "tests/testing/attacks.h"

namespace assay::testing {

/// Gradient access without eps.
ThreatModel nearest(Norm norm, double lo = 0, double hi = 1);

/// Of an outcome's claims from the clean inputs: [n] float64, infinite where it claims none.
at::Tensor distances(const Outcome& outcome, const Block& block, Norm norm);

/// Expects that in 2, 20 and 784 dimensions every distance lies within `factor` times the closed
/// form of a linear model, and never below it.
void expect_closed_form(std::string_view attack, const std::vector<Norm>& norms, double factor);

/// Expects every distance within `factor` times the closed form of a linear model whose second
/// label lies behind the walls of the box, or just beyond them, and the third within.
void expect_looks_past_walls(std::string_view attack, const std::vector<Norm>& norms,
                             double factor = 1.01);

/// Expects that of n samples as many lie within the median distance as PGD breaks there, which are
/// over a quarter, but for `missed`: what a fixed radius breaks the distances must have found.
void expect_as_many_as_pgd(std::string_view attack, const std::vector<Norm>& norms, int64_t n,
                           int64_t missed);

/// Expects that in l2 every corner of the box is broken on linear models, most of whose steps lead
/// out of the box, untargeted and targeted.
void expect_breaks_corners(std::string_view attack);

}  // namespace assay::testing

// What attacks with score access that take all the queries they get are tested for beyond the
// contract.
#pragma once

#include <string>

#include "harness/model/attack.h"
#include "harness/suite/suite.h"
#include "tests/testing/models.h"

namespace assay::testing {

/// Score access at this radius, in the box of the model.
ThreatModel score_ball(const Model& model, Norm norm, double eps);

/// Expects every sample of linear models to break at `factor` times its distance in each norm of
/// the attack, and none a little below the distance.
void expect_flips_at(const Attack& attack, const std::string& params, double factor);

/// Expects that robust samples cost `queries` and broken ones at most that, some of them less.
void expect_all_queries_used(const Attack& attack, int64_t queries);

/// Expects that more queries break more samples in each norm of the attack.
void expect_gain_from_queries(const Attack& attack);

}  // namespace assay::testing

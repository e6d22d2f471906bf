// What every label-only attack is tested for beyond the contract.
#pragma once

#include <optional>
#include <string>

#include "harness/model/attack.h"
#include "harness/suite/suite.h"
#include "tests/testing/models.h"

namespace assay::testing {

/// Label access, in the box of the model.
ThreatModel label_only(Norm norm, const Model& model, std::optional<double> eps = {});

/// Distance of the nearest broken point of each sample without eps: [n] float64, infinite without.
at::Tensor best_of(const Attack& attack, const std::string& params, Norm norm, const Model& model,
                   const Block& block);
double median_of_best(const Attack& attack, const std::string& params, Norm norm,
                      const Model& model, const Block& block);

/// Expects that every sample's distance lies within `factor` times the closed form on two classes
/// that a plane divides in a wide box, and never below it.
void expect_close_to_the_plane(const Attack& attack, Norm norm, const Shape& shape,
                               const std::string& params, double factor);

/// Two classes over [0, 1]^36, of which the second wants a mean within .05 and .2.
Model rare_model();

/// Expects that a start is found after more tries than `starts` asks for, while queries are left.
void expect_more_starts(const Attack& attack);

/// Expects no claim and no more queries than the budget where the model gives one label only.
void expect_nothing_without_start(const Attack& attack);

/// Expects that every sample of a small model costs all its queries without eps.
void expect_all_labels_used(const Attack& attack, int64_t queries);

/// Expects that without eps each sample's bytes, distance and queries are those it has alone.
void expect_rows_alone_alike(const Attack& attack, const std::string& params);

}  // namespace assay::testing

// Evidence made by hand, row by row, for the gate's tests.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay::testing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// R robust, B broken, M misclassified, I invalid, U unconfirmed, E error of the candidate,
/// H error of the host; each with how many rows.
using Pattern = std::vector<std::pair<char, int64_t>>;

inline Verdict make_row(char kind, int64_t sample, int64_t label) {
  Verdict row;
  row.sample = sample;
  row.clean = label;
  row.queries = kind == 'M' ? 0 : 40;
  switch (kind) {
    case 'R':
      row.status = Status::kRobust;
      break;
    case 'B':
      row.status = Status::kBroken;
      row.adversarial = label + 1;
      row.distance = 0.1;
      row.breaking_attack = "pgd";
      break;
    case 'M':
      row.status = Status::kMisclassified;
      row.clean = label + 1;
      break;
    case 'I':
      row.status = Status::kInvalid;
      break;
    case 'U':
      row.status = Status::kUnconfirmed;
      break;
    case 'E':
      row.status = Status::kError;
      row.cause = Cause::kCandidate;
      row.detail = "non-finite output";
      break;
    default:
      row.status = Status::kError;
      row.cause = Cause::kHost;
      row.detail = "out of memory";
  }
  return row;
}

/// A run over `n` samples, labels 0, 1, 2, 0, …, whose clean pass gets all of them right.
inline Evidence make_run(int64_t n) {
  Evidence run;
  run.header.shape = {1, 2, 2};
  run.header.classes = 4;
  run.header.clean_units = {"clean-unit"};
  UnitResult clean;
  clean.key = "clean-unit";
  for (int64_t i = 0; i < n; ++i) {
    run.header.samples.push_back({std::to_string(i), "digest-" + std::to_string(i), i % 3});
    Verdict row;
    row.sample = i;
    row.clean = i % 3;
    clean.rows.push_back(row);
  }
  run.units.push_back(clean);
  return run;
}

/// Makes the first `wrong` labels of the clean pass wrong.
inline void miss_clean(Evidence& run, int64_t wrong) {
  for (int64_t i = 0; i < wrong; ++i) run.units[0].rows[static_cast<size_t>(i)].clean = 3;
}

/// Adds a linf cell with one unit of rows; samples after the pattern's end have none.
inline CellHeader& add_cell(Evidence& run, const std::string& name, const Pattern& pattern,
                            double eps = 0.1) {
  CellHeader cell;
  cell.name = name;
  cell.attack = "pgd";
  cell.key = "key-" + name;
  cell.key_fields = {{"attack", "pgd"}, {"params.steps", "40"}, {"seed", "1"}};
  cell.threat.eps = eps;
  cell.units = {"unit-" + name};
  UnitResult unit;
  unit.key = "unit-" + name;
  unit.cell = name;
  for (const auto& [kind, times] : pattern) {
    for (int64_t i = 0; i < times; ++i) {
      const int64_t sample = static_cast<int64_t>(unit.rows.size());
      unit.rows.push_back(
          make_row(kind, sample, run.header.samples.at(static_cast<size_t>(sample)).label));
    }
  }
  run.units.push_back(unit);
  run.header.cells.push_back(cell);
  return run.header.cells.back();
}

/// A run with one such cell, `pgd`.
inline Evidence run_of(int64_t n, const Pattern& pattern) {
  Evidence run = make_run(n);
  add_cell(run, "pgd", pattern);
  return run;
}

/// Adds a minimum-norm cell; a distance of infinity was never broken, a negative one marks a
/// misclassified sample.
inline CellHeader& add_distances(Evidence& run, const std::string& name,
                                 const std::vector<double>& distances) {
  CellHeader& cell = add_cell(run, name, {});
  cell.attack = "fmn";
  cell.minimum_norm = true;
  cell.threat.norm = Norm::kL2;
  cell.threat.eps.reset();
  std::vector<Verdict>& rows = run.units.back().rows;
  for (const double distance : distances) {
    const int64_t i = static_cast<int64_t>(rows.size());
    const bool found = distance < std::numeric_limits<double>::infinity();
    Verdict row = make_row(distance < 0 ? 'M'
                           : found      ? 'B'
                                        : 'R',
                           i, run.header.samples.at(static_cast<size_t>(i)).label);
    row.distance = distance < 0 ? std::numeric_limits<double>::infinity() : distance;
    rows.push_back(row);
  }
  return cell;
}

/// A suite with the run's cells and no rules.
inline Suite make_suite(const Evidence& run) {
  Suite suite;
  for (const CellHeader& cell : run.header.cells) {
    suite.cells.push_back({cell.name, 0, cell.threat.eps});
  }
  return suite;
}

/// Adds a rule over all cells of the suite.
inline RuleSpec& add_rule(Suite& suite, const std::string& metric, RuleSpec::Kind kind,
                          double limit) {
  RuleSpec rule;
  rule.selector = "*";
  rule.metric = metric;
  rule.kind = kind;
  rule.limit = limit;
  rule.where.line = 30;
  for (size_t i = 0; i < suite.cells.size(); ++i) rule.cells.push_back(i);
  suite.rules.push_back(rule);
  return suite.rules.back();
}

}  // namespace assay::testing

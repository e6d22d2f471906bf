// Evidence of extraction cells made by hand.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/gate/fixture.h"

namespace assay::testing {

/// A run without drawn samples, whose test set has `n` records, labels 0, 1, 2, 3, 0, ….
inline Evidence make_theft_run(int64_t n) {
  Evidence run;
  run.header.classes = 4;
  for (int64_t i = 0; i < n; ++i) {
    run.header.sets["test"].push_back({std::to_string(i), "digest-" + std::to_string(i), i % 4});
  }
  return run;
}

/// `n` characters of which the share `ones` is '1', spread evenly.
inline std::string bits(int64_t n, double ones) {
  const auto count = static_cast<int64_t>(std::llround(static_cast<double>(n) * ones));
  std::string text;
  for (int64_t i = 0; i < n; ++i) text += (i + 1) * count / n > i * count / n ? '1' : '0';
  return text;
}

/// A theft with agreement, accuracy and transfer at these shares; transfer on the first half.
inline Stolen make_stolen(int64_t n, int64_t budget, int64_t seed, double agreement,
                          double accuracy, double transfer) {
  Stolen stolen;
  stolen.budget = budget;
  stolen.seed = seed;
  stolen.queries = budget;
  stolen.agreement = bits(n, agreement);
  stolen.accuracy = bits(n, accuracy);
  stolen.transfer = bits(n / 2, transfer) + std::string(static_cast<size_t>(n - n / 2), '-');
  stolen.divergence.assign(static_cast<size_t>(n), 0.25);
  return stolen;
}

/// Adds a cell of a unit that steals and one that scores. `agreement` is by budget (100, 1000, …)
/// and seed; the candidate is right on 90 % of the records.
inline CellHeader& add_thefts(Evidence& run, const std::string& name,
                              const std::vector<std::vector<double>>& agreement) {
  const int64_t n = static_cast<int64_t>(run.header.sets.at("test").size());
  CellHeader cell;
  cell.name = name;
  cell.attack = "knockoff";
  cell.family = Family::kExtraction;
  cell.key = "key-" + name;
  cell.key_fields = {{"attack", "knockoff"}, {"params.seeds", "3"}, {"seed", "1"}};
  cell.sets = {{"test", "test"}, {"pool", "spare"}};
  cell.units = {"steal-" + name, "score-" + name};
  UnitResult steal;
  steal.key = cell.units[0];
  steal.cell = name;
  steal.extracted = {.candidate = "", .stolen = {{.budget = 100, .seed = 0, .queries = 100}}};
  run.units.push_back(steal);
  UnitResult unit;
  unit.key = cell.units[1];
  unit.cell = name;
  unit.index = 1;
  unit.extracted = {.candidate = bits(n, 0.9), .stolen = {}};
  std::vector<int64_t> budgets;
  int64_t budget = 100;
  for (const std::vector<double>& shares : agreement) {
    budgets.push_back(budget);
    for (size_t s = 0; s < shares.size(); ++s) {
      unit.extracted->stolen.push_back(make_stolen(n, budget, static_cast<int64_t>(s), shares[s],
                                                   0.9 * shares[s], 0.5 * shares[s]));
    }
    budget *= 10;
  }
  cell.params = {{"budgets", budgets}, {"seeds", static_cast<int64_t>(agreement.front().size())}};
  run.units.push_back(unit);
  run.header.cells.push_back(cell);
  return run.header.cells.back();
}

/// A run of `n` records with thieves of 100 queries: their agreement, by seed.
inline Evidence run_with_thieves(const std::vector<double>& agreement, int64_t n = 2000) {
  Evidence run = make_theft_run(n);
  add_thefts(run, "steal", {agreement});
  return run;
}

/// What the thieves of the run's last cell got.
inline Extracted& last_extracted(Evidence& run) { return *run.units.back().extracted; }

}  // namespace assay::testing

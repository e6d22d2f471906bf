// Evidence of membership cells made by hand.
#pragma once

#include <string>
#include <vector>

#include "tests/gate/fixture.h"

namespace assay::testing {

/// A run without test samples over `members` and `non_members` records, labels 0, 1, 2, 0, ….
inline Evidence make_audit(int64_t members, int64_t non_members) {
  Evidence run;
  run.header.classes = 3;
  const auto fill = [&](const std::string& name, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      run.header.sets[name].push_back(
          {std::to_string(i), "digest-" + name + std::to_string(i), i % 3});
    }
  };
  fill("train", members);
  fill("held_out", non_members);
  return run;
}

/// Adds a cell that a unit of shadows and a unit of scores make up.
inline CellHeader& add_scores(Evidence& run, const std::string& name,
                              const std::vector<double>& members,
                              const std::vector<double>& non_members) {
  CellHeader cell;
  cell.name = name;
  cell.attack = "lira";
  cell.family = Family::kMembership;
  cell.key = "key-" + name;
  cell.key_fields = {{"attack", "lira"}, {"params.shadows", "16"}, {"seed", "1"}};
  cell.params = {{"delta", 1e-5},
                 {"estimator", std::string("bonferroni")},
                 {"inclusion", std::string("fixed")}};
  cell.sets = {{"members", "train"}, {"non_members", "held_out"}};
  cell.units = {"shadow-" + name, "score-" + name};
  UnitResult shadow;
  shadow.key = cell.units[0];
  shadow.cell = name;
  run.units.push_back(shadow);
  UnitResult unit;
  unit.key = cell.units[1];
  unit.cell = name;
  unit.index = 1;
  const auto add = [&](bool member, const std::vector<double>& scores) {
    for (size_t i = 0; i < scores.size(); ++i) {
      unit.scores.push_back({member, static_cast<int64_t>(i), scores[i], false});
    }
  };
  add(true, members);
  add(false, non_members);
  run.units.push_back(unit);
  run.header.cells.push_back(cell);
  return run.header.cells.back();
}

/// The verdict of one rule on the run's cells.
inline RuleResult judge_one(const Evidence& run, const std::string& metric, RuleSpec::Kind kind,
                            double limit, const Evidence* baseline = nullptr) {
  Suite suite = make_suite(run);
  add_rule(suite, metric, kind, limit);
  return decide(suite, run, baseline).rules.at(0);
}

/// `n` scores from `least` up in steps of 1 / n, so that two lists overlap by what `least` says.
inline std::vector<double> ramp(int64_t n, double least) {
  std::vector<double> scores;
  for (int64_t i = 0; i < n; ++i) {
    scores.push_back(least + static_cast<double>(i) / static_cast<double>(n));
  }
  return scores;
}

/// A run of these scores, a record for each, in one cell `mia`.
inline Evidence audit_of(const std::vector<double>& members,
                         const std::vector<double>& non_members) {
  Evidence run =
      make_audit(static_cast<int64_t>(members.size()), static_cast<int64_t>(non_members.size()));
  add_scores(run, "mia", members, non_members);
  return run;
}

}  // namespace assay::testing

#include "harness/gate/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/gate/decision.h"
#include "harness/gate/statistics.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using ::testing::ElementsAre;
using ::testing::Key;
using testing::kInfinity;
using testing::make_run;
using testing::make_suite;
using testing::miss_clean;
using ::testing::UnorderedElementsAre;

CellResult describe(const Evidence& run, size_t cell = 0) {
  return decide(make_suite(run), run, nullptr).cells.at(cell);
}

TEST(Metrics, AreThoseOfTheKindOfCell) {
  Evidence run = make_run(10);
  add_cell(run, "pgd", {{'R', 10}});
  add_distances(run, "near", std::vector<double>(10, 1));
  add_distances(run, "near@0.5", std::vector<double>(10, 1)).threat.eps = 0.5;
  EXPECT_THAT(
      describe(run, 0).metrics,
      UnorderedElementsAre(Key("clean_accuracy"), Key("robust_accuracy"), Key("attack_success")));
  EXPECT_THAT(
      describe(run, 1).metrics,
      UnorderedElementsAre(Key("clean_accuracy"), Key("median_distance"), Key("attack_success")));
  EXPECT_THAT(describe(run, 2).metrics,
              UnorderedElementsAre(Key("clean_accuracy"), Key("robust_accuracy"),
                                   Key("median_distance"), Key("attack_success")));
}

TEST(Metrics, OfACellThatWasNotReachedBlameNoSample) {
  Evidence run = make_run(10);
  add_cell(run, "pgd", {});
  add_distances(run, "near", {});
  run.ended_early = "clean accuracy";
  for (size_t cell : {0, 1}) {
    for (const auto& [name, estimate] : describe(run, cell).metrics) {
      if (name == "clean_accuracy") continue;
      EXPECT_EQ(estimate.reason, "no sample has a verdict") << name;
    }
  }
}

TEST(Metrics, HaveAReasonExactlyWhereTheyHaveNoValue) {
  Evidence run = make_run(10);
  add_cell(run, "pgd", {{'M', 10}});
  add_distances(run, "near", std::vector<double>(10, kInfinity));
  for (size_t cell : {0, 1}) {
    for (const auto& [name, estimate] : describe(run, cell).metrics) {
      EXPECT_EQ(estimate.value.has_value(), estimate.reason.empty()) << name;
      for (const auto& number : {estimate.value, estimate.lower, estimate.upper}) {
        EXPECT_TRUE(std::isfinite(number.value_or(0))) << name;
      }
    }
  }
}

// Labels are 0, 1, 2, 0, …: a third of the samples has label 2.
TEST(Metrics, OfATargetedGoalLeaveOutTheSamplesThatHaveTheTargetAlready) {
  Evidence run = make_run(9);
  CellHeader& cell =
      add_cell(run, "pgd", {{'B', 2}, {'R', 1}, {'B', 2}, {'R', 1}, {'R', 2}, {'M', 1}});
  cell.threat.goal = Goal::kTargeted;
  cell.threat.target = {Target::Kind::kLabel, 2};
  const auto found = describe(run).metrics;
  EXPECT_EQ(found.at("robust_accuracy").n, 6);
  EXPECT_DOUBLE_EQ(*found.at("robust_accuracy").value, 2.0 / 6);
  EXPECT_DOUBLE_EQ(*found.at("attack_success").value, 4.0 / 6);
  EXPECT_EQ(found.at("clean_accuracy").n, 9);
  EXPECT_TRUE(describe(run).complete);
  for (SampleInfo& sample : run.header.samples) sample.label = 2;
  EXPECT_EQ(describe(run).metrics.at("robust_accuracy").reason,
            "the label of every sample is the target");
  run.header.cells[0].threat.target.kind = Target::Kind::kNext;
  EXPECT_EQ(describe(run).metrics.at("robust_accuracy").n, 9);
}

TEST(SecurityCurve, OfATargetedGoalIsOfTheSameSamplesAtEveryRadius) {
  Evidence run = make_run(9);
  add_cell(run, "pgd@0.1", {{'R', 9}}, 0.1);
  add_cell(run, "pgd@0.2", {{'R', 9}}, 0.2);
  for (CellHeader& cell : run.header.cells) {
    cell.threat.goal = Goal::kTargeted;
    cell.threat.target = {Target::Kind::kLabel, 2};
  }
  miss_clean(run, 2);  // labels 0 and 1
  const std::vector<CurvePoint> curve = describe(run).curve;
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_DOUBLE_EQ(curve[0].robust_accuracy, 4.0 / 6);
  EXPECT_DOUBLE_EQ(curve[1].robust_accuracy, 1);
}

TEST(Metrics, OfDistancesToATargetLeaveOutTheSamplesThatHaveItAlready) {
  Evidence run = make_run(6);
  CellHeader& cell = add_distances(run, "near", {1, 2, kInfinity, 3, 4, kInfinity});
  cell.threat.goal = Goal::kTargeted;
  cell.threat.target = {Target::Kind::kLabel, 2};
  const auto found = describe(run).metrics;
  EXPECT_EQ(found.at("median_distance").n, 4);
  EXPECT_DOUBLE_EQ(describe(run).curve.back().robust_accuracy, 0);
}

TEST(SampleCounts, SortRowsByStatus) {
  Evidence run = make_run(21);
  add_cell(run, "pgd", {{'R', 1}, {'B', 2}, {'M', 3}, {'I', 4}, {'U', 5}, {'E', 4}, {'H', 2}});
  const CellResult cell = describe(run);
  EXPECT_EQ(cell.samples.total, 21);
  EXPECT_EQ(cell.samples.ok, 6);
  EXPECT_EQ(cell.samples.invalid, 4);
  EXPECT_EQ(cell.samples.unconfirmed, 5);
  EXPECT_EQ(cell.samples.error, 4) << "what the candidate failed on";
  EXPECT_FALSE(cell.complete);
  EXPECT_EQ(cell.metrics.at("robust_accuracy").n, 19) << "a host fault is no verdict";
  EXPECT_DOUBLE_EQ(*cell.metrics.at("robust_accuracy").value, 1.0 / 19);
}

TEST(SecurityCurve, OfAMinimumNormEntryRunsFromZeroToTheLargestDistance) {
  Evidence run = make_run(50);
  std::vector<double> distances;
  for (int i = 1; i <= 39; ++i) distances.push_back(0.1 * i);
  distances.push_back(kInfinity);
  distances.resize(50, -1);  // misclassified
  add_distances(run, "near@2", distances).threat.eps = 2;
  const std::vector<CurvePoint> curve = describe(run).curve;
  ASSERT_GE(curve.size(), 40u);
  EXPECT_EQ(curve.front().eps, 0);
  EXPECT_DOUBLE_EQ(curve.front().robust_accuracy, 0.8);
  EXPECT_NEAR(curve.back().eps, 3.9, 1e-12);
  EXPECT_DOUBLE_EQ(curve.back().robust_accuracy, 0.02);
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].eps, curve[i - 1].eps);
    EXPECT_LE(curve[i].robust_accuracy, curve[i - 1].robust_accuracy);
    const auto robust = static_cast<int64_t>(std::lround(curve[i].robust_accuracy * 50));
    EXPECT_DOUBLE_EQ(curve[i].lower, clopper_pearson(robust, 50, 0.95).lower);
    EXPECT_DOUBLE_EQ(curve[i].upper, clopper_pearson(robust, 50, 0.95).upper);
  }
}

TEST(SecurityCurve, AgreesWithRobustAccuracyWhereTheSuiteReadsIt) {
  Evidence run = make_run(20);
  std::vector<double> distances;
  for (int i = 1; i <= 20; ++i) distances.push_back(0.05 * i);
  for (const double eps : {0.5, 0.123, 7.0}) {
    add_distances(run, "near@" + std::to_string(eps), distances).threat.eps = eps;
  }
  for (size_t cell = 0; cell < 3; ++cell) {
    const CellResult result = describe(run, cell);
    const double eps = *run.header.cells[cell].threat.eps;
    const auto at = std::find_if(result.curve.begin(), result.curve.end(),
                                 [&](const CurvePoint& point) { return point.eps == eps; });
    ASSERT_NE(at, result.curve.end());
    EXPECT_DOUBLE_EQ(at->robust_accuracy, *result.metrics.at("robust_accuracy").value);
  }
}

TEST(SecurityCurve, ReadsRadiiWithTheToleranceOfTheJudge) {
  // u·R·d^(1/2) = 2^-23 · 1 · 2 beyond eps is still inside the ball.
  Evidence run = make_run(10);
  std::vector<double> distances(10, 0.5 + 0x1.0p-22);
  std::fill_n(distances.begin(), 4, 0.5 + 0x1.2p-22);
  add_distances(run, "near@0.5", distances).threat.eps = 0.5;
  const CellResult result = describe(run);
  EXPECT_DOUBLE_EQ(*result.metrics.at("robust_accuracy").value, 0.4);
  const auto at = std::find_if(result.curve.begin(), result.curve.end(),
                               [](const CurvePoint& point) { return point.eps == 0.5; });
  ASSERT_NE(at, result.curve.end());
  EXPECT_DOUBLE_EQ(at->robust_accuracy, 0.4);
}

TEST(MedianDistance, CountsAFaultOfTheCandidateAsBrokenAtZero) {
  Evidence run = make_run(20);
  add_distances(run, "near", std::vector<double>(20, 1));
  for (size_t i = 0; i < 12; ++i) {
    const int64_t label = run.header.samples[i].label;
    run.units.back().rows[i] = testing::make_row('E', static_cast<int64_t>(i), label);
    if (i < 6) run.units.back().rows[i].clean = -1;  // it failed on the clean input already
  }
  const Estimate median = describe(run).metrics.at("median_distance");
  EXPECT_EQ(median.value, 0);
  EXPECT_EQ(median.n, 20);
  EXPECT_EQ(describe(run).metrics.at("attack_success").n, 20);
}

TEST(SecurityCurve, OfSeveralRadiiIsMadeOfTheCellsOfTheEntry) {
  Evidence run = make_run(100);
  testing::miss_clean(run, 10);
  add_cell(run, "pgd@0.2", {{'M', 10}, {'R', 20}, {'B', 70}}, 0.2);
  add_cell(run, "pgd@0.1", {{'M', 10}, {'R', 50}, {'B', 40}}, 0.1);
  add_cell(run, "pgd2@0.3", {{'M', 10}, {'B', 90}}, 0.3);
  for (const size_t cell : {0, 1}) {
    const std::vector<CurvePoint> curve = describe(run, cell).curve;
    ASSERT_EQ(curve.size(), 3u);
    EXPECT_EQ(curve[0].eps, 0);
    EXPECT_DOUBLE_EQ(curve[0].robust_accuracy, 0.9);
    EXPECT_EQ(curve[1].eps, 0.1);
    EXPECT_DOUBLE_EQ(curve[1].robust_accuracy, 0.5);
    EXPECT_EQ(curve[2].eps, 0.2);
    EXPECT_DOUBLE_EQ(curve[2].robust_accuracy, 0.2);
    EXPECT_DOUBLE_EQ(curve[2].upper, clopper_pearson(20, 100, 0.95).upper);
  }
  EXPECT_TRUE(describe(run, 2).curve.empty()) << "one radius is no curve";
}

TEST(Stages, CountWhatEnteredAndWhatBroke) {
  Evidence run = make_run(10);
  CellHeader& cell = add_cell(run, "aa", {{'M', 1}, {'B', 6}, {'R', 3}});
  cell.stages = {"apgd-ce", "apgd-dlr", "square"};
  std::vector<Verdict>& rows = run.units.back().rows;
  for (size_t i = 1; i <= 6; ++i) rows[i].breaking_attack = i <= 4 ? "apgd-ce" : "square";
  const CellResult result = describe(run);
  ASSERT_EQ(result.stages.size(), 3u);
  EXPECT_EQ(result.stages[0].entered, 9);
  EXPECT_EQ(result.stages[0].broken, 4);
  EXPECT_EQ(result.stages[1].name, "apgd-dlr");
  EXPECT_EQ(result.stages[1].entered, 5);
  EXPECT_EQ(result.stages[1].broken, 0);
  EXPECT_EQ(result.stages[2].entered, 5);
  EXPECT_EQ(result.stages[2].broken, 2);
}

TEST(Classes, CountPerLabelAndCompareWithTheBaseline) {
  Evidence run = make_run(9);  // labels 0 1 2 0 1 2 0 1 2
  add_cell(run, "pgd", {{'M', 3}, {'B', 3}, {'R', 3}});
  Evidence before = make_run(9);
  add_cell(before, "pgd", {{'R', 6}, {'B', 3}});
  const std::vector<ClassRow> alone = describe(run).classes;
  ASSERT_EQ(alone.size(), 3u);
  for (const ClassRow& row : alone) {
    EXPECT_EQ(row.n, 3);
    EXPECT_EQ(row.clean, 2);
    EXPECT_EQ(row.robust, 1);
    EXPECT_FALSE(row.baseline_robust.has_value());
  }
  const CellResult compared = decide(make_suite(run), run, &before).cells[0];
  ASSERT_EQ(compared.classes.size(), 3u);
  for (const ClassRow& row : compared.classes) {
    EXPECT_EQ(row.baseline_robust, 2);
  }
}

TEST(Cost, SumsTheUnitsOfTheCell) {
  Evidence run = make_run(2);
  add_cell(run, "pgd", {{'R', 1}});
  run.units.back().cost = {1.5, 10, 20, 3};
  UnitResult second;
  second.key = "second";
  second.rows = {testing::make_row('R', 1, 1)};
  second.cost = {0.5, 1, 2, 4};
  run.units.push_back(second);
  run.header.cells[0].units.push_back("second");
  const Cost cost = describe(run).cost;
  EXPECT_DOUBLE_EQ(cost.time_s, 2);
  EXPECT_EQ(cost.forwards, 11);
  EXPECT_EQ(cost.gradients, 22);
  EXPECT_EQ(cost.judged, 7);
}

}  // namespace
}  // namespace assay

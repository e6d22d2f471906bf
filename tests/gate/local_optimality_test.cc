#include <gtest/gtest.h>

#include <limits>

#include "harness/gate/decision.h"
#include "harness/gate/metrics.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using testing::kInfinity;
using testing::make_run;
using testing::make_suite;

std::optional<Estimate> optimality(const Evidence& run, size_t cell) {
  return decide(make_suite(run), run, nullptr).cells.at(cell).local_optimality;
}

TEST(LocalOptimality, IsOneForTheNearestAndLessForTheOthers) {
  Evidence run = make_run(4);
  add_distances(run, "near", {1, 2, 3, -1});  // -1: misclassified
  add_distances(run, "far", {1.5, 3, 3.5, -1});
  EXPECT_DOUBLE_EQ(*optimality(run, 0)->value, 1);
  // Up to 3, the largest best distance: 0.5 + 1 + 0 too far, of 2 + 1 + 0 that can be.
  EXPECT_DOUBLE_EQ(*optimality(run, 1)->value, 1 - 1.5 / 3);
  EXPECT_EQ(optimality(run, 1)->n, 3);
}

TEST(LocalOptimality, TakesTheBestOfEachSample) {
  Evidence run = make_run(3);
  add_distances(run, "one", {1, 4, 5});
  add_distances(run, "other", {2, 3, 5});
  EXPECT_DOUBLE_EQ(*optimality(run, 0)->value, 1 - 1.0 / 6);
  EXPECT_DOUBLE_EQ(*optimality(run, 1)->value, 1 - 1.0 / 6);
}

TEST(LocalOptimality, IsZeroForAnAttackThatFindsNothing) {
  Evidence run = make_run(3);
  add_distances(run, "near", {1, 2, kInfinity});
  add_distances(run, "blind", {kInfinity, kInfinity, kInfinity});
  EXPECT_DOUBLE_EQ(*optimality(run, 1)->value, 0);
  EXPECT_DOUBLE_EQ(*optimality(run, 0)->value, 1);
}

TEST(LocalOptimality, KnowsThePointsOfCellsWithARadius) {
  Evidence run = make_run(3);
  add_distances(run, "near", {1, 2, 3});
  CellHeader& ball = add_cell(run, "pgd@0.5", {{'B', 1}, {'R', 2}});
  ball.threat.norm = Norm::kL2;
  ball.threat.eps = 0.5;
  run.units.back().rows[0].distance = 0.5;
  // Samples 1 and 2 are known at 2 and 3, the first at 0.5.
  EXPECT_DOUBLE_EQ(*optimality(run, 0)->value, 1 - 0.5 / 3.5);
  EXPECT_FALSE(optimality(run, 1)) << "a cell with a radius seeks no distance";
}

TEST(LocalOptimality, ComparesOnlyWithinAThreatModel) {
  Evidence run = make_run(2);
  add_distances(run, "near", {1, 2});
  add_distances(run, "linf", {0.1, 0.2}).threat.norm = Norm::kLinf;
  EXPECT_FALSE(optimality(run, 0)->value);
  EXPECT_FALSE(optimality(run, 0)->reason.empty());
}

TEST(LocalOptimality, RadiiOfOneEntryAreNoRivals) {
  Evidence run = make_run(2);
  add_distances(run, "near@1", {1, 2}).threat.eps = 1;
  add_distances(run, "near@2", {1, 2}).threat.eps = 2;
  EXPECT_FALSE(optimality(run, 0)->value);
  add_distances(run, "far", {1.5, 2});
  EXPECT_DOUBLE_EQ(*optimality(run, 0)->value, 1);
}

TEST(LocalOptimality, HasAReasonWhereTheBestDistancesAreAllTheSame) {
  Evidence run = make_run(2);
  add_distances(run, "near", {2, 2});
  add_distances(run, "far", {3, 3});
  for (const size_t cell : {0, 1}) {
    EXPECT_FALSE(optimality(run, cell)->value);
    EXPECT_FALSE(optimality(run, cell)->reason.empty());
  }
}

}  // namespace
}  // namespace assay

#include "harness/run/pace.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

Unit unit_of(Unit::Kind kind, size_t entry = 0) {
  Unit unit;
  unit.kind = kind;
  unit.entry = entry;
  return unit;
}

TEST(Pace, ATrainingWeighsMoreThanOutputs) {
  // One of 8 trainings took 60 s; 180 outputs of the thousandth part are left.
  Pace pace;
  const Unit train = unit_of(Unit::Kind::kTrain), outputs = unit_of(Unit::Kind::kOutputs);
  for (int i = 0; i < 8; ++i) pace.expect(train, 1000);
  for (int i = 0; i < 180; ++i) pace.expect(outputs, 1);
  EXPECT_EQ(pace.left_s(2), 0) << "nothing is known";
  pace.finish(train, 1000, 60);
  EXPECT_NEAR(pace.left_s(2), (7 * 60 + 180 * 0.06) / 2, 1e-9);
  EXPECT_NEAR(pace.left_s(100), 60 + 180 * 0.06 / 100, 1e-9) << "no unit is cut in two";
  // What units of the kind took counts for more than what they should.
  for (int i = 0; i < 7; ++i) pace.finish(train, 1000, 60);
  pace.finish(outputs, 1, 5);
  EXPECT_NEAR(pace.left_s(1), 179 * 5, 1e-9);
}

TEST(Pace, EntriesGoAtTheirOwnPaceOrElseAtTheKinds) {
  Pace pace;
  for (const size_t entry : {0, 0, 1, 1, 2}) pace.expect(unit_of(Unit::Kind::kBlock, entry), 10);
  pace.finish(unit_of(Unit::Kind::kBlock, 0), 10, 1);
  pace.finish(unit_of(Unit::Kind::kBlock, 1), 10, 9);
  EXPECT_NEAR(pace.left_s(1), 1 + 9 + 5, 1e-9);
}

TEST(Pace, WorkOfATrainingIsItsRowsTimesItsEpochs) {
  Plan plan;
  plan.audits.resize(1);
  plan.audits[0].training.resize(1000);
  plan.audits[0].shadows.recipe.epochs = 4;
  const double half = work_of(plan, unit_of(Unit::Kind::kTrain));
  plan.audits[0].shadows.train_records = 250;
  EXPECT_NEAR(work_of(plan, unit_of(Unit::Kind::kTrain)), half / 2, 1e-9);
  Unit outputs = unit_of(Unit::Kind::kOutputs);
  outputs.begin = 100;
  outputs.end = 600;
  EXPECT_GT(half, 10 * work_of(plan, outputs));
}

}  // namespace
}  // namespace assay

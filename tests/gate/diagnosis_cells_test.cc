#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/diagnosis.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_run;
using ::testing::Not;
using testing::Pattern;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

CellHeader& add(Evidence& run, const std::string& name, const std::string& attack, double eps,
                const Pattern& pattern, Access access = Access::kGradient) {
  CellHeader& cell = add_cell(run, name, pattern, eps);
  cell.attack = attack;
  cell.threat.access = access;
  cell.params = {{"steps", int64_t{attack == "fgsm" ? 1 : 40}}};
  cell.key_fields = {{"attack", attack},           {"norm", "linf"},
                     {"goal", "untargeted"},       {"access", std::string(to_string(access))},
                     {"eps", std::to_string(eps)}, {"params.steps", attack == "fgsm" ? "1" : "40"}};
  return cell;
}

std::vector<std::string> flags(const Evidence& run) {
  std::vector<std::string> list;
  for (const Flag& flag : diagnose_cells(view_evidence(run))) {
    list.push_back(flag.id + " " + flag.cell);
  }
  return list;
}

// Attacks without gradients against attacks with them.

TEST(BlackBox, ThatBreaksWhatTheWhiteBoxLeavesIsAFlagOnTheWhiteBox) {
  Evidence run = make_run(1000);
  add(run, "pgd", "pgd", 0.1, {{'B', 100}, {'R', 900}});
  add(run, "square", "square", 0.1, {{'B', 103}, {'R', 897}}, Access::kScore);
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box pgd"));
  const Flag flag = diagnose_cells(view_evidence(run))[0];
  EXPECT_THAT(flag.detail, HasSubstr("square without gradients broke 3 of 1000 samples"));
}

TEST(BlackBox, WithinAFifthOfAPercentIsNoFlag) {
  Evidence run = make_run(1000);
  add(run, "pgd", "pgd", 0.1, {{'B', 100}, {'R', 900}});
  add(run, "square", "square", 0.1, {{'B', 102}, {'R', 898}}, Access::kScore);
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(BlackBox, OneSampleIsNoFlagHoweverFewThereAre) {
  Evidence run = make_run(10);
  add(run, "pgd", "pgd", 0.1, {{'R', 10}});
  CellHeader& noise = add(run, "noise", "noise", 0.1, {{'B', 1}, {'R', 9}}, Access::kLabel);
  EXPECT_THAT(flags(run), IsEmpty());
  run.units.back().rows[1] = testing::make_row('B', 1, 1);
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box pgd"));
  noise.threat.eps = 0.2;
  EXPECT_THAT(flags(run), IsEmpty()) << "in a larger ball the black box may break more";
  noise.threat.eps = 0.1;
  noise.threat.norm = Norm::kL2;
  EXPECT_THAT(flags(run), IsEmpty()) << "norms are not comparable";
  noise.threat.norm = Norm::kLinf;
  noise.key_fields["goal"] = "targeted";
  EXPECT_THAT(flags(run), IsEmpty()) << "nor are goals";
}

TEST(BlackBox, WhatAnyWhiteBoxBreaksIsNotBeaten) {
  Evidence run = make_run(100);
  add(run, "weak", "pgd", 0.1, {{'R', 100}});
  add(run, "square", "square", 0.1, {{'B', 50}, {'R', 50}}, Access::kScore);
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box weak"));
  add(run, "strong", "apgd", 0.2, {{'B', 50}, {'R', 50}});
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(BlackBox, CellsOfAnotherShareOfEpsAreNotCompared) {
  Evidence run = make_run(100);
  add(run, "pgd", "pgd", 0.1, {{'R', 100}}).key_fields["sample_scale"] = "abc";
  add(run, "square", "square", 0.1, {{'B', 50}, {'R', 50}}, Access::kScore);
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[1].key_fields["sample_scale"] = "def";
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[1].key_fields["sample_scale"] = "abc";
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box pgd"));
}

TEST(BlackBox, WhatIsBrokenInAShareOfABallCanBeBrokenInTheWhole) {
  Evidence run = make_run(100);
  add(run, "pgd", "pgd", 0.1, {{'R', 100}});
  add(run, "square", "square", 0.1, {{'B', 50}, {'R', 50}}, Access::kScore)
      .key_fields["sample_scale"] = "abc";
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box pgd"));
  run.header.cells[0].threat.eps = 0.09;
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(BlackBox, AnUnconfirmedOrMissingRowIsNotLeftStanding) {
  Evidence run = make_run(100);
  add(run, "pgd", "pgd", 0.1, {{'U', 50}});
  add(run, "square", "square", 0.1, {{'B', 100}}, Access::kScore);
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(BlackBox, AnEnsemblesOwnBlackBoxStageCounts) {
  Evidence run = make_run(100);
  CellHeader& cell = add(run, "aa", "ensemble", 0.1, {{'B', 20}, {'R', 80}});
  cell.stages = {"apgd", "square"};
  cell.stage_access = {Access::kGradient, Access::kScore};
  for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = "apgd";
  EXPECT_THAT(flags(run), IsEmpty());
  for (size_t i = 0; i < 5; ++i) run.units.back().rows[i].breaking_attack = "square";
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box aa"));
  cell.stage_access = {Access::kScore, Access::kScore};
  EXPECT_THAT(flags(run), IsEmpty()) << "without a white-box stage nothing is beaten";
}

TEST(BlackBox, AStageBeforeTheFirstWhiteBoxOneBeatsNothing) {
  Evidence run = make_run(100);
  CellHeader& cell = add(run, "aa", "ensemble", 0.1, {{'B', 20}, {'R', 80}});
  cell.stages = {"square", "apgd"};
  cell.stage_access = {Access::kScore, Access::kGradient};
  for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = "square";
  EXPECT_THAT(flags(run), IsEmpty()) << "apgd never saw them";
  add(run, "pgd", "pgd", 0.1, {{'B', 10}, {'R', 90}});
  EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box aa")) << "pgd did";
  run.header.cells[1].threat.eps = 0.05;
  EXPECT_THAT(flags(run), IsEmpty()) << "in a smaller ball";
}

// An ensemble of apgd and then `second`, with 20 samples broken, each by the stage that is named.
CellHeader& add_ensemble(Evidence& run, const std::string& name, double eps,
                         const std::string& broken_by, const std::string& second = "square") {
  CellHeader& cell = add(run, name, "ensemble", eps, {{'B', 20}, {'R', 80}});
  cell.stages = {"apgd", second};
  cell.stage_access = {Access::kGradient, Access::kScore};
  cell.key_fields["params.stages.0.attack"] = "apgd";
  cell.key_fields["params.stages.1.attack"] = second;
  for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = broken_by;
  return cell;
}

// What matters is what gradients did in each of them, not what came of it all.
TEST(BlackBox, EnsemblesAndTheirRadiiDoNotSilenceEachOther) {
  Evidence run = make_run(100);
  add_ensemble(run, "aa@0.1", 0.1, "square");
  add_ensemble(run, "rapid", 0.1, "square");
  EXPECT_THAT(flags(run),
              ElementsAre("black_box_beats_white_box aa@0.1", "black_box_beats_white_box aa@0.1"));
  add_ensemble(run, "aa@0.2", 0.2, "square");
  EXPECT_EQ(flags(run).size(), 3u) << "the apgd of the larger ball left them, too";
  for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = "apgd";
  EXPECT_THAT(flags(run), IsEmpty()) << "it broke them";
}

TEST(BlackBox, WhatNoWhiteBoxStageEverSawIsNotLeftByIt) {
  Evidence run = make_run(100);
  for (const char* name : {"aa", "rapid"}) {
    CellHeader& cell = add_ensemble(run, name, 0.1, "square");
    std::swap(cell.stages[0], cell.stages[1]);
    std::swap(cell.stage_access[0], cell.stage_access[1]);
  }
  EXPECT_THAT(flags(run), IsEmpty());
}

// As a cell of their own they are compared, too: the sign is that gradients left what there is.
TEST(BlackBox, StagesThatTakeTheirPointsFromElsewhereCount) {
  for (const char* attack : {"rays", "transfer", "corpus"}) {
    Evidence run = make_run(100);
    CellHeader& cell = add_ensemble(run, "aa", 0.1, "then", attack);
    cell.stages[1] = "then";
    cell.stage_access[1] = Access::kLabel;
    EXPECT_THAT(flags(run), ElementsAre("black_box_beats_white_box aa")) << attack;
    for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = "apgd";
    EXPECT_THAT(flags(run), IsEmpty()) << attack;
  }
}

// One step against many.

TEST(SingleStep, ThatBreaksWhatIterationsLeaveIsAFlagOnTheIterations) {
  Evidence run = make_run(100);
  add(run, "fgsm", "fgsm", 0.1, {{'B', 30}, {'R', 70}});
  add(run, "pgd", "pgd", 0.1, {{'B', 30}, {'R', 70}});
  EXPECT_THAT(flags(run), IsEmpty());
  run.units.back().rows[0].status = Status::kRobust;
  run.units.back().rows[1].status = Status::kRobust;
  EXPECT_THAT(flags(run), ElementsAre("single_step_beats_iterative pgd"));
  run.header.cells[1].threat.eps = 0.05;
  EXPECT_THAT(flags(run), IsEmpty()) << "a smaller ball may hold less";
}

TEST(SingleStep, BeatsTheIterationsOfAnEnsembleWhateverItsOtherStagesBroke) {
  Evidence run = make_run(100);
  add(run, "fgsm", "fgsm", 0.1, {{'B', 20}, {'R', 80}});
  CellHeader& cell = add_ensemble(run, "aa", 0.1, "square");
  EXPECT_THAT(flags(run), Contains("single_step_beats_iterative aa"));
  cell.key_fields["params.stages.0.attack"] = "fgsm";
  EXPECT_THAT(flags(run), Not(Contains("single_step_beats_iterative aa")))
      << "no iteration left them";
  cell.key_fields["params.stages.0.attack"] = "apgd";
  for (size_t i = 0; i < 20; ++i) run.units.back().rows[i].breaking_attack = "apgd";
  EXPECT_THAT(flags(run), IsEmpty());
}

// Radii.

TEST(Radii, ASampleBrokenAtASmallOneStandsAtALargerOne) {
  Evidence run = make_run(100);
  add(run, "pgd@0.05", "pgd", 0.05, {{'B', 20}, {'R', 80}});
  add(run, "pgd@0.1", "pgd", 0.1, {{'R', 2}, {'B', 40}, {'R', 58}});
  EXPECT_THAT(flags(run), ElementsAre("not_monotone_in_eps pgd@0.1"));
  EXPECT_THAT(diagnose_cells(view_evidence(run))[0].detail,
              HasSubstr("2 of 100 samples that break in pgd@0.05"));
  run.units.back().rows[0].status = Status::kBroken;
  EXPECT_THAT(flags(run), IsEmpty()) << "one sample may fall the other way";
}

TEST(Radii, CellsThatDifferInMoreThanEpsAreNotCompared) {
  Evidence run = make_run(100);
  add(run, "pgd@0.05", "pgd", 0.05, {{'B', 100}});
  CellHeader& large = add(run, "pgd@0.1", "pgd", 0.1, {{'R', 100}});
  EXPECT_THAT(flags(run), ElementsAre("not_monotone_in_eps pgd@0.1"));
  large.key_fields["params.loss"] = "\"dlr\"";
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(Radii, ASingleStepMayOvershoot) {
  Evidence run = make_run(100);
  add(run, "fgsm@0.05", "fgsm", 0.05, {{'B', 50}, {'R', 50}});
  add(run, "fgsm@0.1", "fgsm", 0.1, {{'R', 100}});
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(Radii, AnIterativeWhiteBoxMustBreakAllInHalfOfTheBox) {
  Evidence run = make_run(100);
  add(run, "pgd", "pgd", 0.5, {{'B', 98}, {'R', 2}});
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd"));
  Evidence constant = run;
  for (Verdict& row : constant.units[0].rows) row.clean = 1;
  EXPECT_THAT(flags(constant), IsEmpty()) << "no input has another label";
  run.header.cells[0].threat.eps = 0.49;
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[0].threat.eps = 1.0;
  run.header.cells[0].threat.norm = Norm::kL2;
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd")) << "half of sqrt(4)";
  run.header.cells[0].threat.norm = Norm::kL1;
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[0].threat.eps = 2.0;
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd"));
  run.header.cells[0].threat.access = Access::kScore;
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[0].threat.access = Access::kGradient;
  run.header.cells[0].threat.goal = Goal::kTargeted;
  EXPECT_THAT(flags(run), IsEmpty()) << "no input need have the target's label";
  run.header.cells[0].threat.goal = Goal::kUntargeted;
  run.header.cells[0].threat.eps.reset();
  run.header.cells[0].threat.unbounded = true;
  EXPECT_THAT(flags(run), IsEmpty()) << "a perturbation set of its own need not hold the box";
}

TEST(Radii, AMinimumNormAttackMustFindEverySampleAtSomeDistance) {
  Evidence run = make_run(4);
  add_distances(run, "near", {0.1, 0.2, 0.3, -1});
  EXPECT_THAT(flags(run), IsEmpty());
  add_distances(run, "far", {0.1, 0.2, kInfinite, kInfinite});
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box far"));
  Evidence read = make_run(4);
  add_distances(read, "near@0.15", {0.1, 0.2, 0.3, 0.4}).threat.eps = 0.15;
  EXPECT_THAT(flags(read), IsEmpty()) << "beyond the radius is not the same as not found";
}

// Budgets.

TEST(Budgets, ALargerOneThatBreaksSignificantlyMoreIsAFlagOnTheSmaller) {
  Evidence run = make_run(200);
  add(run, "pgd40", "pgd", 0.1, {{'B', 20}, {'R', 180}});
  CellHeader& larger = add(run, "pgd80", "pgd", 0.1, {{'B', 30}, {'R', 170}});
  EXPECT_THAT(flags(run), IsEmpty()) << "with the same budget neither is at fault";
  larger.params["steps"] = int64_t{80};
  larger.key_fields["params.steps"] = "80";
  EXPECT_THAT(flags(run), ElementsAre("budget_not_exhausted pgd40"));
  EXPECT_THAT(diagnose_cells(view_evidence(run))[0].advice, HasSubstr("gate on pgd80"));
  larger.params["restarts"] = int64_t{2};
  larger.key_fields["params.restarts"] = "2";
  run.header.cells[0].params["restarts"] = int64_t{5};
  run.header.cells[0].key_fields["params.restarts"] = "5";
  EXPECT_THAT(flags(run), IsEmpty()) << "more steps and fewer restarts is no larger budget";
}

TEST(Budgets, ThoseOfStagesCountAsAnyOthers) {
  Evidence run = make_run(200);
  for (const char* name : {"few", "many"}) {
    const bool few = name == std::string("few");
    CellHeader& cell =
        add(run, name, "ensemble", 0.1, {{'B', few ? 20 : 30}, {'R', few ? 180 : 170}});
    cell.params = {{"apgd.steps", int64_t{few ? 10 : 100}}, {"square.queries", int64_t{500}}};
    cell.key_fields.erase("params.steps");
    cell.key_fields["params.stages.0.steps"] = few ? "10" : "100";
    cell.key_fields["params.stages.1.queries"] = "500";
  }
  EXPECT_THAT(flags(run), ElementsAre("budget_not_exhausted few"));
  CellHeader& many = run.header.cells[1];
  many.params["square.queries"] = int64_t{400};
  many.key_fields["params.stages.1.queries"] = "400";
  EXPECT_THAT(flags(run), IsEmpty()) << "fewer queries of the other stage are no larger budget";
}

TEST(Budgets, TargetsRoundsSearchesAndPairsAreBudgets) {
  for (const std::string name : {"targets", "rounds", "searches", "pairs"}) {
    Evidence run = make_run(200);
    add(run, "few", "apgd", 0.1, {{'B', 20}, {'R', 180}});
    CellHeader& many = add(run, "many", "apgd", 0.1, {{'B', 30}, {'R', 170}});
    many.params[name] = int64_t{9};
    many.key_fields["params." + name] = "9";
    EXPECT_THAT(flags(run), ElementsAre("budget_not_exhausted few")) << name;
  }
}

TEST(Budgets, ChanceAndHalfAPercentAreNoFlag) {
  Evidence run = make_run(1000);
  add(run, "pgd40", "pgd", 0.1, {{'B', 100}, {'R', 900}});
  CellHeader& larger = add(run, "pgd80", "pgd", 0.1, {{'B', 105}, {'R', 895}});
  larger.params["steps"] = int64_t{80};
  larger.key_fields["params.steps"] = "80";
  EXPECT_THAT(flags(run), IsEmpty()) << "5 of 1000";
  Evidence mixed = make_run(100);
  add(mixed, "pgd40", "pgd", 0.1, {{'B', 10}, {'R', 90}});
  CellHeader& other = add(mixed, "pgd80", "pgd", 0.1, {{'R', 8}, {'B', 12}, {'R', 80}});
  other.params["steps"] = int64_t{80};
  other.key_fields["params.steps"] = "80";
  EXPECT_THAT(flags(mixed), IsEmpty()) << "10 gained and 8 lost is chance";
}

// Samples that an attack had no point for.

TEST(Untried, SamplesThatStandAreAFlag) {
  Evidence run = make_run(10);
  CellHeader& corpus = add(run, "corpus", "corpus", 0.1, {{'B', 2}, {'R', 8}}, Access::kLabel);
  corpus.threat.goal = Goal::kTargeted;
  corpus.threat.target = {Target::Kind::kLabel, run.header.samples[6].label};
  EXPECT_THAT(flags(run), IsEmpty());
  run.units[1].rows[5].queries = 0;
  run.units[1].rows[6].queries = 0;
  EXPECT_THAT(flags(run), ElementsAre("not_attacked corpus"));
  EXPECT_THAT(diagnose_cells(view_evidence(run))[0].detail, HasSubstr("1 of 10 samples"));
}

TEST(WholeBox, IsOutOfReachWhereFeaturesAreHeldStill) {
  Evidence run = make_run(100);
  add(run, "pgd", "pgd", 0.5, {{'B', 50}, {'R', 50}});
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd"));
  run.header.cells[0].key_fields["sample_scale"] = "abc";
  EXPECT_THAT(flags(run), IsEmpty()) << "nor where samples have less than eps";
  run.header.cells[0].key_fields.erase("sample_scale");
  run.header.cells[0].key_fields["fixed"] = "0 1";
  EXPECT_THAT(flags(run), IsEmpty());
}

TEST(WholeBox, WhatAnotherCellBrokeWithTheSameFeaturesHeldCanBeBroken) {
  Evidence run = make_run(4);
  add_distances(run, "near", {0.1, 0.2, kInfinite, kInfinite}).key_fields["fixed"] = "0";
  EXPECT_THAT(flags(run), IsEmpty()) << "they may all be out of reach";
  add_distances(run, "far", {0.3, 0.3, 0.9, 0.9}).key_fields["fixed"] = "0 1";
  EXPECT_THAT(flags(run), IsEmpty());
  run.header.cells[1].key_fields["fixed"] = "0";
  ASSERT_THAT(flags(run), ElementsAre("survives_whole_box near"));
  EXPECT_THAT(diagnose_cells(view_evidence(run))[0].detail, HasSubstr("another attack breaks"));
}

TEST(WholeBox, HoldsEveryTargetThatTheModelGivesToSomeSample) {
  Evidence run = make_run(100);
  CellHeader& cell = add(run, "pgd", "pgd", 0.5, {{'B', 80}, {'R', 20}});
  cell.threat.goal = Goal::kTargeted;
  EXPECT_THAT(flags(run), IsEmpty()) << "the model gives label 3 to none";
  cell.threat.target = {Target::Kind::kLabel, 1};
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd"));
  cell.threat.target = {};
  run.header.classes = 3;
  EXPECT_THAT(flags(run), ElementsAre("survives_whole_box pgd"));
  for (size_t i = 85; i < 100; ++i) run.units[1].rows[i] = testing::make_row('B', i, 0);
  EXPECT_THAT(flags(run), IsEmpty()) << "one label of many may be hard to reach";
}

}  // namespace
}  // namespace assay

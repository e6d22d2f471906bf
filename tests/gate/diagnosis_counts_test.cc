#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/diagnosis.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_run;
using ::testing::Not;

std::vector<std::string> ids(const std::vector<Flag>& flags) {
  std::vector<std::string> list;
  for (const Flag& flag : flags) list.push_back(flag.id);
  return list;
}

// A run with one cell whose only unit counted this.
Evidence run_with(const Diagnosis& diagnosis) {
  Evidence run = make_run(20);
  add_cell(run, "pgd", {{'R', 20}});
  run.units.back().diagnosis = diagnosis;
  return run;
}

std::vector<Flag> flags_of_counts(const Diagnosis& diagnosis) {
  const Evidence run = run_with(diagnosis);
  return diagnose_counts(view_evidence(run));
}

TEST(DiagnosisCounts, NothingCountedRaisesNothing) { EXPECT_THAT(flags_of_counts({}), IsEmpty()); }

TEST(DiagnosisCounts, MoreThanATenthOfZeroGradientsIsAFlagWithItsShare) {
  EXPECT_THAT(flags_of_counts({.gradients = 100, .zero_gradients = 10}), IsEmpty());
  const std::vector<Flag> flags = flags_of_counts({.gradients = 100, .zero_gradients = 11});
  ASSERT_THAT(ids(flags), ElementsAre("zero_gradient"));
  EXPECT_EQ(flags[0].cell, "pgd");
  EXPECT_THAT(flags[0].detail, HasSubstr("11 of 100 gradients (11%)"));
  EXPECT_THAT(flags[0].advice, HasSubstr("score access"));
}

TEST(DiagnosisCounts, OneNonfiniteGradientIsEnough) {
  const std::vector<Flag> flags =
      flags_of_counts({.gradients = 3000, .nonfinite_gradients = 1, .standing = 20, .blinded = 1});
  ASSERT_THAT(ids(flags), ElementsAre("nonfinite_gradient"));
  EXPECT_THAT(flags[0].detail, AllOf(HasSubstr("1 of 3000 gradients"),
                                     HasSubstr("1 of 20 samples (5%) left standing")));
}

TEST(DiagnosisCounts, OneSampleWithoutAStartIsEnough) {
  EXPECT_THAT(flags_of_counts({.standing = 20}), IsEmpty());
  const std::vector<Flag> flags = flags_of_counts({.standing = 20, .unstarted = 1});
  ASSERT_THAT(ids(flags), ElementsAre("no_starting_point"));
  EXPECT_EQ(flags[0].cell, "pgd");
  EXPECT_THAT(flags[0].detail, HasSubstr("1 of 20 samples (5%) left standing"));
  EXPECT_THAT(flags[0].advice, HasSubstr("more starts"));
}

TEST(DiagnosisCounts, SilentSuccessTellsHowOftenTheAttackMissedIt) {
  EXPECT_THAT(flags_of_counts({.broken = 12}), IsEmpty());
  const std::vector<Flag> flags = flags_of_counts({.broken = 12, .silent = 4});
  ASSERT_THAT(ids(flags), ElementsAre("silent_success"));
  EXPECT_THAT(flags[0].detail, HasSubstr("4 of 12 samples (33.3%)"));
}

TEST(DiagnosisCounts, IncompleteOptimisationNeedsMoreThanAFewSamplesAndATenth) {
  EXPECT_THAT(flags_of_counts({.standing = 9, .traced = 9, .unfinished = 2}), IsEmpty());
  EXPECT_THAT(flags_of_counts({.standing = 30, .traced = 30, .unfinished = 3}), IsEmpty());
  EXPECT_THAT(ids(flags_of_counts({.standing = 30, .traced = 29, .unfinished = 3})),
              ElementsAre("incomplete_optimisation"));
}

TEST(DiagnosisCounts, OneSampleWithTooFewStepsToTellIsAnIncompleteOptimisation) {
  const std::vector<Flag> flags =
      flags_of_counts({.standing = 20, .traced = 19, .unfinished = 9, .hasty = 1});
  ASSERT_THAT(ids(flags), ElementsAre("incomplete_optimisation"));
  EXPECT_THAT(flags[0].detail, HasSubstr("1 of 20 samples (5%) no run of the attack had 10 steps"));
}

TEST(DiagnosisCounts, OneSampleThatWithstandsTheWholeBoxIsEnough) {
  EXPECT_THAT(flags_of_counts({.boxed = 8}), IsEmpty());
  const std::vector<Flag> flags = flags_of_counts({.boxed = 8, .withstood = 1});
  ASSERT_THAT(ids(flags), ElementsAre("survives_whole_box"));
  EXPECT_THAT(flags[0].detail, HasSubstr("1 of 8 samples"));
}

TEST(DiagnosisCounts, AModelThatAlwaysAnswersTheSameWithstandsForNoOtherReason) {
  Evidence run = run_with({.boxed = 8, .withstood = 8});
  for (Verdict& row : run.units[0].rows) row.clean = 1;
  EXPECT_THAT(diagnose_counts(view_evidence(run)), IsEmpty());
  run.units[0].rows[3].clean = 2;
  EXPECT_THAT(ids(diagnose_counts(view_evidence(run))), ElementsAre("survives_whole_box"));
}

TEST(DiagnosisCounts, UnstablePredictionsConcernTheWholeRun) {
  Evidence run = run_with({});
  run.units[0].diagnosis = {.surrounded = 20, .unstable = 3};
  const std::vector<Flag> flags = diagnose_counts(view_evidence(run));
  ASSERT_THAT(ids(flags), ElementsAre("unstable_predictions"));
  EXPECT_EQ(flags[0].cell, "");
  for (const auto& [surrounded, unstable] : {std::pair(20, 2), std::pair(3, 2), std::pair(1, 1)}) {
    run.units[0].diagnosis = {.surrounded = surrounded, .unstable = unstable};
    EXPECT_THAT(diagnose_counts(view_evidence(run)), IsEmpty()) << surrounded;
  }
  run.units[0].diagnosis = {.surrounded = 2, .unstable = 2};
  EXPECT_THAT(ids(diagnose_counts(view_evidence(run))), ElementsAre("unstable_predictions"))
      << "all that a small run looks at";
}

TEST(DiagnosisCounts, CliffsBeforeMoreThanTwoThirdsOfTheSamplesAreUnstablePredictions) {
  Evidence run = run_with({});
  for (const auto& [approached, cliffs] : {std::pair(20, 14), std::pair(5, 4), std::pair(4, 4)}) {
    run.units[0].diagnosis = {.surrounded = 20, .approached = approached, .cliffs = cliffs};
    const std::vector<Flag> flags = diagnose_counts(view_evidence(run));
    ASSERT_THAT(ids(flags), ElementsAre("unstable_predictions")) << approached;
    EXPECT_EQ(flags[0].cell, "");
    EXPECT_THAT(flags[0].detail, HasSubstr(std::to_string(cliffs) + " of "));
  }
  for (const auto& [approached, cliffs] : {std::pair(20, 13), std::pair(6, 4), std::pair(3, 3)}) {
    run.units[0].diagnosis = {.surrounded = 20, .approached = approached, .cliffs = cliffs};
    EXPECT_THAT(diagnose_counts(view_evidence(run)), IsEmpty()) << approached;
  }
  // A run shows one flag of an id.
  run.units[0].diagnosis = {.surrounded = 20, .unstable = 19, .approached = 18, .cliffs = 17};
  const std::vector<Flag> both = diagnose_counts(view_evidence(run));
  ASSERT_THAT(ids(both), ElementsAre("unstable_predictions"));
  EXPECT_THAT(both[0].detail, AllOf(HasSubstr("19 of 20"), HasSubstr("17 of 18")));
  EXPECT_THAT(both[0].advice, AllOf(HasSubstr("eot"), HasSubstr("saturated")));
}

// Cut into units in another way, the same counts give the same flags: no unit decides by itself.
TEST(DiagnosisCounts, AddUpOverTheUnitsOfACell) {
  Evidence run = run_with({.gradients = 10, .zero_gradients = 10});
  UnitResult more = run.units.back();
  more.key = "unit-pgd-2";
  more.rows.clear();
  more.diagnosis = {.gradients = 90};
  run.units.push_back(more);
  run.header.cells[0].units.push_back(more.key);
  EXPECT_THAT(diagnose_counts(view_evidence(run)), IsEmpty()) << "10 of 100 are no flag";
  run.units.back().diagnosis.zero_gradients = 1;
  EXPECT_THAT(ids(diagnose_counts(view_evidence(run))), ElementsAre("zero_gradient"));
}

TEST(DiagnosisCounts, CellsThatShareUnitsAreBothFlaggedAndAnEntryOnce) {
  Evidence run = run_with({.boxed = 4, .withstood = 4});
  CellHeader twin = run.header.cells[0];
  twin.name = "twin";
  run.header.cells.push_back(twin);
  const std::vector<Flag> both = diagnose_counts(view_evidence(run));
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[1].cell, "twin") << "else `flags: clear` on the twin would pass";

  Evidence near = make_run(3);
  add_distances(near, "near@0.1", {0.1, 0.2, 0.3});
  near.units.back().diagnosis = {.gradients = 2, .zero_gradients = 2};
  CellHeader other = near.header.cells[0];
  other.name = "near@0.2";
  near.header.cells.push_back(other);
  const std::vector<Flag> flags = diagnose_counts(view_evidence(near));
  ASSERT_EQ(flags.size(), 1U);
  EXPECT_EQ(flags[0].cell, "near");
}

TEST(DiagnosisCounts, AreGatedOnByFlagsClearAndListedInTheDecision) {
  Evidence run = run_with({.gradients = 4, .zero_gradients = 4});
  Suite suite = testing::make_suite(run);
  testing::add_rule(suite, "flags", RuleSpec::Kind::kFlagsClear, 0);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.rules[0].verdict, RuleResult::Verdict::kFail);
  EXPECT_THAT(decision.rules[0].reason, HasSubstr("zero_gradient: 4 of 4 gradients (100%)"));
  EXPECT_THAT(ids(decision.flags), ElementsAre("zero_gradient"));
  suite.rules[0].except = {"zero_gradient"};
  EXPECT_EQ(decide(suite, run, nullptr).rules[0].verdict, RuleResult::Verdict::kPass);
}

TEST(DiagnosisCounts, AFewSamplesOnWhichNoStepLedAnywhereAreEnough) {
  EXPECT_THAT(flags_of_counts({.standing = 20, .stalled = 1, .flat = 1}), IsEmpty());
  EXPECT_THAT(flags_of_counts({.standing = 1000, .stalled = 10}), IsEmpty());
  const std::vector<Flag> flags = flags_of_counts({.standing = 200, .stalled = 3});
  ASSERT_THAT(ids(flags), ElementsAre("stalled_optimisation"));
  EXPECT_THAT(flags[0].detail, HasSubstr("3 of 200 samples (1.5%) left standing than any step"));
  const std::vector<Flag> flat = flags_of_counts({.standing = 200, .flat = 3});
  ASSERT_THAT(ids(flat), ElementsAre("stalled_optimisation"));
  EXPECT_THAT(flat[0].detail, HasSubstr("piecewise constant"));
  EXPECT_THAT(flat[0].advice, HasSubstr("labels alone"));
  const std::vector<Flag> masked =
      flags_of_counts({.gradients = 100, .zero_gradients = 11, .standing = 200, .flat = 3});
  ASSERT_THAT(ids(masked), ElementsAre("zero_gradient", "stalled_optimisation"));
  EXPECT_THAT(masked[0].advice, HasSubstr("labels alone")) << "no scores help there";
  EXPECT_THAT(flags_of_counts({.gradients = 100, .zero_gradients = 11, .standing = 200, .flat = 1})
                  .at(0)
                  .advice,
              HasSubstr("loss: margin"));
}

TEST(DiagnosisCounts, AStepAgainstMeanGradientsIsNamedWithTheSamplesLookedAt) {
  EXPECT_THAT(flags_of_counts({.standing = 200, .stalled = 2, .averaged = 5, .turned = 2}),
              IsEmpty());
  const auto detail = [](const Diagnosis& diagnosis) {
    const std::vector<Flag> flags = flags_of_counts(diagnosis);
    EXPECT_THAT(ids(flags), ElementsAre("stalled_optimisation"));
    return flags.empty() ? "" : flags[0].detail;
  };
  const std::string turned = detail({.standing = 200, .stalled = 12, .averaged = 48, .turned = 12});
  EXPECT_THAT(turned, HasSubstr("breaks 12 of 48 samples (25%) looked at"));
  EXPECT_THAT(turned, Not(HasSubstr("of 200")));
  EXPECT_THAT(detail({.standing = 200, .stalled = 20, .averaged = 48, .turned = 12}),
              AllOf(HasSubstr("nearer to breaking 8 of 200 samples (4%) left standing"),
                    HasSubstr("; one step"), HasSubstr("12 of 48")));
  const auto advice = [](const Diagnosis& diagnosis) {
    return flags_of_counts(diagnosis).at(0).advice;
  };
  EXPECT_THAT(advice({.standing = 200, .stalled = 12, .averaged = 48, .turned = 12}),
              HasSubstr("restarts"));
  EXPECT_THAT(advice({.standing = 200, .stalled = 12, .averaged = 48}), Not(HasSubstr("restarts")));
}

TEST(DiagnosisCounts, SamplesThatSawNothingButZeroGradientsAreNamed) {
  EXPECT_THAT(flags_of_counts({.gradients = 9000, .standing = 200, .unguided = 2}), IsEmpty());
  const std::vector<Flag> flags =
      flags_of_counts({.gradients = 9000, .zero_gradients = 300, .standing = 200, .unguided = 3});
  ASSERT_THAT(ids(flags), ElementsAre("zero_gradient"));
  EXPECT_THAT(flags[0].detail, HasSubstr("all that it saw of 3 of 200 samples (1.5%)"));
}

TEST(DiagnosisCounts, WhereSoundAttacksMayFailInTheWholeBoxOneProbeIsNotEnough) {
  Evidence run = run_with({.boxed = 4, .withstood = 1});
  const auto found = [&] { return ids(diagnose_counts(view_evidence(run))); };
  EXPECT_THAT(found(), ElementsAre("survives_whole_box"));
  run.header.cells[0].key_fields["fixed"] = "3";
  EXPECT_THAT(found(), IsEmpty());
  run.units.back().diagnosis.withstood = 2;
  EXPECT_THAT(found(), ElementsAre("survives_whole_box"));
  run.units.back().diagnosis.boxed = 20;
  EXPECT_THAT(found(), IsEmpty()) << "a tenth";
  run.units.back().diagnosis.withstood = 20;
  run.header.cells[0].key_fields.erase("fixed");
  run.header.cells[0].threat.goal = Goal::kTargeted;
  EXPECT_THAT(found(), IsEmpty()) << "no clean input has label 3";
  run.header.cells[0].threat.target = {Target::Kind::kLabel, 1};
  EXPECT_THAT(found(), ElementsAre("survives_whole_box"));
}

}  // namespace
}  // namespace assay

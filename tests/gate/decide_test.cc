#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/decision.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_rule;
using testing::make_run;
using testing::make_suite;
using testing::miss_clean;
using testing::Pattern;
using testing::run_of;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;
using ::testing::HasSubstr;

/// Robust at least 0.4, which 80 of 100 pass.
Suite plain_suite(const Evidence& run) {
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.4);
  return suite;
}

TEST(Decide, PassesOnlyIfEveryRulePassesOnEveryCell) {
  Evidence run = make_run(100);
  add_cell(run, "good", {{'R', 80}, {'B', 20}});
  EXPECT_EQ(decide(plain_suite(run), run, nullptr).outcome, Outcome::kPass);
  add_cell(run, "open", {{'R', 42}, {'B', 58}});
  const Decision open = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(open.outcome, Outcome::kInconclusive);
  EXPECT_THAT(open.reason, HasSubstr("1 of 2 rules inconclusive: open robust_accuracy"));
  add_cell(run, "bad", {{'R', 10}, {'B', 90}});
  const Decision failed = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(failed.outcome, Outcome::kFail) << "fail beats inconclusive";
  EXPECT_THAT(failed.reason, HasSubstr("1 of 3 rules failed: bad robust_accuracy"));
  EXPECT_EQ(failed.rules_decided, 2);
  ASSERT_EQ(failed.rules.size(), 3u);
  EXPECT_EQ(failed.rules[2].cell, "bad");
}

TEST(Decide, APairedRuleSaysWhichCellsItPassesOver) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", {{'R', 80}, {'B', 20}});
  add_cell(run, "corpus", {{'R', 90}, {'B', 10}});
  Suite suite = make_suite(run);
  AttackSpec pgd, corpus;
  pgd.attack = "pgd";
  corpus.attack = "corpus";
  suite.attacks = {pgd, corpus};
  suite.cells[1].spec = 1;
  RuleSpec& rule = add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.1);
  rule.selector = "*";
  rule.cells = {0};
  const Decision decision = decide(suite, run, &run);
  ASSERT_EQ(decision.rules.size(), 2u);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kPass);
  EXPECT_EQ(decision.rules[1].cell, "corpus");
  EXPECT_EQ(decision.rules[1].verdict, Judged::kNotApplicable);
  EXPECT_THAT(decision.rules[1].reason, HasSubstr("points come from the corpus"));
  EXPECT_EQ(decision.rules_not_applicable, 1);
  EXPECT_EQ(decision.outcome, Outcome::kPass);
}

TEST(Decide, AGateThatChecksNothingNeverPasses) {
  const Evidence run = run_of(10, {{'R', 10}});
  const Decision none = decide(make_suite(run), run, nullptr);
  EXPECT_EQ(none.outcome, Outcome::kInconclusive);
  EXPECT_THAT(none.reason, HasSubstr("checks nothing"));
  const Evidence empty = make_run(0);
  EXPECT_EQ(decide(make_suite(empty), empty, nullptr).outcome, Outcome::kInconclusive);
}

TEST(Decide, NoSamplesAreInconclusiveNeverAPass) {
  const Evidence run = run_of(0, {});
  Suite suite = plain_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
  EXPECT_FALSE(decision.clean_accuracy.has_value());
}

TEST(Decide, EveryOutcomeHasItsExitCode) {
  EXPECT_EQ(static_cast<int>(exit_code(Outcome::kPass)), 0);
  EXPECT_EQ(static_cast<int>(exit_code(Outcome::kFail)), 1);
  EXPECT_EQ(static_cast<int>(exit_code(Outcome::kIncomplete)), 3);
  EXPECT_EQ(static_cast<int>(exit_code(Outcome::kInconclusive)), 4);
  EXPECT_EQ(static_cast<int>(exit_code(Outcome::kRefused)), 5);
  EXPECT_EQ(to_string(Outcome::kIncomplete), "incomplete");
  EXPECT_EQ(to_string(Judged::kNotApplicable), "not_applicable");
}

TEST(CandidateFault, FailsWhateverTheRulesSayAndNamesTheSamples) {
  Evidence run = run_of(100, {{'R', 95}, {'E', 5}});
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kPass);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_THAT(decision.reason,
              HasSubstr("failed on 5 samples: sample 95 in pgd (non-finite output), sample 96"));
  EXPECT_EQ(decide(make_suite(run), run, nullptr).outcome, Outcome::kFail) << "without rules too";
}

TEST(CandidateFault, InTheCleanPassFailsToo) {
  Evidence run = run_of(100, {{'R', 100}});
  run.units[0].rows[7].status = Status::kError;
  run.units[0].rows[7].cause = Cause::kCandidate;
  run.units[0].rows[7].clean = -1;
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_THAT(decision.reason, HasSubstr("sample 7 in the clean pass"));
  EXPECT_DOUBLE_EQ(*decision.clean_accuracy, 0.99);
}

TEST(HostFault, LeavesTheRunIncompleteAndBeatsAFailure) {
  const Evidence run = run_of(100, {{'B', 98}, {'E', 1}, {'H', 1}});
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kIncomplete);
  EXPECT_THAT(decision.reason, HasSubstr("cell pgd has samples without a verdict"));
  EXPECT_EQ(decision.rules[0].verdict, Judged::kInconclusive);
  Evidence clean = run_of(100, {{'R', 100}});
  clean.units[0].rows[3].status = Status::kError;
  clean.units[0].rows[3].cause = Cause::kHost;
  EXPECT_EQ(decide(plain_suite(clean), clean, nullptr).outcome, Outcome::kIncomplete);
}

TEST(Incomplete, MissingUnitsAreNeverAPass) {
  Evidence run = run_of(100, {{'R', 100}});
  run.header.cells[0].units.push_back("never run");
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kIncomplete);
  EXPECT_THAT(decision.reason, HasSubstr("1 of 3 units missing"));
  EXPECT_FALSE(decision.cells[0].complete);
}

TEST(Incomplete, MissingRowsAreNeverAPass) {
  const Evidence run = run_of(100, {{'R', 99}});
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kIncomplete);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kInconclusive);
  EXPECT_EQ(decision.rules[0].reason, "incomplete: 1 of 100 samples without a verdict");
}

TEST(Incomplete, ACellWithoutUnitsIsNeverAPass) {
  Evidence run = run_of(100, {{'R', 100}});
  add_cell(run, "forgotten", {});
  run.header.cells[1].units.clear();
  run.units.pop_back();
  ASSERT_TRUE(run.complete());
  EXPECT_EQ(decide(plain_suite(run), run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(Incomplete, AnInterruptionGivesItsReason) {
  Evidence run = run_of(100, {{'R', 100}});
  run.interrupted = "time limit of 6h reached";
  const Decision decision = decide(plain_suite(run), run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kIncomplete);
  EXPECT_THAT(decision.reason, HasSubstr("time limit of 6h"));
}

Evidence ended_run() {
  Evidence run = run_of(100, {});
  run.units.pop_back();
  miss_clean(run, 90);
  run.ended_early = "clean_accuracy is 0.1";
  return run;
}

TEST(EndedEarly, TheCleanRulesDecideAndTheOthersWereNotRun) {
  const Evidence run = ended_run();
  Suite suite = plain_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.8);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kInconclusive);
  EXPECT_EQ(decision.rules[0].reason, "not run");
  EXPECT_EQ(decision.rules[1].verdict, Judged::kFail);
  EXPECT_FALSE(decision.cells[0].complete);
}

TEST(EndedEarly, NeverPassesWhenTheRulesAreChangedAfterwards) {
  const Evidence run = ended_run();
  Suite suite = make_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.01);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kPass);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
}

TEST(EndedEarly, WithAnIncompleteCleanPassIsIncomplete) {
  Evidence run = ended_run();
  run.units[0].rows.pop_back();
  EXPECT_EQ(decide(plain_suite(run), run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(CleanPassFailure, TellsTheRunnerToStopAndWhy) {
  Evidence run = run_of(100, {});
  run.units.pop_back();
  Suite suite = plain_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.8);
  EXPECT_EQ(clean_pass_failure(suite, run, nullptr), "");
  miss_clean(run, 15);  // 0.85 is open, not failed
  EXPECT_EQ(clean_pass_failure(suite, run, nullptr), "");
  miss_clean(run, 90);
  EXPECT_THAT(clean_pass_failure(suite, run, nullptr), HasSubstr("clean_accuracy is 0.1"));
  run.units.clear();
  EXPECT_EQ(clean_pass_failure(suite, run, nullptr), "") << "nothing is known yet";
}

TEST(CleanPassFailure, HeedsPairedRules) {
  Evidence run = run_of(100, {});
  run.units.pop_back();
  miss_clean(run, 50);
  const Evidence before = run_of(100, {{'R', 100}});
  Suite suite = make_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kMaxDrop, 0.05);
  EXPECT_THAT(clean_pass_failure(suite, run, &before), HasSubstr("clean_accuracy dropped by 0.5"));
  EXPECT_EQ(clean_pass_failure(suite, run, nullptr), "");
}

TEST(FirstRun, PairedRulesDoNotApplyAndAnotherMustDecide) {
  const Evidence run = run_of(100, {{'R', 80}, {'B', 20}});
  Suite suite = make_suite(run);
  suite.baseline = "none";
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.03);
  const Decision alone = decide(suite, run, nullptr);
  EXPECT_EQ(alone.rules[0].verdict, Judged::kNotApplicable);
  EXPECT_EQ(alone.outcome, Outcome::kInconclusive);
  EXPECT_EQ(alone.rules_decided, 0);
  EXPECT_EQ(alone.rules_not_applicable, 1);
  EXPECT_THAT(alone.cells[0].baseline_reason, HasSubstr("first run"));
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.4);
  EXPECT_EQ(decide(suite, run, nullptr).outcome, Outcome::kPass);
  suite.rules.back().limit = 0.8;
  EXPECT_EQ(decide(suite, run, nullptr).outcome, Outcome::kInconclusive);
}

TEST(Baseline, ARuleThatNeedsOneAndHasNoneIsInconclusive) {
  const Evidence run = run_of(100, {{'R', 80}, {'B', 20}});
  Suite suite = plain_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.03);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
  EXPECT_EQ(decision.rules[1].reason, "needs a baseline and there is none");
  EXPECT_THAT(decision.rules[1].hint, HasSubstr("--baseline none"));
}

TEST(Baseline, AnIncompleteOneIsRefused) {
  const Evidence run = run_of(100, {{'R', 100}});
  std::vector<Evidence> refused;
  refused.push_back(run_of(100, {{'R', 99}}));
  refused.push_back(run_of(100, {{'R', 99}, {'H', 1}}));
  refused.push_back(run);
  refused.back().interrupted = "SIGINT";
  refused.push_back(run);
  refused.back().header.cells[0].units.push_back("never run");
  refused.push_back(ended_run());
  for (const Evidence& baseline : refused) {
    try {
      decide(plain_suite(run), run, &baseline);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("incomplete"));
    }
  }
}

TEST(Baseline, ACandidateFaultInItIsTheIncumbentsAffair) {
  const Evidence run = run_of(100, {{'R', 100}});
  const Evidence before = run_of(100, {{'E', 50}, {'R', 50}});
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.05);
  EXPECT_EQ(decide(suite, run, &before).outcome, Outcome::kPass);
}

TEST(Decide, AnExtractionCellWithoutItsUnitsIsIncomplete) {
  Evidence run = make_run(10);
  CellHeader& cell = add_cell(run, "steal", {});
  cell.family = Family::kExtraction;
  run.units.pop_back();
  EXPECT_EQ(decide(make_suite(run), run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(Decide, ACellThatTheEvidenceLacksIsInconclusive) {
  const Evidence run = run_of(100, {{'R', 100}});
  Suite suite = make_suite(run);
  suite.cells.push_back({"later", 0, 0.1});
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.4);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
  EXPECT_EQ(decision.rules[1].cell, "later");
  EXPECT_EQ(decision.rules[1].verdict, Judged::kInconclusive);
}

TEST(Flags, AreCollectedOncePerIdAndCell) {
  Evidence run = run_of(100, {{'R', 100}});
  run.header.flags = {{"few_classes", "", "3 classes", ""}};
  run.units[1].flags = {{"zero_gradient", "", "64 of 64", ""}, {"zero_gradient", "", "9", ""}};
  const Decision decision = decide(plain_suite(run), run, nullptr);
  ASSERT_EQ(decision.flags.size(), 2u);
  EXPECT_EQ(decision.flags[1], (Flag{"zero_gradient", "pgd", "64 of 64", ""}));
}

TEST(Refuse, IsADecisionOfItsOwn) {
  const Decision decision = refuse("the file is no TorchScript module", {});
  EXPECT_EQ(decision.outcome, Outcome::kRefused);
  EXPECT_EQ(decision.reason, "the file is no TorchScript module");
  EXPECT_TRUE(decision.rules.empty());
}

}  // namespace
}  // namespace assay

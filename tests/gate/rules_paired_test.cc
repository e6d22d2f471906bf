#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "harness/gate/decision.h"
#include "harness/gate/statistics.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using testing::add_rule;
using testing::make_run;
using testing::make_suite;
using testing::Pattern;
using testing::run_of;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Decision compare(const Evidence& here, const Evidence& baseline, const std::string& metric,
                 Kind kind, double limit) {
  Suite suite = make_suite(here);
  add_rule(suite, metric, kind, limit);
  return decide(suite, here, &baseline);
}

// 1,000 samples, 25 lost, 12 gained: D = 0.013, Tango 0.00311 to 0.02368.
const Pattern kBefore = {{'R', 525}, {'B', 475}};
const Pattern kAfter = {{'B', 25}, {'R', 500}, {'R', 12}, {'B', 463}};

TEST(MaxDrop, IsNotThinnedBySamplesThatHaveTheTargetAlready) {
  Evidence here = run_of(300, {{'B', 300}});
  Evidence before = run_of(300, {{'R', 300}});
  for (Evidence* run : {&here, &before}) {
    run->header.cells[0].threat.goal = Goal::kTargeted;
    run->header.cells[0].threat.target = {Target::Kind::kLabel, 2};
  }
  for (size_t i = 2; i < 300; i += 3) here.units[1].rows[i] = before.units[1].rows[i];
  const RuleResult rule = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.9).rules[0];
  EXPECT_EQ(rule.n, 200);
  EXPECT_DOUBLE_EQ(*rule.difference, 1);
  EXPECT_EQ(rule.verdict, Judged::kFail);
}

TEST(MaxDrop, PassesFailsAndStaysOpenByTangosBounds) {
  const Evidence here = run_of(1000, kAfter);
  const Evidence before = run_of(1000, kBefore);
  const Interval bounds = tango(25, 12, 1000, 0.95);
  for (const auto& [limit, expected] : {std::pair{bounds.upper, Judged::kPass},
                                        {bounds.upper - 1e-9, Judged::kInconclusive},
                                        {bounds.lower, Judged::kInconclusive},
                                        {bounds.lower - 1e-9, Judged::kFail},
                                        {0.0, Judged::kFail},
                                        {0.03, Judged::kPass}}) {
    const RuleResult rule =
        compare(here, before, "robust_accuracy", Kind::kMaxDrop, limit).rules[0];
    EXPECT_EQ(rule.verdict, expected) << limit;
    EXPECT_DOUBLE_EQ(*rule.value, 0.512);
    EXPECT_DOUBLE_EQ(*rule.baseline, 0.525);
    EXPECT_DOUBLE_EQ(*rule.difference, 0.013);
    EXPECT_DOUBLE_EQ(*rule.lower, bounds.lower);
    EXPECT_DOUBLE_EQ(*rule.upper, bounds.upper);
    EXPECT_EQ(rule.regressed, 25);
    EXPECT_EQ(rule.repaired, 12);
    EXPECT_EQ(rule.n, 1000);
  }
}

TEST(MaxDrop, AgainstARunOfAnotherDtypeNamesTheField) {
  const Evidence here = run_of(100, {{'R', 100}});
  Evidence before = here;
  before.header.float64 = true;
  const RuleResult rule = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.5).rules[0];
  EXPECT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.reason, HasSubstr("dtype float64 in the baseline, float32 here"));
}

TEST(MaxRise, IsMirrored) {
  const Evidence here = run_of(1000, kBefore);  // the other way round: a rise of 0.013
  const Evidence before = run_of(1000, kAfter);
  const Interval bounds = tango(25, 12, 1000, 0.95);
  for (const auto& [limit, expected] : {std::pair{bounds.upper, Judged::kPass},
                                        {bounds.upper - 1e-9, Judged::kInconclusive},
                                        {bounds.lower - 1e-9, Judged::kFail}}) {
    const RuleResult rule =
        compare(here, before, "robust_accuracy", Kind::kMaxRise, limit).rules[0];
    EXPECT_EQ(rule.verdict, expected) << limit;
    EXPECT_DOUBLE_EQ(*rule.difference, 0.013);
    EXPECT_DOUBLE_EQ(*rule.lower, bounds.lower);
    EXPECT_DOUBLE_EQ(*rule.upper, bounds.upper);
    EXPECT_EQ(rule.regressed, 12);
  }
}

TEST(MaxDrop, ComparesSampleBySampleNotRateByRate) {
  // Equal rates, but every second sample changed sides: nothing is shown to 3 points.
  const Evidence here = run_of(200, {{'R', 100}, {'B', 100}});
  const Evidence same = run_of(200, {{'R', 100}, {'B', 100}});
  const Evidence other = run_of(200, {{'B', 100}, {'R', 100}});
  EXPECT_EQ(compare(here, same, "robust_accuracy", Kind::kMaxDrop, 0.03).rules[0].verdict,
            Judged::kPass);
  EXPECT_EQ(compare(here, other, "robust_accuracy", Kind::kMaxDrop, 0.03).rules[0].verdict,
            Judged::kInconclusive);
}

TEST(MaxDrop, NeverPassesByAnIntervalOfNoWidth) {
  const Evidence run = run_of(50, {{'R', 50}});
  EXPECT_EQ(compare(run, run, "robust_accuracy", Kind::kMaxDrop, 0).rules[0].verdict,
            Judged::kInconclusive);
  EXPECT_EQ(compare(run, run, "robust_accuracy", Kind::kMaxDrop, 0.03).rules[0].verdict,
            Judged::kInconclusive);
}

TEST(MaxDrop, CountsFaultsAndMisclassifiedAsLost) {
  const Evidence before = run_of(100, {{'R', 100}});
  const Evidence here = run_of(100, {{'M', 10}, {'E', 10}, {'R', 80}});
  const Decision decision = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.05);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kFail);
  EXPECT_EQ(decision.rules[0].regressed, 20);
  EXPECT_EQ(decision.cells[0].regressed.size(), 20u);
}

TEST(MaxDrop, ListsTheSamplesThatChanged) {
  const Evidence before = run_of(5, {{'R', 2}, {'B', 3}});
  const Evidence here = run_of(5, {{'R', 1}, {'B', 2}, {'R', 2}});
  const CellResult cell = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.5).cells[0];
  EXPECT_THAT(cell.regressed, ElementsAre(1));
  EXPECT_THAT(cell.repaired, ElementsAre(3, 4));
}

TEST(MaxDrop, OnCleanAccuracyUsesTheCleanPasses) {
  Evidence before = run_of(1000, {{'B', 1000}});
  Evidence here = run_of(1000, {{'B', 1000}});
  testing::miss_clean(here, 100);
  const Decision failed = compare(here, before, "clean_accuracy", Kind::kMaxDrop, 0.05);
  EXPECT_EQ(failed.outcome, Outcome::kFail);
  EXPECT_EQ(failed.rules[0].regressed, 100);
  EXPECT_DOUBLE_EQ(*failed.rules[0].value, 0.9);
  EXPECT_DOUBLE_EQ(*failed.baseline_clean_accuracy, 1);
  EXPECT_THAT(failed.rules[0].hint, HasSubstr("normalize"));
  testing::miss_clean(before, 100);
  EXPECT_EQ(compare(here, before, "clean_accuracy", Kind::kMaxDrop, 0.05).outcome, Outcome::kPass);
}

TEST(Vacuous, IsInconclusiveOrByWishNotApplicable) {
  const Evidence before = run_of(1000, {{'R', 10}, {'B', 990}});
  const Evidence here = run_of(1000, {{'B', 1000}});
  const double upper = clopper_pearson(10, 1000, 0.95).upper;
  Suite suite = make_suite(here);
  RuleSpec& rule = add_rule(suite, "robust_accuracy", Kind::kMaxDrop, upper);
  EXPECT_EQ(decide(suite, here, &before).rules[0].verdict, Judged::kInconclusive);
  EXPECT_EQ(decide(suite, here, &before).rules[0].reason, "vacuous");
  EXPECT_EQ(decide(suite, here, &before).outcome, Outcome::kInconclusive);
  EXPECT_THAT(decide(suite, here, &before).rules[0].hint, HasSubstr("vacuous: ok"));
  rule.limit = upper - 1e-9;
  EXPECT_NE(decide(suite, here, &before).rules[0].reason, "vacuous");
  rule.limit = upper;
  rule.vacuous_ok = true;
  const Decision accepted = decide(suite, here, &before);
  EXPECT_EQ(accepted.rules[0].verdict, Judged::kNotApplicable);
  EXPECT_EQ(accepted.rules_not_applicable, 1);
  EXPECT_EQ(accepted.outcome, Outcome::kInconclusive) << "nothing was decided";
}

TEST(Vacuous, LetsNoDropPassThatCouldNotHaveFailed) {
  // Without the rule this would pass: 2 of 300 lost, at most 5 points.
  const Evidence before = run_of(300, {{'R', 2}, {'B', 298}});
  const Evidence here = run_of(300, {{'B', 300}});
  ASSERT_LE(tango(2, 0, 300, 0.95).upper, 0.05);
  EXPECT_EQ(compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.05).outcome,
            Outcome::kInconclusive);
}

TEST(RegressionWithinMargin, IsAFlagNeverAFailure) {
  const Evidence here = run_of(1000, kAfter);
  const Evidence before = run_of(1000, kBefore);
  const Decision decision = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.03);
  EXPECT_EQ(decision.outcome, Outcome::kPass);
  ASSERT_EQ(decision.flags.size(), 1u);
  EXPECT_EQ(decision.flags[0].id, "regression_within_margin");
  EXPECT_EQ(decision.flags[0].cell, "pgd");
  EXPECT_THAT(decision.flags[0].detail, HasSubstr("0.013"));
  // Not significant: no flag. 4 lost, 2 gained has p = 0.23.
  const Evidence noise = run_of(1000, {{'B', 4}, {'R', 521}, {'R', 2}, {'B', 473}});
  EXPECT_TRUE(compare(noise, before, "robust_accuracy", Kind::kMaxDrop, 0.03).flags.empty());
  // Over the margin: the rule fails, and that says enough.
  const Decision failed = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.001);
  EXPECT_EQ(failed.outcome, Outcome::kFail);
  EXPECT_TRUE(failed.flags.empty());
  // An improvement is no regression.
  EXPECT_TRUE(compare(before, here, "robust_accuracy", Kind::kMaxDrop, 0.03).flags.empty());
}

TEST(PairedHints, NameTheSamplesNeededAndTheMarginThatTheseCanShow) {
  const Evidence here = run_of(100, {{'B', 3}, {'R', 57}, {'R', 3}, {'B', 37}});
  const Evidence before = run_of(100, {{'R', 60}, {'B', 40}});
  const RuleResult rule = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.03).rules[0];
  ASSERT_EQ(rule.verdict, Judged::kInconclusive);
  const int64_t needed = samples_for_margin(0.03, 0.06, 0.95);
  EXPECT_THAT(rule.hint, HasSubstr("about " + std::to_string(needed) + " samples"));
  const size_t at = rule.hint.find("can show max_drop ");
  ASSERT_NE(at, std::string::npos) << rule.hint;
  const double shown = std::stod(rule.hint.substr(at + 18));
  EXPECT_GE(shown, *rule.upper);
  EXPECT_LT(shown, *rule.upper + 2e-4);
  EXPECT_EQ(compare(here, before, "robust_accuracy", Kind::kMaxDrop, shown).rules[0].verdict,
            Judged::kPass);
}

TEST(Paired, RefusesAttackSuccessAndRelativeLimitsOnShares) {
  const Evidence run = run_of(1000, kBefore);
  EXPECT_EQ(compare(run, run, "attack_success", Kind::kMaxRise, 0.5).rules[0].verdict,
            Judged::kInconclusive);
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.05).relative = true;
  EXPECT_EQ(decide(suite, run, &run).rules[0].verdict, Judged::kInconclusive);
}

TEST(Paired, DoubtfulRowsOfTheBaselineMakeTheRuleInconclusive) {
  // An invalid row is not robust in the baseline, which would hide a regression.
  const Evidence here = run_of(1000, kBefore);
  for (const char kind : {'I', 'U'}) {
    const Evidence before = run_of(1000, {{kind, 100}, {'R', 425}, {'B', 475}});
    const RuleResult rule = compare(here, before, "robust_accuracy", Kind::kMaxDrop, 0.03).rules[0];
    EXPECT_EQ(rule.verdict, Judged::kInconclusive);
    EXPECT_THAT(rule.reason, HasSubstr("in the baseline 100 samples"));
  }
}

TEST(MaxDrop, LetsARealDropAtTheMarginPassRarely) {
  // 400 samples, true drop = margin = 5 points: a pass is an error, meant to happen to 5 %.
  std::mt19937_64 engine(4);
  constexpr int kRuns = 400;
  int passes = 0;
  for (int run = 0; run < kRuns; ++run) {
    Pattern before;
    Pattern after;
    for (int i = 0; i < 400; ++i) {
      const double u = static_cast<double>(engine() >> 11) * 0x1.0p-53;
      before.emplace_back(u < 0.6 ? 'R' : 'B', 1);
      after.emplace_back(u < 0.08 || u >= 0.63 ? 'B' : 'R', 1);  // 8 % lost, 3 % gained
    }
    const Decision decision =
        compare(run_of(400, after), run_of(400, before), "robust_accuracy", Kind::kMaxDrop, 0.05);
    passes += decision.outcome == Outcome::kPass ? 1 : 0;
  }
  EXPECT_LE(passes, kRuns * 0.09);  // 5 % and 3.5 standard errors
  EXPECT_GE(passes, kRuns * 0.01);  // and not by never passing anything
}

}  // namespace
}  // namespace assay

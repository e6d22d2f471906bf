#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "harness/gate/decision.h"
#include "harness/gate/statistics.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using testing::add_rule;
using testing::kInfinity;
using testing::make_run;
using testing::make_suite;
using testing::Pattern;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;
using ::testing::HasSubstr;

/// One rule on one cell of 100 samples.
RuleResult judge_one(const Pattern& pattern, const std::string& metric, Kind kind, double limit) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", pattern);
  Suite suite = make_suite(run);
  add_rule(suite, metric, kind, limit);
  return decide(suite, run, nullptr).rules.at(0);
}

TEST(AtLeast, PassesFailsAndStaysOpenByTheBoundsThatAreShown) {
  const Pattern half = {{'R', 50}, {'B', 50}};
  const Interval bounds = clopper_pearson(50, 100, 0.95);
  for (const auto& [limit, expected] : {std::pair{bounds.lower, Judged::kPass},
                                        {bounds.lower + 1e-9, Judged::kInconclusive},
                                        {0.5, Judged::kInconclusive},
                                        {bounds.upper, Judged::kInconclusive},
                                        {bounds.upper + 1e-9, Judged::kFail}}) {
    const RuleResult rule = judge_one(half, "robust_accuracy", Kind::kAtLeast, limit);
    EXPECT_EQ(rule.verdict, expected) << limit;
    EXPECT_DOUBLE_EQ(*rule.value, 0.5);
    EXPECT_DOUBLE_EQ(*rule.lower, bounds.lower);
    EXPECT_DOUBLE_EQ(*rule.upper, bounds.upper);
    EXPECT_EQ(rule.n, 100);
    EXPECT_EQ(rule.line, 30);
    EXPECT_EQ(rule.reason.empty(), expected == Judged::kPass);
  }
}

TEST(AtMost, IsMirrored) {
  const Pattern half = {{'R', 50}, {'B', 50}};
  const Interval bounds = clopper_pearson(50, 100, 0.95);
  EXPECT_EQ(judge_one(half, "attack_success", Kind::kAtMost, bounds.upper).verdict, Judged::kPass);
  EXPECT_EQ(judge_one(half, "attack_success", Kind::kAtMost, bounds.upper - 1e-9).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judge_one(half, "attack_success", Kind::kAtMost, bounds.lower).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judge_one(half, "attack_success", Kind::kAtMost, bounds.lower - 1e-9).verdict,
            Judged::kFail);
}

TEST(AtLeast, NeverPassesAtZeroOrAllByAnIntervalOfNoWidth) {
  EXPECT_EQ(judge_one({{'R', 100}}, "robust_accuracy", Kind::kAtLeast, 1).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judge_one({{'B', 100}}, "attack_success", Kind::kAtMost, 0.99).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judge_one({{'B', 100}}, "robust_accuracy", Kind::kAtMost, 0).verdict,
            Judged::kInconclusive);
}

TEST(AtLeast, UsesTheConfidenceOfTheRule) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", {{'R', 50}, {'B', 50}});
  Suite suite = make_suite(run);
  const double limit = clopper_pearson(50, 100, 0.8).lower;
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, limit).confidence = 0.8;
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, limit);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kPass);
  EXPECT_EQ(decision.rules[1].verdict, Judged::kInconclusive);
}

TEST(RobustAccuracy, CountsOnlyStatusRobust) {
  const RuleResult rule = judge_one({{'R', 40}, {'B', 30}, {'M', 20}, {'E', 10}}, "robust_accuracy",
                                    Kind::kAtLeast, 0.1);
  EXPECT_DOUBLE_EQ(*rule.value, 0.4);
  EXPECT_EQ(rule.n, 100);
}

TEST(AttackSuccess, IsOverTheRightlyClassifiedAndCountsFaultsAsBroken) {
  const RuleResult rule =
      judge_one({{'R', 40}, {'B', 30}, {'M', 20}, {'E', 10}}, "attack_success", Kind::kAtMost, 0.9);
  EXPECT_DOUBLE_EQ(*rule.value, 0.5);
  EXPECT_EQ(rule.n, 80);
}

TEST(AttackSuccess, IsAbsentWithAReasonWhereNothingIsRightlyClassified) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", {{'M', 100}});
  Suite suite = make_suite(run);
  add_rule(suite, "attack_success", Kind::kAtMost, 0.9);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
  EXPECT_FALSE(decision.rules[0].value.has_value());
  EXPECT_FALSE(decision.rules[0].lower.has_value());
  EXPECT_THAT(decision.rules[0].hint, HasSubstr("normalize"));
  const Estimate& estimate = decision.cells[0].metrics.at("attack_success");
  EXPECT_FALSE(estimate.value.has_value());
  EXPECT_EQ(estimate.n, 0);
  EXPECT_EQ(estimate.reason, "no sample is rightly classified");
}

TEST(InvalidAndUnconfirmed, MakeEveryRuleOnTheirCellInconclusive) {
  for (const char kind : {'I', 'U'}) {
    Evidence run = make_run(100);
    add_cell(run, "bad", {{'R', 99}, {kind, 1}});
    add_cell(run, "good", {{'R', 100}});
    Suite suite = make_suite(run);
    add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.1);
    add_rule(suite, "attack_success", Kind::kAtMost, 0.9);
    add_rule(suite, "robust_accuracy", Kind::kAtMost, 0.1);  // would fail
    add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.1);
    add_rule(suite, "flags", Kind::kFlagsClear, 0);
    const Decision decision = decide(suite, run, nullptr);
    for (const RuleResult& rule : decision.rules) {
      EXPECT_EQ(rule.verdict == Judged::kInconclusive, rule.cell == "bad")
          << rule.cell << ' ' << rule.metric;
      if (rule.cell == "bad") {
        EXPECT_THAT(rule.reason, HasSubstr(kind == 'I' ? "1 sample invalid" : "1 sample unconf"));
      }
    }
    EXPECT_DOUBLE_EQ(*decision.cells[0].metrics.at("robust_accuracy").value, 0.99);
  }
}

TEST(AbsoluteHints, NameTheSamplesNeededAndWhatTheseCanShow) {
  const RuleResult rule = judge_one({{'R', 45}, {'B', 55}}, "robust_accuracy", Kind::kAtLeast, 0.4);
  ASSERT_EQ(rule.verdict, Judged::kInconclusive);
  const int64_t needed = samples_for_limit(0.45, 0.4, 0.95);
  EXPECT_GT(needed, 100);
  EXPECT_THAT(rule.hint, HasSubstr("about " + std::to_string(needed) + " samples"));
  EXPECT_THAT(rule.hint, HasSubstr("can show at_least 0.3651"));
  // What the hint offers does pass.
  EXPECT_EQ(judge_one({{'R', 45}, {'B', 55}}, "robust_accuracy", Kind::kAtLeast, 0.3651).verdict,
            Judged::kPass);
}

TEST(AbsoluteHints, DoNotPromiseSamplesWhereNoneWouldDecide) {
  const RuleResult rule = judge_one({{'R', 40}, {'B', 60}}, "robust_accuracy", Kind::kAtLeast, 0.4);
  ASSERT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.hint, HasSubstr("no number of samples"));
}

TEST(CleanAccuracy, ComesFromTheCleanPassAndHintsAtPreprocessing) {
  Evidence run = make_run(100);
  testing::miss_clean(run, 90);
  add_cell(run, "pgd", {{'M', 90}, {'R', 10}});
  Suite suite = make_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.8);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_DOUBLE_EQ(*decision.rules[0].value, 0.1);
  EXPECT_DOUBLE_EQ(*decision.clean_accuracy, 0.1);
  EXPECT_THAT(decision.rules[0].hint, HasSubstr("normalize"));
  EXPECT_THAT(decision.rules[0].hint, HasSubstr("class order"));
  EXPECT_THAT(decision.rules[0].hint, HasSubstr("another `input.range`, such as [0, 255]"));
}

TEST(CleanAccuracy, HintsFirstAtASigmoidThatTheModelAppliesItself) {
  Evidence run = make_run(100);
  testing::miss_clean(run, 50);
  add_cell(run, "pgd", {{'M', 50}, {'R', 50}});
  run.header.flags = {{"softmax_output", "", "in [0, 1]", "export the model without its sigmoid"}};
  run.header.classes = 2;
  Suite suite = make_suite(run);
  add_rule(suite, "clean_accuracy", Kind::kAtLeast, 0.8);
  EXPECT_THAT(decide(suite, run, nullptr).rules[0].hint,
              ::testing::StartsWith("if this surprises: export the model without its sigmoid; "));
  run.header.classes = 10;  // whose highest answer is the same with a softmax
  EXPECT_THAT(decide(suite, run, nullptr).rules[0].hint, ::testing::Not(HasSubstr("sigmoid")));
}

/// One at_least or at_most rule on the median of these distances.
RuleResult judge_median(const std::vector<double>& distances, Kind kind, double limit) {
  Evidence run = make_run(static_cast<int64_t>(distances.size()));
  add_distances(run, "near", distances);
  Suite suite = make_suite(run);
  add_rule(suite, "median_distance", kind, limit);
  return decide(suite, run, nullptr).rules.at(0);
}

TEST(MedianDistance, IsDecidedByOrderStatistics) {
  std::vector<double> distances;
  for (int i = 1; i <= 20; ++i) distances.push_back(i);
  EXPECT_EQ(judge_median(distances, Kind::kAtLeast, 6).verdict, Judged::kPass);
  EXPECT_EQ(judge_median(distances, Kind::kAtLeast, 6.01).verdict, Judged::kInconclusive);
  EXPECT_EQ(judge_median(distances, Kind::kAtLeast, 15).verdict, Judged::kInconclusive);
  EXPECT_EQ(judge_median(distances, Kind::kAtLeast, 15.01).verdict, Judged::kFail);
  EXPECT_EQ(judge_median(distances, Kind::kAtMost, 15).verdict, Judged::kPass);
  EXPECT_EQ(judge_median(distances, Kind::kAtMost, 5.99).verdict, Judged::kFail);
}

TEST(MedianDistance, PassesAtLeastWhereTheLowerBoundIsInfinite) {
  const RuleResult rule = judge_median(std::vector<double>(20, kInfinity), Kind::kAtLeast, 1000);
  EXPECT_EQ(rule.verdict, Judged::kPass);
  EXPECT_FALSE(rule.value.has_value());
  EXPECT_FALSE(rule.lower.has_value());
  EXPECT_FALSE(rule.upper.has_value());
  EXPECT_THAT(rule.reason, HasSubstr("never broken")) << "why there is no value";
  const RuleResult most = judge_median(std::vector<double>(20, kInfinity), Kind::kAtMost, 1000);
  EXPECT_EQ(most.verdict, Judged::kFail);
  EXPECT_THAT(most.reason, HasSubstr("is infinite and at least infinite, over"));
}

TEST(MedianDistance, IsAbsentWithAReasonWhereHalfWereNeverBroken) {
  Evidence run = make_run(20);
  std::vector<double> distances(10, 0.5);
  distances.resize(20, kInfinity);
  add_distances(run, "near", distances);
  const Decision decision = decide(make_suite(run), run, nullptr);
  const Estimate& estimate = decision.cells[0].metrics.at("median_distance");
  EXPECT_FALSE(estimate.value.has_value());
  EXPECT_THAT(estimate.reason, HasSubstr("never broken"));
  EXPECT_EQ(estimate.lower, 0.5);
  EXPECT_FALSE(estimate.upper.has_value());
  EXPECT_EQ(estimate.n, 20);
}

TEST(MedianDistance, LeavesOutTheMisclassified) {
  std::vector<double> distances(20, 2);
  distances.insert(distances.end(), 30, -1);  // misclassified
  const RuleResult rule = judge_median(distances, Kind::kAtLeast, 2);
  EXPECT_EQ(rule.verdict, Judged::kPass);
  EXPECT_EQ(rule.n, 20);
}

TEST(MedianDistance, IsInconclusiveWithTooFewSamplesForBounds) {
  const RuleResult rule = judge_median({5, 5, 5, 5}, Kind::kAtLeast, 0.1);
  EXPECT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.hint, HasSubstr("5 samples or more"));
}

TEST(MedianDistance, HintsAtTheSamplesNeeded) {
  std::vector<double> distances(20, 1);
  std::fill_n(distances.begin(), 8, 0.1);
  const RuleResult rule = judge_median(distances, Kind::kAtLeast, 0.5);
  EXPECT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.hint, HasSubstr("would decide if 40% of the samples lie under 0.5"));
  EXPECT_THAT(rule.hint, HasSubstr("these 20 samples can show at_least 0.1"));
  // As many as it says, in the same proportion, do decide.
  const int64_t needed = std::stoll(rule.hint.substr(rule.hint.find_first_of("0123456789")));
  ASSERT_GT(needed, 20);
  std::vector<double> more(static_cast<size_t>(needed), 1);
  std::fill_n(more.begin(), needed * 2 / 5, 0.1);
  EXPECT_EQ(judge_median(more, Kind::kAtLeast, 0.5).verdict, Judged::kPass);
  std::fill_n(distances.begin(), 10, 0.1);
  EXPECT_THAT(judge_median(distances, Kind::kAtLeast, 0.5).hint,
              HasSubstr("no number of samples decides this if half of the samples lie under 0.5"));
}

TEST(MedianDistance, IsNotYieldedByCellsOfFixedRadius) {
  EXPECT_EQ(judge_one({{'B', 100}}, "median_distance", Kind::kAtLeast, 0).verdict,
            Judged::kInconclusive);
}

TEST(FlagsClear, LooksAtTheRunTheCellAndItsUnitsAndHeedsExceptions) {
  Evidence run = make_run(20);
  add_cell(run, "pgd@0.1", {{'R', 20}});
  add_cell(run, "fgsm", {{'R', 20}});
  Suite suite = make_suite(run);
  add_rule(suite, "flags", Kind::kFlagsClear, 0).except = {"few_classes"};
  const auto verdicts = [&] {
    const Decision decision = decide(suite, run, nullptr);
    return std::pair{decision.rules[0].verdict, decision.rules[1].verdict};
  };
  EXPECT_EQ(verdicts(), std::pair(Judged::kPass, Judged::kPass));
  run.header.flags = {{"few_classes", "", "", ""}};
  EXPECT_EQ(verdicts(), std::pair(Judged::kPass, Judged::kPass));
  run.header.flags.push_back({"eps_scale", "pgd@0.1", "", ""});
  EXPECT_EQ(verdicts(), std::pair(Judged::kFail, Judged::kPass));
  run.header.flags.back().cell = "pgd";  // raised for the entry
  EXPECT_EQ(verdicts(), std::pair(Judged::kFail, Judged::kPass));
  run.header.flags.back().cell = "pg";
  EXPECT_EQ(verdicts(), std::pair(Judged::kPass, Judged::kPass));
  run.header.flags.back().cell = "";
  EXPECT_EQ(verdicts(), std::pair(Judged::kFail, Judged::kFail));
  run.header.flags.clear();
  run.units[2].flags = {{"gradient_masking", "fgsm", "all gradients are 0", "try square"}};
  EXPECT_EQ(verdicts(), std::pair(Judged::kPass, Judged::kFail));
  const RuleResult rule = decide(suite, run, nullptr).rules[1];
  EXPECT_EQ(rule.reason, "flag gradient_masking: all gradients are 0");
  EXPECT_EQ(rule.hint, "try square");
}

TEST(UnknownMetric, IsInconclusiveNeverAPass) {
  const RuleResult rule = judge_one({{'R', 100}}, "robust_acuracy", Kind::kAtLeast, 0);
  EXPECT_EQ(rule.verdict, Judged::kInconclusive);
  EXPECT_THAT(rule.reason, HasSubstr("did you mean `robust_accuracy`"));
}

TEST(RobustAccuracy, OfACellThatTriedNothingIsInconclusiveNotAPass) {
  Evidence run = make_run(100);
  add_cell(run, "corpus", {{'R', 90}, {'M', 10}});
  for (Verdict& row : run.units.back().rows) row.queries = 0;
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.1);
  const Decision untried = decide(suite, run, nullptr);
  EXPECT_EQ(untried.rules.at(0).verdict, Judged::kInconclusive);
  EXPECT_THAT(untried.rules.at(0).reason, HasSubstr("no sample was attacked"));
  EXPECT_EQ(untried.outcome, Outcome::kInconclusive);
  for (Verdict& row : run.units.back().rows) row.queries = 1;
  EXPECT_EQ(decide(suite, run, nullptr).rules.at(0).verdict, Judged::kPass);
}

TEST(RobustAccuracy, OfPointsThatAnotherCellDidNotFindIsThatOfTheirTransfer) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", {{'R', 90}, {'B', 10}});
  add_cell(run, "there", {{'R', 100}}).params["source"] = std::string("pgd");
  std::vector<Verdict>& rows = run.units.back().rows;
  for (size_t i = 0; i < 90; ++i) rows[i].queries = 0;
  Suite suite = make_suite(run);
  add_rule(suite, "robust_accuracy", Kind::kAtLeast, 0.7);
  const auto verdict = [&] { return decide(suite, run, nullptr).rules.at(1).verdict; };
  EXPECT_EQ(verdict(), Judged::kPass) << "nothing was found there to be tried here";
  for (size_t i = 0; i < 90; ++i) run.units[1].rows[i].queries = 0;
  EXPECT_EQ(verdict(), Judged::kInconclusive) << "nor was anything tried there";
  run.header.cells[1].params["source"] = std::string("points.safetensors");
  EXPECT_EQ(verdict(), Judged::kInconclusive);
}

}  // namespace
}  // namespace assay

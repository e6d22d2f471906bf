// What a pass must not rest on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/decision.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_distances;
using testing::add_rule;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::kInfinity;
using testing::make_run;
using testing::make_suite;
using testing::miss_clean;
using testing::Pattern;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;

Evidence run_pattern(int64_t n, const Pattern& pattern) {
  Evidence run = make_run(n);
  add_cell(run, "pgd", pattern);
  return run;
}

RuleResult compared(const Evidence& here, const Evidence& baseline, const std::string& metric,
                    Kind kind, double limit) {
  Suite suite = make_suite(here);
  add_rule(suite, metric, kind, limit);
  return decide(suite, here, &baseline).rules.at(0);
}

void let_doubt(Verdict& row, Doubt doubt, double distance) {
  row.doubt = doubt;
  row.doubt_distance = distance;
}

// A file of adversarials may have one of a single sample.
TEST(RobustAccuracy, PassesOnlyIfItHoldsThoughUntriedSamplesBreak) {
  Evidence run = make_run(100);
  add_cell(run, "corpus", {{'R', 90}, {'B', 10}});
  std::vector<Verdict>& rows = run.units.back().rows;
  const auto judged = [&](const char* metric, Kind kind, double limit) {
    Suite suite = make_suite(run);
    add_rule(suite, metric, kind, limit);
    return decide(suite, run, nullptr).rules.at(0);
  };
  for (size_t i = 0; i < 20; ++i) rows[i].queries = 0;
  EXPECT_EQ(judged("robust_accuracy", Kind::kAtLeast, 0.5).verdict, Judged::kPass);
  const RuleResult open = judged("robust_accuracy", Kind::kAtLeast, 0.7);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.reason, HasSubstr("20 samples of 100 stand that no query tried"));
  EXPECT_NE(open.hint, "");
  EXPECT_EQ(open.value, 0.9) << "what was measured";
  EXPECT_EQ(judged("robust_accuracy", Kind::kAtLeast, 0.99).verdict, Judged::kFail);
  EXPECT_EQ(judged("attack_success", Kind::kAtMost, 0.5).verdict, Judged::kPass);
  EXPECT_EQ(judged("attack_success", Kind::kAtMost, 0.2).verdict, Judged::kInconclusive);
  for (size_t i = 1; i < 100; ++i) rows[i].queries = 0;
  EXPECT_EQ(judged("robust_accuracy", Kind::kAtLeast, 0.05).verdict, Judged::kInconclusive);
}

// Such a sample was attacked, and nothing led the attack anywhere.
TEST(RobustAccuracy, PassesOnlyIfItHoldsThoughSamplesWithoutAFiniteGradientBreak) {
  Evidence run = make_run(100);
  add_cell(run, "pgd", {{'R', 90}, {'B', 10}});
  const Evidence before = run;
  std::vector<Verdict>& rows = run.units.back().rows;
  const auto judged = [&](Kind kind, double limit) {
    Suite suite = make_suite(run);
    add_rule(suite, "robust_accuracy", kind, limit);
    return decide(suite, run, &before).rules.at(0);
  };
  EXPECT_EQ(judged(Kind::kMaxDrop, 0.05).verdict, Judged::kPass);
  for (size_t i = 0; i < 20; ++i) let_doubt(rows[i], Doubt::kBlind, 0);
  EXPECT_EQ(judged(Kind::kAtLeast, 0.5).verdict, Judged::kPass);
  const RuleResult open = judged(Kind::kAtLeast, 0.7);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.reason, HasSubstr("NaN or infinity at 20 samples of 100"));
  EXPECT_EQ(open.value, 0.9) << "what was measured";
  EXPECT_EQ(judged(Kind::kAtLeast, 0.99).verdict, Judged::kFail);
  EXPECT_EQ(judged(Kind::kMaxDrop, 0.05).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(Kind::kMaxDrop, 0.4).verdict, Judged::kPass);
}

TEST(MedianDistance, PassesOnlyIfItHoldsThoughSamplesWithoutAFiniteGradientBreakAtOnce) {
  Evidence run = make_run(100);
  add_distances(run, "near", std::vector<double>(100, 0.5));
  Suite suite = make_suite(run);
  add_rule(suite, "median_distance", Kind::kAtLeast, 0.4);
  const auto verdict = [&] { return decide(suite, run, nullptr).rules.at(0).verdict; };
  EXPECT_EQ(verdict(), Judged::kPass);
  for (size_t i = 0; i < 20; ++i) let_doubt(run.units.back().rows[i], Doubt::kBlind, 0);
  EXPECT_EQ(verdict(), Judged::kPass);
  for (size_t i = 0; i < 60; ++i) let_doubt(run.units.back().rows[i], Doubt::kBlind, 0);
  EXPECT_EQ(verdict(), Judged::kInconclusive);
}

// The harness drew them, and the judge counts them as broken.
TEST(RobustAccuracy, PassesOnlyIfItHoldsThoughSamplesThatRandomPointsBreakDo) {
  Evidence run = run_pattern(100, {{'R', 90}, {'B', 10}});
  const Evidence before = run;
  const auto judged = [&](Kind kind, double limit) {
    return compared(run, before, "robust_accuracy", kind, limit);
  };
  for (size_t i = 0; i < 20; ++i) let_doubt(run.units.back().rows[i], Doubt::kChance, 0.05);
  EXPECT_EQ(judged(Kind::kAtLeast, 0.5).verdict, Judged::kPass);
  EXPECT_THAT(judged(Kind::kAtLeast, 0.5).hint,
              AllOf(HasSubstr("break 20 samples of 100"), HasSubstr("holds if they break, too")));
  const RuleResult open = judged(Kind::kAtLeast, 0.7);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(
      open.reason,
      HasSubstr("points that were tried of the ball break 20 samples of 100 that the attack left "
                "standing; at_least 0.7 does not hold if they break"));
  EXPECT_THAT(open.hint, HasSubstr("square"));
  EXPECT_EQ(open.value, 0.9) << "what was measured";
  EXPECT_EQ(judged(Kind::kMaxDrop, 0.05).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(Kind::kMaxDrop, 0.4).verdict, Judged::kPass);
}

TEST(MedianDistance, PassesOnlyIfItHoldsAtTheDistancesOfRandomPoints) {
  Evidence run = make_run(100);
  add_distances(run, "near", std::vector<double>(100, kInfinity)).threat.eps = 0.3;
  for (size_t i = 0; i < 60; ++i) let_doubt(run.units.back().rows[i], Doubt::kChance, 0.5);
  const auto judged = [&](const std::string& metric, double limit) {
    Suite suite = make_suite(run);
    add_rule(suite, metric, Kind::kAtLeast, limit);
    return decide(suite, run, nullptr).rules.at(0).verdict;
  };
  EXPECT_EQ(judged("median_distance", 0.4), Judged::kPass);
  EXPECT_EQ(judged("median_distance", 0.6), Judged::kInconclusive) << "beyond the radius, too";
  EXPECT_EQ(judged("robust_accuracy", 0.9), Judged::kPass) << "all of them are beyond the radius";
  run.header.cells.back().threat.eps = 0.6;
  EXPECT_EQ(judged("robust_accuracy", 0.9), Judged::kInconclusive);
  EXPECT_EQ(judged("robust_accuracy", 0.3), Judged::kPass);
}

// Each doubt alone leaves the rule standing.
TEST(MaxDrop, PassesOnlyIfItHoldsWithAllDoubtsAtOnce) {
  const Evidence sound = run_pattern(400, {{'R', 400}});
  const Evidence failing = run_pattern(400, {{'E', 10}, {'R', 390}});
  Evidence doubtful = run_pattern(400, {{'B', 10}, {'R', 390}});
  const Evidence broken = doubtful;
  for (size_t i = 10; i < 14; ++i) let_doubt(doubtful.units[1].rows[i], Doubt::kBlind, 0);
  for (size_t i = 14; i < 18; ++i) let_doubt(doubtful.units[1].rows[i], Doubt::kChance, 0.1);
  const auto judged = [](const Evidence& here, const Evidence& before) {
    return compared(here, before, "robust_accuracy", Kind::kMaxDrop, 0.045);
  };
  EXPECT_EQ(judged(doubtful, run_pattern(400, {{'B', 10}, {'R', 390}})).verdict, Judged::kPass);
  EXPECT_EQ(judged(broken, failing).verdict, Judged::kPass);
  const RuleResult joint = judged(doubtful, failing);
  EXPECT_EQ(joint.verdict, Judged::kInconclusive);
  EXPECT_THAT(joint.reason,
              AllOf(HasSubstr("NaN or infinity at 4 samples of 400"),
                    HasSubstr("points that were tried of the ball break 4 samples of 400"),
                    HasSubstr("the baseline failed on 10 samples (0, 1, 2, …)"),
                    HasSubstr("max_drop 0.045 does not hold if those break and the baseline's")));
  EXPECT_THAT(joint.hint, AllOf(HasSubstr("torch.where"), HasSubstr("lead astray"),
                                HasSubstr("mend the baseline")));
  EXPECT_EQ(judged(sound, failing).verdict, Judged::kPass);
}

TEST(MaxDrop, OfCleanAccuracyRestsOnNoAttack) {
  Evidence here = run_pattern(300, {{'R', 300}});
  const Evidence before = here;
  for (Verdict& row : here.units[1].rows) let_doubt(row, Doubt::kBlind, 0);
  const RuleResult rule = compared(here, before, "clean_accuracy", Kind::kMaxDrop, 0.05);
  EXPECT_EQ(rule.verdict, Judged::kPass);
  EXPECT_EQ(rule.hint, "");
}

// What lowers the baseline's bar without its being any weaker.

TEST(MaxDrop, DoesNotPassBecauseTheBaselineFailedOnSamples) {
  const Evidence here = run_pattern(300, {{'R', 150}, {'B', 150}});
  const auto judged = [&](int64_t failed, double limit) {
    const Evidence before = run_pattern(300, {{'R', 150}, {'E', failed}, {'B', 150 - failed}});
    return compared(here, before, "robust_accuracy", Kind::kMaxDrop, limit);
  };
  EXPECT_EQ(judged(0, 0.1).verdict, Judged::kPass);
  const RuleResult few = judged(5, 0.1);
  EXPECT_EQ(few.verdict, Judged::kPass);
  EXPECT_EQ(few.reason, "");
  EXPECT_THAT(few.hint, HasSubstr("the baseline failed on 5 samples (150, 151, 152, …)"));
  const RuleResult many = judged(100, 0.1);
  EXPECT_EQ(many.verdict, Judged::kInconclusive);
  EXPECT_THAT(many.reason, HasSubstr("max_drop 0.1 does not hold if they stand"));
  EXPECT_NE(many.hint, "");
  const Evidence worse = run_pattern(300, {{'B', 300}});
  const Evidence before = run_pattern(300, {{'R', 150}, {'E', 100}, {'B', 50}});
  EXPECT_EQ(compared(worse, before, "robust_accuracy", Kind::kMaxDrop, 0.1).verdict, Judged::kFail);
}

TEST(MaxDrop, OfCleanAccuracyAndOfMediansDoesNotEither) {
  Evidence here = make_run(300);
  add_distances(here, "near", std::vector<double>(300, 0.1));
  miss_clean(here, 60);
  Evidence before = make_run(300);
  add_distances(before, "near", std::vector<double>(300, 0.1));
  miss_clean(before, 60);
  const auto judged = [&](const char* metric) {
    return compared(here, before, metric, Kind::kMaxDrop, 0.1).verdict;
  };
  EXPECT_EQ(judged("clean_accuracy"), Judged::kPass);
  EXPECT_EQ(judged("median_distance"), Judged::kPass);
  for (size_t i = 0; i < 160; ++i) {
    Verdict& row = before.units[1].rows[i];
    row.status = Status::kError;
    row.cause = Cause::kCandidate;
    if (i < 60) before.units[0].rows[i] = row;
    if (i < 60) before.units[0].rows[i].clean = -1;
  }
  EXPECT_EQ(judged("clean_accuracy"), Judged::kInconclusive);
  EXPECT_EQ(judged("median_distance"), Judged::kInconclusive);
}

}  // namespace
}  // namespace assay

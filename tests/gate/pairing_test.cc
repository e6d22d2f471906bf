#include "harness/gate/pairing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/gate/decision.h"
#include "tests/gate/fixture.h"

namespace assay {
namespace {

using testing::add_cell;
using testing::add_rule;
using testing::make_run;
using testing::make_suite;
using testing::run_of;
using Kind = RuleSpec::Kind;
using Judged = RuleResult::Verdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Decision judge_pair(const Evidence& here, const Evidence& baseline) {
  Suite suite = make_suite(here);
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.1);
  return decide(suite, here, &baseline);
}

TEST(PairCell, PairsByKeyWhateverTheName) {
  const Evidence here = run_of(100, {{'R', 100}});
  Evidence before = run_of(100, {{'R', 100}});
  before.header.cells[0].name = "renamed";
  const Decision decision = judge_pair(here, before);
  EXPECT_EQ(decision.outcome, Outcome::kPass);
  EXPECT_EQ(decision.cells[0].baseline_reason, "");
  EXPECT_DOUBLE_EQ(*decision.cells[0].baseline_metrics.at("robust_accuracy").value, 1);
}

TEST(PairCell, NeverPairsByNameAndNamesTheFieldThatDiffers) {
  Evidence here = run_of(100, {{'R', 100}});
  here.header.cells[0].key = "another";
  here.header.cells[0].key_fields["params.steps"] = "100";
  const Evidence before = run_of(100, {{'R', 100}});
  const Decision decision = judge_pair(here, before);
  EXPECT_EQ(decision.outcome, Outcome::kInconclusive);
  EXPECT_EQ(decision.cells[0].baseline_reason, "steps 40 in the baseline, 100 here");
  EXPECT_THAT(decision.rules[0].reason, HasSubstr("steps 40 in the baseline, 100 here"));
  EXPECT_TRUE(decision.cells[0].baseline_metrics.empty());
  EXPECT_TRUE(decision.cells[0].regressed.empty());
}

TEST(PairCell, NamesAFieldThatOneSideLacksAndCutsDigests) {
  Evidence here = run_of(10, {{'R', 10}});
  const Evidence before = run_of(10, {{'R', 10}});
  here.header.cells[0].key = "another";
  here.header.cells[0].key_fields["params.momentum"] = "0.9";
  EXPECT_EQ(judge_pair(here, before).cells[0].baseline_reason,
            "momentum absent in the baseline, 0.9 here");
  Evidence older = before;
  here.header.cells[0].key_fields = {{"version", std::string(64, 'a')}};
  older.header.cells[0].key_fields = {{"version", std::string(64, 'b')}};
  EXPECT_EQ(judge_pair(here, older).cells[0].baseline_reason,
            "version bbbbbbbbbbbb in the baseline, aaaaaaaaaaaa here");
}

TEST(PairCell, SaysWhenTheBaselineHasNoSuchCell) {
  Evidence here = run_of(10, {{'R', 10}});
  const Evidence before = run_of(10, {{'R', 10}});
  here.header.cells[0].name = "pgdx";
  here.header.cells[0].key = "another";
  EXPECT_THAT(judge_pair(here, before).cells[0].baseline_reason,
              HasSubstr("the baseline has no cell `pgdx`; did you mean `pgd`?"));
}

TEST(PairSamples, PairsByIdAndDigestInAnyOrder) {
  Header here;
  here.samples = {{"a", "1", 0}, {"b", "2", 0}, {"c", "3", 0}, {"d", "4", 0}};
  Header there;
  there.samples = {{"c", "3", 0}, {"b", "other content", 0}, {"a", "1", 0}};
  EXPECT_THAT(pair_samples(here.samples, there.samples), ElementsAre(2, -1, 0, -1));
}

TEST(PairSamples, PairsDuplicatesOnceEachInOrder) {
  Header here;
  here.samples = {{"a", "1", 0}, {"a", "1", 0}, {"a", "1", 0}};
  Header there;
  there.samples = {{"a", "1", 0}, {"a", "1", 0}};
  EXPECT_THAT(pair_samples(here.samples, there.samples), ElementsAre(0, 1, -1));
}

TEST(PairSamples, AReorderedBaselineGivesTheSameDecision) {
  const Evidence here = run_of(100, {{'B', 20}, {'R', 80}});
  const Evidence before = run_of(100, {{'R', 60}, {'B', 40}});
  Evidence turned = before;
  std::reverse(turned.header.samples.begin(), turned.header.samples.end());
  for (UnitResult& unit : turned.units) {
    for (Verdict& row : unit.rows) row.sample = 99 - row.sample;
  }
  const Decision one = judge_pair(here, before);
  const Decision other = judge_pair(here, turned);
  EXPECT_EQ(one.rules[0].regressed, 20);
  EXPECT_EQ(one.cells[0].regressed, other.cells[0].regressed);
  EXPECT_EQ(one.rules[0].upper, other.rules[0].upper);
}

TEST(PairSamples, PairedRulesUseTheCommonSamplesAndAFlagSaysSo) {
  const Evidence here = run_of(120, {{'R', 120}});
  const Evidence before = run_of(100, {{'R', 100}});
  const Decision decision = judge_pair(here, before);
  EXPECT_EQ(decision.rules[0].n, 100);
  ASSERT_EQ(decision.flags.size(), 1u);
  EXPECT_EQ(decision.flags[0].id, "partial_pairing");
  EXPECT_EQ(decision.flags[0].cell, decision.cells[0].name);
  EXPECT_THAT(decision.flags[0].detail, HasSubstr("20 of 120 samples"));
  EXPECT_TRUE(judge_pair(before, before).flags.empty());
  Suite suite = make_suite(here);
  add_rule(suite, "flags", Kind::kFlagsClear, 0);
  EXPECT_EQ(decide(suite, here, &before).outcome, Outcome::kPass) << "no rule compares";
  add_rule(suite, "robust_accuracy", Kind::kMaxDrop, 0.1);
  EXPECT_EQ(decide(suite, here, &before).outcome, Outcome::kFail);
  suite.rules.pop_back();
  EXPECT_EQ(decide(suite, here, nullptr).outcome, Outcome::kPass);
}

TEST(PairSamples, NoCommonSampleIsInconclusive) {
  const Evidence here = run_of(100, {{'R', 100}});
  Evidence before = here;
  for (SampleInfo& sample : before.header.samples) sample.digest += "-other";
  const Decision decision = judge_pair(here, before);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kInconclusive);
  EXPECT_EQ(decision.rules[0].reason, "no sample is in both runs");
}

}  // namespace
}  // namespace assay

// Rules on extraction cells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/extraction.h"
#include "tests/gate/extraction_fixture.h"

namespace assay {
namespace {

using testing::add_rule;
using testing::add_thefts;
using ::testing::HasSubstr;
using testing::last_extracted;
using testing::make_suite;
using testing::make_theft_run;
using testing::run_with_thieves;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

Decision decided(const Evidence& run, const std::string& metric, Kind kind, double limit,
                 const Evidence* baseline = nullptr, bool vacuous_ok = false) {
  Suite suite = make_suite(run);
  add_rule(suite, metric, kind, limit).vacuous_ok = vacuous_ok;
  return decide(suite, run, baseline);
}

RuleResult judged(const Evidence& run, const std::string& metric, Kind kind, double limit,
                  const Evidence* baseline = nullptr, bool vacuous_ok = false) {
  return decided(run, metric, kind, limit, baseline, vacuous_ok).rules.at(0);
}

TEST(ExtractionRule, AbsoluteLimitsAreDecidedByTheBoundsThatAreReported) {
  const Evidence run = run_with_thieves({0.79, 0.8, 0.81});
  const Estimate agreement =
      decided(run, "agreement@100", Kind::kAtMost, 1).cells[0].metrics.at("agreement@100");
  const double lower = *agreement.lower;
  const double upper = *agreement.upper;
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, upper).verdict, Judged::kPass);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.8).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, lower - 1e-9).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtLeast, lower).verdict, Judged::kPass);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtLeast, upper + 1e-9).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kAtLeast, 0.2).verdict, Judged::kPass);
}

TEST(ExtractionRule, WithoutAValueItIsInconclusiveWithTheReason) {
  Evidence run = run_with_thieves({0.8, 0.8, 0.8});
  for (Stolen& stolen : last_extracted(run).stolen) stolen.transfer = "";
  const RuleResult result = judged(run, "transfer_success@100", Kind::kAtMost, 0.9);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("no adversarial"));
}

TEST(ExtractionRule, ARiseIsJudgedOnTheSameRecordsAndSeeds) {
  const Evidence run = run_with_thieves({0.75, 0.8, 0.85});
  const Evidence base = run_with_thieves({0.65, 0.7, 0.75});
  // Each seed rose by 0.1; the levels of the seeds, which differ as much, fall out.
  const RuleResult fail = judged(run, "agreement@100", Kind::kMaxRise, 0.05, &base);
  EXPECT_EQ(fail.verdict, Judged::kFail);
  EXPECT_NEAR(*fail.value, 0.8, 1e-9);
  EXPECT_NEAR(*fail.baseline, 0.7, 1e-9);
  EXPECT_NEAR(*fail.difference, 0.1, 1e-9);
  EXPECT_EQ(fail.n, 2000);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxRise, 0.13, &base).verdict, Judged::kPass);
  const RuleResult open = judged(run, "agreement@100", Kind::kMaxRise, 0.1, &base);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.hint, HasSubstr("can show max_rise 0.1"));
  EXPECT_EQ(judged(base, "agreement@100", Kind::kMaxDrop, 0.05, &run).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxDrop, 0.05, &base).verdict, Judged::kPass);
}

TEST(ExtractionRule, RiseOfTheRatioAndOfDivergenceArePairedToo) {
  Evidence run = run_with_thieves({0.8, 0.8, 0.8});
  Evidence base = run_with_thieves({0.8, 0.8, 0.8});
  last_extracted(base).candidate = testing::bits(2000, 0.95);
  for (Stolen& stolen : last_extracted(run).stolen) stolen.divergence.assign(2000, 0.1);
  const RuleResult ratio = judged(run, "accuracy_ratio@100", Kind::kMaxRise, 0.2, &base);
  EXPECT_EQ(ratio.verdict, Judged::kPass);
  EXPECT_NEAR(*ratio.difference, 0.72 / 0.9 - 0.72 / 0.95, 1e-9);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kMaxDrop, 0.1, &base).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kMaxRise, 0.1, &base).verdict, Judged::kPass);
}

TEST(ExtractionRule, ARiseInsideTheMarginIsFlaggedAndADropIsNot) {
  const Evidence run = run_with_thieves({0.8, 0.8, 0.8});
  const Evidence base = run_with_thieves({0.7, 0.7, 0.7});
  const auto flags = [](const Decision& decision) { return decision.flags.size(); };
  const Decision risen = decided(run, "agreement@100", Kind::kMaxRise, 0.2, &base);
  ASSERT_EQ(risen.flags.size(), 1u);
  EXPECT_EQ(risen.flags[0].id, "regression_within_margin");
  EXPECT_EQ(flags(decided(base, "agreement@100", Kind::kMaxRise, 0.2, &run)), 0u);
  EXPECT_EQ(flags(decided(base, "agreement@100", Kind::kMaxDrop, 0.2, &run)), 0u)
      << "harder to steal";
}

TEST(ExtractionRule, ThatCannotFailIsVacuous) {
  const Evidence run = run_with_thieves({0.99, 0.99, 0.99});
  const Evidence base = run_with_thieves({0.98, 0.98, 0.98});
  const RuleResult result = judged(run, "agreement@100", Kind::kMaxRise, 0.05, &base);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_EQ(result.reason, "vacuous");
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxRise, 0.05, &base, true).verdict,
            Judged::kNotApplicable);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kMaxDrop, 0.5, &base).reason, "vacuous");
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kMaxRise, 0.5, &base).verdict, Judged::kPass)
      << "nothing bounds a divergence from above";
}

TEST(ExtractionRule, ThievesWhoLearntNothingLetNothingPassThatTheirSuccessWouldFail) {
  const Evidence run = run_with_thieves({0.25, 0.25, 0.25});
  const RuleResult result = judged(run, "agreement@100", Kind::kAtMost, 0.9);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("no more than always answering label"));
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxRise, 0.1, &run).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kAtLeast, 0.1).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kAtMost, 0.3).verdict, Judged::kPass);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.2).verdict, Judged::kFail);
  EXPECT_EQ(judged(run_with_thieves({0.4, 0.4, 0.4}), "agreement@100", Kind::kAtMost, 0.9).verdict,
            Judged::kPass);
}

TEST(ExtractionRule, ABadlyTrainedThiefLetsNothingPassThatHisSuccessWouldFail) {
  Evidence run = run_with_thieves({0.6, 0.6, 0.6});
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.findings = {{"agreement_labels", 0.8}};
  }
  const RuleResult result = judged(run, "agreement@100", Kind::kAtMost, 0.9);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("the thief is badly trained"));
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxRise, 0.1, &run).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "mean_kl@100", Kind::kAtLeast, 0.1).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.5).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtLeast, 0.5).verdict, Judged::kPass);
}

TEST(ExtractionRule, WhatLabelsTeachMustStayUnderTheLimitToo) {
  Evidence run = run_with_thieves({0.6, 0.6, 0.6});
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.findings = {{"agreement_labels", 0.63}};  // no more than chance explains
  }
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.65).verdict, Judged::kPass);
  const RuleResult result = judged(run, "agreement@100", Kind::kAtMost, 0.625);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("the labels of the same answers alone agree on 0.63, over"));
}

// Evidence of thieves of an attack that solves for weights; `finding` by budget and seed, -1: none.
Evidence solved(const std::string& attack, const std::string& finding,
                const std::vector<std::vector<double>>& told, double agreement = 0.995) {
  Evidence run = make_theft_run(2000);
  add_thefts(run, "steal", std::vector(told.size(), std::vector<double>(3, agreement)));
  run.header.cells.back().attack = attack;
  std::vector<Stolen>& stolen = last_extracted(run).stolen;
  for (size_t i = 0; i < stolen.size(); ++i) {
    const double value = told[i / 3][i % 3];
    if (value >= 0) stolen[i].findings = {{finding, value}};
  }
  return run;
}

TEST(ExtractionRule, AnAttackForOtherModelsLetsNothingPass) {
  for (const auto& [attack, finding] :
       {std::pair("equation_solving", "affine"), std::pair("relu_recovery", "one_hidden_layer")}) {
    const Evidence other = solved(attack, finding, {{-1, -1, -1}, {0, 0, 0}}, 0.4);
    for (const char* metric : {"agreement@100", "agreement@1000"}) {
      const RuleResult result = judged(other, metric, Kind::kAtMost, 0.7);
      EXPECT_EQ(result.verdict, Judged::kInconclusive) << attack;
      EXPECT_THAT(result.reason, HasSubstr("with 1000 queries the candidate's answers do not"));
      EXPECT_THAT(result.hint, HasSubstr("knockoff"));
    }
    EXPECT_EQ(judged(other, "agreement@100", Kind::kMaxRise, 0.1, &other).verdict,
              Judged::kInconclusive);
    EXPECT_EQ(judged(other, "agreement@100", Kind::kAtMost, 0.3).verdict, Judged::kFail);
    EXPECT_EQ(judged(other, "agreement@100", Kind::kAtLeast, 0.3).verdict, Judged::kPass);
    ASSERT_EQ(decide(make_suite(other), other, nullptr).flags.size(), 1U);
    EXPECT_EQ(decide(make_suite(other), other, nullptr).flags[0].id, "extraction_weak");
    const auto verdict = [&](const std::vector<std::vector<double>>& told) {
      return judged(solved(attack, finding, told), "agreement@100", Kind::kAtMost, 0.999).verdict;
    };
    EXPECT_EQ(verdict({{-1, -1, -1}}), Judged::kInconclusive) << "too few queries to tell";
    EXPECT_EQ(verdict({{-1, -1, -1}, {1, 0, 1}}), Judged::kInconclusive);
    EXPECT_EQ(verdict({{-1, -1, -1}, {1, 1, 0}}), Judged::kInconclusive);
    EXPECT_EQ(verdict({{1, 1, 1}, {1, 1, 1}}), Judged::kPass);
    EXPECT_EQ(verdict({{1, 1, 1}, {-1, -1, -1}}), Judged::kPass);
    EXPECT_EQ(verdict({{1, 1, 1}, {0, 0, 0}}), Judged::kInconclusive);
    for (const double early : {0, -1}) {
      const Evidence own = solved(attack, finding, {{early, early, early}, {1, 1, 1}});
      EXPECT_TRUE(decide(make_suite(own), own, nullptr).flags.empty())
          << "all is found with more queries";
      EXPECT_EQ(judged(own, "agreement@1000", Kind::kAtMost, 0.999).verdict, Judged::kPass);
      const RuleResult result = judged(own, "agreement@100", Kind::kAtMost, 0.999);
      EXPECT_EQ(result.verdict, Judged::kInconclusive) << "another thief may get more for so few";
      EXPECT_THAT(result.reason, HasSubstr(early == 0 ? "with 100 queries the candidate's answers"
                                                      : "100 queries were not enough to tell"));
      EXPECT_EQ(judged(own, "agreement@100", Kind::kAtMost, 0.3).verdict, Judged::kFail);
    }
  }
  EXPECT_EQ(judged(solved("knockoff", "affine", {{0, 0, 0}}), "agreement@100", Kind::kAtMost, 0.999)
                .verdict,
            Judged::kPass);
}

// A network may be affine where its thief looked and not where the records are.
TEST(ExtractionRule, SurrogatesThatMissTestRecordsDenyWhatTheAttackFoundOfItsQueries) {
  for (const auto& [attack, finding] :
       {std::pair("equation_solving", "affine"), std::pair("relu_recovery", "one_hidden_layer")}) {
    Evidence run = solved(attack, finding, {{1, 1, 1}}, 0.93);
    const auto result = [&] { return judged(run, "agreement@100", Kind::kAtMost, 0.96); };
    EXPECT_EQ(result().verdict, Judged::kInconclusive);
    EXPECT_THAT(result().reason, HasSubstr("agrees with the candidate on 93% of the records only"));
    EXPECT_EQ(decide(make_suite(run), run, nullptr).flags.at(0).id, "extraction_weak");
    EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.5).verdict, Judged::kFail);
    Surface& surface = run.header.cells.back().threat.surface;
    surface.kind = Surface::Kind::kLogits;
    EXPECT_EQ(result().verdict, Judged::kInconclusive);
    surface.kind = Surface::Kind::kRounded;
    EXPECT_EQ(result().verdict, Judged::kPass) << "rounding hides some of an affine model too";
    surface = {.noise = 0.1};
    EXPECT_EQ(result().verdict, Judged::kPass);
    run = solved(attack, finding, {{1, 1, 1}}, 0.8);
    run.header.cells.back().threat.surface = {.noise = 0.1};
    EXPECT_EQ(result().verdict, Judged::kInconclusive);
  }
}

TEST(ExtractionRule, AThiefWhoWasGivenValuesOfTheCandidateDecidesNothing) {
  Evidence run = run_with_thieves({0.6, 0.6, 0.6});
  EXPECT_EQ(judged(run, "agreement@100", Kind::kAtMost, 0.9).verdict, Judged::kPass);
  run.header.cells.back().key_fields[kKeptField] = "trunk";
  for (const auto& [kind, limit] :
       {std::pair(Kind::kAtMost, 0.9), std::pair(Kind::kAtMost, 0.2),
        std::pair(Kind::kAtLeast, 0.2), std::pair(Kind::kMaxRise, 0.1)}) {
    const RuleResult result = judged(run, "agreement@100", kind, limit, &run);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << limit;
    EXPECT_THAT(result.reason, HasSubstr("which no thief has: trunk"));
  }
  Evidence base = run_with_thieves({0.6, 0.6, 0.6});
  base.header.cells.back().key = "another";
  EXPECT_THAT(judged(run, "agreement@100", Kind::kMaxRise, 0.1, &base).reason,
              HasSubstr("kept absent in the baseline, trunk here"));
}

// Thefts: `bad` learnt nothing with 100 queries in the first seed, `blind` would have learnt more
// from labels, `lucky` nothing but in the first seed, `good` most, and `solver` took the candidate
// for what it is not.
Evidence chained() {
  Evidence run = testing::make_run(60);
  for (int64_t i = 0; i < 2000; ++i) {
    run.header.sets["test"].push_back({std::to_string(i), "digest-" + std::to_string(i), i % 4});
  }
  add_thefts(run, "bad", {{0.2, 0.9, 0.9}, {0.9, 0.9, 0.9}});
  add_thefts(run, "blind", {{0.5, 0.5, 0.5}});
  for (Stolen& stolen : last_extracted(run).stolen) stolen.findings = {{"agreement_labels", 0.8}};
  add_thefts(run, "lucky", {{0.3, 0.2, 0.2}});
  add_thefts(run, "good", {{0.9, 0.9, 0.9}});
  add_thefts(run, "solver", {{0.9, 0.9, 0.9}});
  run.header.cells.back().attack = "equation_solving";
  for (Stolen& stolen : last_extracted(run).stolen) stolen.findings = {{"affine", 0}};
  return run;
}

CellHeader& add_transfer(Evidence& run, const std::string& name, const std::string& source) {
  CellHeader& cell = testing::add_cell(run, name, {{'R', 60}});
  cell.attack = "transfer";
  cell.params["source"] = source;
  return cell;
}

RuleResult judged_at(const Evidence& run, const std::string& cell, const std::string& metric,
                     Kind kind, double limit) {
  Suite suite = make_suite(run);
  RuleSpec& rule = add_rule(suite, metric, kind, limit);
  std::erase_if(rule.cells, [&](size_t i) { return suite.cells[i].name != cell; });
  return decide(suite, run, nullptr).rules.at(0);
}

TEST(ExtractionRule, ATransferCellPassesOnNoThiefWhoLearntNothing) {
  Evidence run = chained();
  for (const char* source : {"bad@100", "bad", "good", "blind", "lucky", "solver"})
    add_transfer(run, source, source);
  for (size_t i = run.header.cells.size() - 6; i < run.header.cells.size(); ++i) {
    run.header.cells[i].name = "on " + run.header.cells[i].name;
  }
  const auto verdict = [&](const std::string& source) {
    return judged_at(run, "on " + source, "robust_accuracy", Kind::kAtLeast, 0.9).verdict;
  };
  EXPECT_EQ(verdict("bad@100"), Judged::kInconclusive) << "the first seed's surrogate is used";
  EXPECT_EQ(verdict("bad"), Judged::kPass) << "the largest budget taught something";
  EXPECT_EQ(verdict("good"), Judged::kPass);
  EXPECT_EQ(verdict("blind"), Judged::kInconclusive);
  EXPECT_EQ(verdict("lucky"), Judged::kInconclusive) << "all seeds together learnt nothing";
  EXPECT_EQ(verdict("solver"), Judged::kInconclusive) << "the candidate is not affine";
  EXPECT_THAT(judged_at(run, "on bad@100", "robust_accuracy", Kind::kAtLeast, 0.9).reason,
              HasSubstr("`bad@100`, its source: the thief learnt nothing: with 100 queries the "
                        "first surrogate agrees with the candidate on 20%"));
  EXPECT_EQ(judged_at(run, "on bad@100", "attack_success", Kind::kAtMost, 0.1).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judged_at(run, "on bad@100", "robust_accuracy", Kind::kAtMost, 1).verdict,
            Judged::kPass)
      << "his success would pass it all the more";
  EXPECT_EQ(judged_at(run, "on bad@100", "clean_accuracy", Kind::kAtLeast, 0.9).verdict,
            Judged::kPass);
  std::vector<std::string> flags;
  for (const Flag& flag : decide(make_suite(run), run, nullptr).flags) {
    flags.push_back(flag.id + ' ' + flag.cell);
  }
  EXPECT_THAT(flags, ::testing::IsSupersetOf(
                         {"extraction_weak on bad@100", "extraction_undertrained on blind"}));
  EXPECT_THAT(flags, ::testing::Not(::testing::Contains("extraction_weak on bad")));
}

TEST(ExtractionRule, AnEnsembleStandsWhereAnotherStageAttacksToo) {
  Evidence run = chained();
  const auto add_ensemble = [&](const std::string& name, const std::vector<std::string>& stages) {
    CellHeader& cell = testing::add_cell(run, name, {{'R', 60}});
    cell.attack = "ensemble";
    cell.stages = stages;
    cell.params["weak.source"] = std::string("bad@100");
  };
  add_ensemble("alone", {"weak"});
  add_ensemble("both", {"weak", "pgd"});
  EXPECT_EQ(judged_at(run, "alone", "robust_accuracy", Kind::kAtLeast, 0.9).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judged_at(run, "both", "robust_accuracy", Kind::kAtLeast, 0.9).verdict, Judged::kPass);
}

Evidence curve(const std::vector<std::vector<double>>& agreement) {
  Evidence run = make_theft_run(2000);
  add_thefts(run, "steal", agreement);
  return run;
}

// A thief may always send fewer queries.
TEST(ExtractionRule, ThatPassesOnlyForAThiefWhoAsksTooMuchIsInconclusive) {
  const Evidence run = curve({{0.6, 0.61, 0.6}, {0.9, 0.91, 0.9}, {0.7, 0.71, 0.7}});
  const RuleResult result = judged(run, "agreement@10000", Kind::kAtMost, 0.8);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("with 1000 queries thieves get more than with 10000"));
  EXPECT_THAT(result.hint, HasSubstr("agreement@1000"));
  EXPECT_EQ(judged(run, "agreement@10000", Kind::kAtMost, 0.95).verdict, Judged::kPass)
      << "holds for all that he may send";
  EXPECT_EQ(judged(run, "agreement@1000", Kind::kAtMost, 0.95).verdict, Judged::kPass);
  EXPECT_EQ(judged(run, "agreement@10000", Kind::kAtMost, 0.6).verdict, Judged::kFail);
  EXPECT_EQ(judged(run, "agreement@10000", Kind::kAtLeast, 0.6).verdict, Judged::kPass);
  EXPECT_EQ(
      judged(curve({{0.7, 0.8, 0.72}, {0.7, 0.71, 0.7}}), "agreement@1000", Kind::kAtMost, 0.75)
          .verdict,
      Judged::kPass)
      << "seeds differ more than budgets";
}

TEST(ExtractionRule, ARiseMustBeExcludedForThievesWhoAskLessToo) {
  const Evidence base = curve({{0.6, 0.61, 0.6}, {0.7, 0.71, 0.7}});
  const Evidence run = curve({{0.9, 0.91, 0.9}, {0.7, 0.71, 0.7}});
  EXPECT_EQ(judged(run, "agreement@1000", Kind::kMaxRise, 0.1, &base).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judged(run, "agreement@1000", Kind::kMaxRise, 0.1, &run).verdict, Judged::kPass)
      << "the incumbent is run_with_thieves no less";
}

TEST(ExtractionRule, LessDivergenceWithFewerQueriesIsMoreLeakToo) {
  Evidence run = curve({{0.6, 0.61, 0.6}, {0.7, 0.71, 0.7}});
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.divergence.assign(2000, stolen.budget == 100 ? 0.1 : 0.3);
  }
  EXPECT_EQ(judged(run, "mean_kl@1000", Kind::kAtLeast, 0.2).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged(run, "mean_kl@1000", Kind::kAtLeast, 0.05).verdict, Judged::kPass);
}

TEST(ExtractionRule, ABaselineThatCannotBeMeasuredSaysSo) {
  const Evidence run = run_with_thieves({0.8, 0.8, 0.8});
  Evidence base = run_with_thieves({0.7, 0.7, 0.7});
  last_extracted(base).stolen[0].failure = "exploded";
  const RuleResult result = judged(run, "agreement@100", Kind::kMaxRise, 0.1, &base);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("in the baseline the candidate failed"));
  EXPECT_EQ(judged(run, "agreement@100", Kind::kMaxRise, 0.1).verdict, Judged::kInconclusive);
  Evidence other = run_with_thieves({0.7, 0.7, 0.7});
  other.header.cells[0].key = "another";
  other.header.cells[0].key_fields["params.seeds"] = "5";
  EXPECT_THAT(judged(run, "agreement@100", Kind::kMaxRise, 0.1, &other).reason,
              HasSubstr("seeds 5 in the baseline, 3 here"));
}

}  // namespace
}  // namespace assay

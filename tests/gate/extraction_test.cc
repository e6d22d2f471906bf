#include "harness/gate/extraction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/metrics.h"
#include "harness/gate/statistics.h"
#include "tests/gate/extraction_fixture.h"

namespace assay {
namespace {

using testing::add_thefts;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::last_extracted;
using testing::make_suite;
using testing::make_theft_run;

constexpr double kLevel = 0.95;

Evidence robbed(const std::vector<std::vector<double>>& agreement, int64_t n = 200) {
  Evidence run = make_theft_run(n);
  add_thefts(run, "steal", agreement);
  return run;
}

Estimate measured(const Evidence& run, const std::string& metric) {
  const EvidenceView view = view_evidence(run);
  return *measure(metric, view, view.cells.back(), kLevel);
}

TEST(Extraction, MetricsAreEachOfFiveAtEachBudget) {
  const Evidence run = robbed({{0.5, 0.5, 0.5}, {0.9, 0.9, 0.9}});
  EXPECT_THAT(
      metrics_of(run.header.cells[0]),
      ElementsAre("agreement@100", "agreement@1000", "surrogate_accuracy@100",
                  "surrogate_accuracy@1000", "transfer_success@100", "transfer_success@1000",
                  "accuracy_ratio@100", "accuracy_ratio@1000", "mean_kl@100", "mean_kl@1000"));
}

TEST(Extraction, ValuesAreMeansOverSeedsAndRecords) {
  Evidence run = robbed({{0.5, 0.6, 0.7}});
  last_extracted(run).stolen[1].divergence.assign(200, 1);
  const Estimate agreement = measured(run, "agreement@100");
  EXPECT_NEAR(*agreement.value, 0.6, 1e-12);
  EXPECT_EQ(agreement.n, 200);
  EXPECT_LT(*agreement.lower, 0.6);
  EXPECT_GT(*agreement.upper, 0.6);
  EXPECT_NEAR(*measured(run, "surrogate_accuracy@100").value, 0.54, 1e-12);
  EXPECT_NEAR(*measured(run, "accuracy_ratio@100").value, 0.6, 1e-12);
  EXPECT_NEAR(*measured(run, "mean_kl@100").value, 0.5, 1e-12);
  const Estimate transfer = measured(run, "transfer_success@100");
  EXPECT_NEAR(*transfer.value, 0.3, 1e-12) << "of the hundred that were tried";
  EXPECT_EQ(transfer.n, 100);
}

TEST(Extraction, BudgetsAreMeasuredApart) {
  const Evidence run = robbed({{0.5, 0.5, 0.5}, {0.9, 0.9, 0.9}});
  EXPECT_NEAR(*measured(run, "agreement@100").value, 0.5, 1e-12);
  EXPECT_NEAR(*measured(run, "agreement@1000").value, 0.9, 1e-12);
}

TEST(Extraction, ExactRecoveryHasALowerBoundUnderOne) {
  const Evidence run = robbed({{1, 1, 1}}, 2000);
  const Estimate agreement = measured(run, "agreement@100");
  EXPECT_EQ(agreement.value, 1);
  EXPECT_EQ(agreement.upper, 1);
  EXPECT_LT(*agreement.lower, 1);
  EXPECT_GT(*agreement.lower, 0.998);
}

TEST(Extraction, SeedsThatDifferWidenTheBounds) {
  const Estimate alike = measured(robbed({{0.8, 0.8, 0.8}}), "agreement@100");
  const Estimate apart = measured(robbed({{0.7, 0.8, 0.9}}), "agreement@100");
  EXPECT_NEAR(*alike.value, *apart.value, 1e-12);
  EXPECT_LT(*apart.lower, *alike.lower - 0.05);
  EXPECT_GT(*apart.upper, *alike.upper + 0.05);
}

TEST(Extraction, OneSeedHasAValueAndNoBounds) {
  const Estimate agreement = measured(robbed({{0.8}}), "agreement@100");
  EXPECT_NEAR(*agreement.value, 0.8, 1e-12);
  EXPECT_FALSE(agreement.lower || agreement.upper);
}

TEST(Extraction, WhatCannotBeMeasuredSaysWhy) {
  const auto reason = [](const std::string& metric, const auto& change) {
    Evidence run = robbed({{0.5, 0.5, 0.5}});
    change(run);
    const Estimate estimate = measured(run, metric);
    EXPECT_FALSE(estimate.value || estimate.lower || estimate.upper) << metric;
    return estimate.reason;
  };
  const auto bare = [](Evidence& run) {
    for (Stolen& stolen : last_extracted(run).stolen) {
      stolen.agreement = stolen.accuracy = stolen.transfer = "";
      stolen.divergence.clear();
    }
  };
  for (const char* metric : {"agreement", "surrogate_accuracy", "accuracy_ratio", "mean_kl"}) {
    EXPECT_THAT(reason(std::string(metric) + "@100", bare), HasSubstr("gives no surrogate"));
  }
  EXPECT_THAT(reason("transfer_success@100", bare), HasSubstr("no adversarial"));
  EXPECT_THAT(
      reason("transfer_success@100",
             [](Evidence& run) { last_extracted(run).stolen[1].transfer = std::string(200, '-'); }),
      HasSubstr("with seed 1"));
  EXPECT_THAT(reason("agreement@100",
                     [](Evidence& run) { last_extracted(run).stolen[2].failure = "exploded"; }),
              HasSubstr("budget of 100 with seed 2: exploded"));
  EXPECT_THAT(reason("accuracy_ratio@100",
                     [](Evidence& run) { last_extracted(run).candidate = std::string(200, '0'); }),
              HasSubstr("right on no test record"));
  EXPECT_THAT(reason("agreement@100", [](Evidence& run) { last_extracted(run).stolen.pop_back(); }),
              HasSubstr("2 of 3 seeds at a budget of 100"));
  EXPECT_THAT(reason("agreement@100", [](Evidence& run) { run.units.back().extracted.reset(); }),
              HasSubstr("not in the evidence"));
}

TEST(Extraction, AMissingScoreLeavesTheRunIncomplete) {
  Evidence run = robbed({{0.5, 0.5, 0.5}});
  EXPECT_TRUE(view_evidence(run).cells[0].complete);
  run.units.pop_back();
  const EvidenceView view = view_evidence(run);
  EXPECT_FALSE(view.cells[0].complete);
  EXPECT_EQ(view.cells[0].counts.total, 200);
  EXPECT_EQ(decide(make_suite(run), run, nullptr).outcome, Outcome::kIncomplete);
}

TEST(Extraction, ACandidateThatFailsOnAQueryFailsTheGate) {
  Evidence run = robbed({{0.5, 0.5, 0.5}});
  Suite suite = make_suite(run);
  testing::add_rule(suite, "agreement@100", RuleSpec::Kind::kAtMost, 0.9);
  EXPECT_EQ(decide(suite, run, nullptr).outcome, Outcome::kPass);
  last_extracted(run).stolen[1].failure = "non-finite output";
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.outcome, Outcome::kFail);
  EXPECT_EQ(decision.reason,
            "the candidate failed under the queries of 1 extraction: queries of steal, budget 100, "
            "seed 1 (non-finite output)");
  EXPECT_EQ(decision.rules[0].verdict, RuleResult::Verdict::kInconclusive);
  EXPECT_EQ(decision.cells[0].samples.error, 1);
}

TEST(ExtractionDifference, PairsRecordsByIdAndDigestAndSeedsByIndex) {
  Evidence here = robbed({{0.7, 0.8, 0.9}});
  Evidence there = robbed({{0.5, 0.6, 0.7}});
  const auto difference = [&] {
    const EvidenceView a = view_evidence(here);
    const EvidenceView b = view_evidence(there);
    return extraction_difference({"agreement", 100}, a, a.cells[0], b, b.cells[0], kLevel);
  };
  const SeededDifference whole = difference();
  EXPECT_NEAR(whole.figure.bounds.value, 0.2, 1e-12);
  EXPECT_NEAR(whole.here, 0.8, 1e-12);
  EXPECT_NEAR(whole.there, 0.6, 1e-12);
  EXPECT_NEAR(whole.figure.bounds.seed_error, 0, 1e-12) << "every seed differs by 0.2";
  // The first half of the records is another set here.
  for (size_t i = 0; i < 100; ++i) here.header.sets["test"][i].digest = "other";
  EXPECT_EQ(difference().figure.records, 100);
  last_extracted(there).stolen[0].seed = 7;
  EXPECT_THAT(difference().figure.reason, HasSubstr("other seeds"));
}

TEST(ExtractionDifference, OfTransferIsOverWhatWasTriedInBoth) {
  Evidence here = robbed({{0.8, 0.8, 0.8}});
  Evidence there = robbed({{0.8, 0.8, 0.8}});
  for (Stolen& stolen : last_extracted(here).stolen) {
    stolen.transfer = std::string(150, '1') + std::string(50, '-');
  }
  for (Stolen& stolen : last_extracted(there).stolen) {
    stolen.transfer = std::string(100, '-') + std::string(100, '0');
  }
  const EvidenceView a = view_evidence(here);
  const EvidenceView b = view_evidence(there);
  const SeededDifference found =
      extraction_difference({"transfer_success", 100}, a, a.cells[0], b, b.cells[0], kLevel);
  EXPECT_EQ(found.figure.records, 50);
  EXPECT_EQ(found.here, 1);
  EXPECT_EQ(found.there, 0);
  EXPECT_EQ(found.figure.bounds.value, 1);
}

TEST(ExtractionReport, TellsEachBudgetByMetricAndSeed) {
  Evidence run = robbed({{0.5, 0.6, 0.7}, {0.9, 0.9, 0.9}});
  last_extracted(run).stolen[0].findings = {{"hidden_width", 64}};
  last_extracted(run).stolen[0].queries = 90;
  const ExtractionResult result = *decide(make_suite(run), run, nullptr).cells[0].extraction;
  EXPECT_EQ(result.records, 200);
  EXPECT_NEAR(*result.candidate_accuracy, 0.9, 1e-12);
  ASSERT_EQ(result.budgets.size(), 2u);
  EXPECT_EQ(result.budgets[1].budget, 1000);
  ASSERT_EQ(result.budgets[0].seeds.size(), 3u);
  const TheftResult& first = result.budgets[0].seeds[0];
  EXPECT_EQ(first.queries, 90);
  EXPECT_EQ(first.findings.at("hidden_width"), 64);
  EXPECT_NEAR(first.metrics.at("agreement"), 0.5, 1e-12);
  EXPECT_NEAR(first.metrics.at("transfer_success"), 0.25, 1e-12);
  EXPECT_NEAR(first.metrics.at("accuracy_ratio"), 0.5, 1e-12);
}

TEST(ExtractionReport, SumsUpMonitorsOverSeedsAndBenignTrafficOnce) {
  Evidence run = robbed({{0.5, 0.6, 0.7}});
  run.units.front().monitored = {{"prada", 0, 1000, 500, 100, 20, 400, 5000, 3, 0.9, true},
                                 {"prada", 1, 1000, 500, 100, 0, -1, 5000, 3, 0.9, false},
                                 {"prada", 2, 1000, 500, 100, 10, 600, 5000, 3, 0.9, true},
                                 {"blind", 0, 1000, 500, 0, 0, -1, 0, 0, 5},
                                 {"blind", 1, 1000, 500, 0, 0, -1, 0, 0, 5},
                                 {"blind", 2, 1000, 500, 0, 0, -1, 0, 0, 5}};
  const ExtractionResult result = *decide(make_suite(run), run, nullptr).cells[0].extraction;
  ASSERT_EQ(result.monitors.size(), 2u);
  const MonitorResult& blind = result.monitors[0];
  EXPECT_EQ(blind.alarmed, 0);
  EXPECT_EQ(blind.decided, 0) << "its queries were too few for a verdict";
  EXPECT_FALSE(blind.queries_to_alarm.has_value());
  EXPECT_THAT(blind.false_alarms.reason, HasSubstr("no benign traffic"));
  const MonitorResult& prada = result.monitors[1];
  EXPECT_EQ(prada.monitor, "prada");
  EXPECT_EQ(prada.seeds, 3);
  EXPECT_EQ(prada.decided, 3);
  EXPECT_EQ(prada.alarmed, 2);
  EXPECT_EQ(*prada.queries_to_alarm, 600) << "the middle of 400, 600 and never";
  EXPECT_NEAR(*prada.flagged, 0.01, 1e-12);
  EXPECT_EQ(prada.false_alarms.n, 5000) << "three seeds see the same traffic";
  EXPECT_NEAR(*prada.false_alarms.value, 3.0 / 5000, 1e-12);
  EXPECT_EQ(*prada.false_alarms.upper, clopper_pearson(3, 5000, 0.95).upper);
  EXPECT_EQ(prada.threshold, 0.9);
}

TEST(ExtractionReport, AFalseAlarmNowAndThenIsNoThiefNoticed) {
  Evidence run = robbed({{0.5, 0.6, 0.7}});
  for (const int64_t seed : {0, 1, 2}) {
    run.units.front().monitored.push_back(
        {"m", seed, 1000, 0, 1000, 144, 7, 5000, 720, 0.9, seed == 2});
  }
  const MonitorResult seen = decide(make_suite(run), run, nullptr).cells[0].extraction->monitors[0];
  EXPECT_EQ(seen.decided, 3);
  EXPECT_EQ(seen.alarmed, 1);
  EXPECT_FALSE(seen.queries_to_alarm.has_value());
  EXPECT_NEAR(*seen.flagged, 0.144, 1e-12);
}

std::vector<std::string> flags_of_run(const Evidence& run) {
  std::vector<std::string> ids;
  for (const Flag& flag : decide(make_suite(run), run, nullptr).flags) ids.push_back(flag.id);
  return ids;
}

TEST(ExtractionFlags, ASoundCurveRaisesNone) {
  EXPECT_THAT(flags_of_run(robbed({{0.5, 0.55, 0.5}, {0.8, 0.85, 0.8}, {0.9, 0.9, 0.9}})),
              ElementsAre());
  EXPECT_THAT(flags_of_run(robbed({{1, 1, 1}, {1, 1, 1}})), ElementsAre()) << "recovered at once";
  EXPECT_THAT(flags_of_run(robbed({{0.8, 0.82, 0.81}, {0.81, 0.8, 0.81}})), ElementsAre())
      << "saturated";
}

TEST(ExtractionFlags, ASurrogateNoBetterThanTheMostFrequentLabelIsWeak) {
  EXPECT_THAT(flags_of_run(robbed({{0.24, 0.25, 0.27}})), ElementsAre("extraction_weak"));
  EXPECT_THAT(flags_of_run(robbed({{0.1, 0.1, 0.1}, {0.4, 0.4, 0.4}})), ElementsAre())
      << "weak at the smaller budget alone is what a small budget buys";
  const Evidence run = robbed({{0.25, 0.25, 0.25}});
  const Flag flag = decide(make_suite(run), run, nullptr).flags[0];
  EXPECT_EQ(flag.cell, "steal");
  EXPECT_THAT(flag.detail, HasSubstr("25% of the records"));
}

// Labels are even, and the candidate leans to one of them.
TEST(ExtractionFlags, NorIsOneThatAlwaysGivesTheCandidatesMostFrequentAnswer) {
  Evidence run = robbed({{0.6, 0.6, 0.6}});
  EXPECT_THAT(flags_of_run(run), ElementsAre());
  last_extracted(run).commonest = 120;  // of 200
  EXPECT_THAT(flags_of_run(run), ElementsAre("extraction_weak"));
  EXPECT_THAT(decide(make_suite(run), run, nullptr).flags[0].detail,
              HasSubstr("on 60% of the records, of which chance in the records leaves 54.1"));
  EXPECT_THAT(decide(make_suite(run), run, nullptr).flags[0].detail,
              HasSubstr("the candidate's most frequent answer would, which is that of 60%"));
  last_extracted(run).commonest = 80;
  EXPECT_THAT(flags_of_run(run), ElementsAre());
}

TEST(ExtractionFlags, AThiefWhomLabelsWouldTeachMoreIsUndertrained) {
  Evidence run = robbed({{0.6, 0.6, 0.6}, {0.6, 0.6, 0.6}});
  const auto labels = [&run](int64_t budget, const std::vector<double>& agreement) {
    for (Stolen& stolen : last_extracted(run).stolen) {
      if (stolen.budget != budget) continue;
      stolen.findings = {{"agreement_labels", agreement[static_cast<size_t>(stolen.seed)]}};
    }
  };
  labels(100, {0.9, 0.9, 0.9});
  EXPECT_THAT(flags_of_run(run), ElementsAre()) << "only the largest budget is looked at";
  labels(1000, {0.55, 0.58, 0.6});
  EXPECT_THAT(flags_of_run(run), ElementsAre()) << "no worse than labels";
  labels(1000, {0.63, 0.64, 0.65});
  EXPECT_THAT(flags_of_run(run), ElementsAre()) << "200 records cannot tell";
  labels(1000, {0.6, 0.7, 0.95});
  EXPECT_THAT(flags_of_run(run), ElementsAre()) << "three seeds cannot tell";
  labels(1000, {0.86, 0.87, 0.88});
  EXPECT_THAT(flags_of_run(run), ElementsAre("extraction_undertrained"));
  EXPECT_THAT(decide(make_suite(run), run, nullptr).flags[0].detail,
              HasSubstr("agree with the candidate on 60% of the records, and networks trained on "
                        "the labels of the same answers alone on 87%"));
}

// What a surrogate gives of its own queries says nothing of others: it may know their noise by
// heart, or leave labels open that were drawn.
TEST(ExtractionFlags, HowAThiefFitsHisOwnQueriesIsNoSign) {
  Evidence run = robbed({{0.6, 0.6, 0.6}});
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.findings = {{"fit", 0.3}, {"agreement_labels", 0.58}};
  }
  EXPECT_THAT(flags_of_run(run), ElementsAre());
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.findings = {{"fit", 1}, {"agreement_labels", 0.8}};
  }
  EXPECT_THAT(flags_of_run(run), ElementsAre("extraction_undertrained"));
}

TEST(ExtractionFlags, OneSeedMustBeFurtherAway) {
  Evidence run = robbed({{0.6}});
  last_extracted(run).stolen[0].findings = {{"agreement_labels", 0.7}};
  EXPECT_THAT(flags_of_run(run), ElementsAre());
  last_extracted(run).stolen[0].findings = {{"agreement_labels", 0.8}};
  EXPECT_THAT(flags_of_run(run), ElementsAre("extraction_undertrained"));
}

TEST(ExtractionFlags, AgreementThatFallsWithTheBudgetIsNotGrowing) {
  EXPECT_THAT(flags_of_run(robbed({{0.6, 0.61, 0.6}, {0.9, 0.91, 0.9}, {0.7, 0.71, 0.7}})),
              ElementsAre("agreement_not_growing"));
  EXPECT_THAT(flags_of_run(robbed({{0.9, 0.8, 0.7}, {0.7, 0.8, 0.85}})), ElementsAre())
      << "seeds differ more than budgets";
}

TEST(ExtractionFlags, APoolThatEndsBeforeTheBudgetIsUnspent) {
  Evidence run = robbed({{0.5, 0.5, 0.5}, {0.9, 0.9, 0.9}});
  last_extracted(run).stolen[4].queries = 700;
  EXPECT_THAT(flags_of_run(run), ElementsAre("budget_unspent"));
  const Estimate unspent = measured(run, "agreement@1000");
  EXPECT_EQ(unspent.value, std::nullopt);
  EXPECT_EQ(unspent.reason, "the pool was spent after 700 queries at a budget of 1000 with seed 1");
  EXPECT_TRUE(measured(run, "agreement@100").value);
  run.header.cells[0].sets.erase("pool");
  EXPECT_THAT(flags_of_run(run), ElementsAre()) << "who makes his queries may know he is done";
  EXPECT_TRUE(measured(run, "agreement@1000").value);
}

}  // namespace
}  // namespace assay

// What labels alone teach is held against rules with chance in seeds and records counted in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/gate/extraction.h"
#include "harness/gate/view.h"
#include "tests/gate/extraction_fixture.h"

namespace assay {
namespace {

using testing::add_rule;
using testing::add_thefts;
using ::testing::HasSubstr;
using testing::last_extracted;
using testing::make_suite;
using testing::make_theft_run;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

// Thieves of 100 queries who agree so much by seed; `labels`: what labels taught, or none.
Evidence robbed_by(const std::vector<double>& answers, const std::vector<double>& labels,
                   int64_t records = 2000) {
  Evidence run = make_theft_run(records);
  add_thefts(run, "steal", {answers});
  for (size_t i = 0; i < labels.size(); ++i) {
    last_extracted(run).stolen[i].findings = {{"agreement_labels", labels[i]}};
  }
  return run;
}

RuleResult judged_labels(const Evidence& run, Kind kind, double limit,
                         const Evidence* baseline = nullptr, double confidence = 0.95) {
  Suite suite = make_suite(run);
  add_rule(suite, "agreement@100", kind, limit).confidence = confidence;
  return decide(suite, run, baseline).rules.at(0);
}

TEST(ExtractionLabels, AnAtMostHoldsOnlyIfChanceLeavesLabelsUnderTheLimitToo) {
  const std::vector<double> answers = {0.6, 0.6, 0.6};
  // 0.63 with a standard error of 0.0108 by 2000 records: 0.6478 at 0.95.
  const Evidence even = robbed_by(answers, {0.63, 0.63, 0.63});
  EXPECT_EQ(judged_labels(even, Kind::kAtMost, 0.648).verdict, Judged::kPass);
  const RuleResult open = judged_labels(even, Kind::kAtMost, 0.647);
  EXPECT_EQ(open.verdict, Judged::kInconclusive);
  EXPECT_THAT(open.reason,
              HasSubstr("alone agree on 0.63 and, as seeds and records vary, on up to 0.6478, over "
                        "at_most 0.647"));
  EXPECT_EQ(judged_labels(even, Kind::kAtMost, 0.648, nullptr, 0.99).verdict,
            Judged::kInconclusive);
  EXPECT_EQ(judged_labels(robbed_by(answers, {0.63, 0.63, 0.63}, 200), Kind::kAtMost, 0.67).verdict,
            Judged::kInconclusive)
      << "fewer records";
  // 0.03 / √3 is the error of this mean, and Student's t of two degrees of freedom 2.92.
  const Evidence uneven = robbed_by(answers, {0.6, 0.63, 0.66});
  EXPECT_EQ(judged_labels(uneven, Kind::kAtMost, 0.68).verdict, Judged::kInconclusive);
  EXPECT_EQ(judged_labels(uneven, Kind::kAtMost, 0.69).verdict, Judged::kPass);
  EXPECT_EQ(judged_labels(robbed_by(answers, {}), Kind::kAtMost, 0.647).verdict, Judged::kPass)
      << "nobody looked";
}

// One seed's training on labels is enough to know too little.
TEST(ExtractionLabels, NoRuleOfAThiefPassesWhereTrainingOnLabelsDiverged) {
  Evidence run = make_theft_run(2000);
  add_thefts(run, "steal", {{0.6, 0.6, 0.6}, {0.6, 0.6, 0.6}});
  const auto judge = [&run](const std::string& metric) {
    Suite suite = make_suite(run);
    add_rule(suite, metric, Kind::kAtMost, 0.8);
    return decide(suite, run, nullptr);
  };
  for (const char* metric : {"agreement@100", "surrogate_accuracy@100", "transfer_success@100"}) {
    EXPECT_EQ(judge(metric).rules.at(0).verdict, Judged::kPass) << metric;
  }
  last_extracted(run).stolen[1].findings = {{"labels_diverged", 1}};
  for (const char* metric : {"agreement@100", "surrogate_accuracy@100", "transfer_success@100"}) {
    const Decision decision = judge(metric);
    EXPECT_EQ(decision.rules.at(0).verdict, Judged::kInconclusive) << metric;
    EXPECT_THAT(decision.rules.at(0).reason, HasSubstr("with 100 queries the training on the "
                                                       "labels of the same answers came to no "
                                                       "number with 1 of 3 seeds"));
    ASSERT_EQ(decision.flags.size(), 1U);
    EXPECT_EQ(decision.flags[0].id, "extraction_undertrained");
    EXPECT_EQ(decision.flags[0].cell, "steal");
  }
  EXPECT_EQ(judge("agreement@1000").rules.at(0).verdict, Judged::kPass) << "another budget";
  Suite suite = make_suite(run);
  add_rule(suite, "agreement@100", Kind::kAtLeast, 0.7);
  EXPECT_EQ(decide(suite, run, nullptr).rules.at(0).verdict, Judged::kFail)
      << "a rule that no thief's success fails";
}

// Surrogates of both models agree alike; of the candidate labels teach more.
TEST(ExtractionLabels, ARiseIsOfTheBetterThievesOnBothSides) {
  const std::vector<double> answers = {0.6, 0.6, 0.6};
  const Evidence base = robbed_by(answers, {0.58, 0.58, 0.58}, 20000);
  const Evidence open = robbed_by(answers, {0.61, 0.68, 0.69}, 20000);
  EXPECT_EQ(undertrained(view_evidence(open).cells[0], 100), "") << "as far as chance allows";
  const RuleResult result = judged_labels(open, Kind::kMaxRise, 0.05, &base);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("the better ones agree on 0.66, and on 0.6 in the "
                                       "baseline: a rise of 0.06, over max_rise 0.05"));
  EXPECT_THAT(judged_labels(open, Kind::kMaxRise, 0.08, &base).reason,
              HasSubstr("a rise of 0.06 and, as seeds and records vary, of up to 0.1"));
  EXPECT_EQ(judged_labels(open, Kind::kMaxRise, 0.15, &base).verdict, Judged::kPass);
  EXPECT_EQ(judged_labels(open, Kind::kMaxRise, 0.05, &open).verdict, Judged::kPass)
      << "the incumbent gives as much away, seed by seed";
  EXPECT_EQ(judged_labels(robbed_by(answers, {0.59, 0.59, 0.6}, 20000), Kind::kMaxRise, 0.01, &base)
                .verdict,
            Judged::kPass)
      << "labels teach less on both sides";
}

}  // namespace
}  // namespace assay

// Members and non-members that are not of one kind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using testing::add_rule;
using testing::draw_normal;
using testing::draw_uniform;
using ::testing::HasSubstr;
using testing::judge_one;
using testing::make_suite;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

/// Labels from `weights`, by record.
std::vector<int64_t> draw_labels(std::mt19937_64& engine, int64_t n,
                                 const std::vector<double>& weights) {
  std::discrete_distribution<int64_t> drawn(weights.begin(), weights.end());
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) labels.push_back(drawn(engine));
  return labels;
}

/// A run whose records have these labels, and scores of N(label + `leak` for members, 1).
Evidence run_of_sets(const std::vector<int64_t>& members, const std::vector<int64_t>& others,
                     double leak, std::mt19937_64& engine) {
  Evidence run = testing::make_audit(static_cast<int64_t>(members.size()),
                                     static_cast<int64_t>(others.size()));
  std::vector<double> in, out;
  for (size_t i = 0; i < members.size(); ++i) {
    run.header.sets["train"][i].label = members[i];
    in.push_back(static_cast<double>(members[i]) + leak + draw_normal(engine));
  }
  for (size_t i = 0; i < others.size(); ++i) {
    run.header.sets["held_out"][i].label = others[i];
    out.push_back(static_cast<double>(others[i]) + draw_normal(engine));
  }
  testing::add_scores(run, "mia", in, out);
  return run;
}

std::string text_of(const Evidence& run) {
  const EvidenceView view = view_evidence(run);
  return unequal_labels(view, view.cells[0]);
}

TEST(UnequalLabels, LetNoRuleBeDecidedWithoutShadowsToo) {
  // Members lead by half a deviation within each class, and as a whole by nothing.
  std::mt19937_64 engine(1);
  const Evidence run = run_of_sets(draw_labels(engine, 4000, {0.75, 0.25}),
                                   draw_labels(engine, 4000, {0.25, 0.75}), 0.5, engine);
  ASSERT_LT(*measure_membership("auc", view_evidence(run), view_evidence(run).cells[0], 0.95).upper,
            0.53);
  for (const char* metric : {"auc", "advantage", "tpr_at_fpr_0.01", "epsilon_lower"}) {
    for (const double limit : {0.001, 0.9}) {
      const RuleResult result = judge_one(run, metric, Kind::kAtMost, limit);
      EXPECT_EQ(result.verdict, Judged::kInconclusive) << metric;
      EXPECT_THAT(result.reason, HasSubstr("other classes: class ")) << metric;
      EXPECT_EQ(result.hint, kLabelsAdvice) << metric;
    }
  }
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.1, &run).verdict, Judged::kInconclusive);
  Suite suite = make_suite(run);
  add_rule(suite, "flags", Kind::kFlagsClear, 0);
  const Decision decision = decide(suite, run, nullptr);
  EXPECT_EQ(decision.rules[0].verdict, Judged::kFail);
  EXPECT_EQ(decision.flags.at(0).id, "unequal_sets");
}

TEST(UnequalLabels, AreFoundInAFewRecordsAndInClassesThatOneSetLacks) {
  std::mt19937_64 engine(2);
  const std::vector<int64_t> first(8, 0), second(8, 1);
  EXPECT_THAT(text_of(run_of_sets(first, second, 0, engine)),
              HasSubstr("makes up 1 of the members"));
  EXPECT_THAT(text_of(run_of_sets(draw_labels(engine, 200, {1, 1, 1, 0, 0}),
                                  draw_labels(engine, 200, {0, 0, 1, 1, 1}), 0, engine)),
              HasSubstr("of other classes"));
  const std::vector<int64_t> one(4, 0), two(4, 1);
  EXPECT_EQ(text_of(run_of_sets(one, two, 0, engine)), "") << "1 in 35: too few to tell";
  EXPECT_EQ(text_of(run_of_sets(first, first, 0, engine)), "");
}

TEST(UnequalLabels, AreSeldomFoundInSetsOfOneSource) {
  std::mt19937_64 engine(3);
  const std::vector<std::vector<double>> sources = {{1, 1},
                                                    {0.99, 0.01},
                                                    std::vector<double>(10, 1),
                                                    std::vector<double>(300, 1),
                                                    {0.6, 0.3, 0.05, 0.04, 0.005, 0.005}};
  for (const std::vector<double>& source : sources) {
    for (const auto& [members, others] :
         {std::pair<int64_t, int64_t>{400, 400}, {30, 900}, {9, 9}}) {
      int found = 0;
      for (int i = 0; i < 400; ++i) {
        const Evidence run = run_of_sets(draw_labels(engine, members, source),
                                         draw_labels(engine, others, source), 0, engine);
        found += text_of(run).empty() ? 0 : 1;
      }
      EXPECT_LE(found, 3) << source.size() << " classes, " << members << " and " << others;
    }
  }
}

TEST(UnequalLabels, OfFixedSharesAreNone) {
  // 5,000 and 1,000 of each class, as in training and test sets that go together.
  std::mt19937_64 engine(4);
  std::vector<int64_t> members, others;
  for (int64_t i = 0; i < 3000; ++i) members.push_back(i % 10);
  for (int64_t i = 0; i < 600; ++i) others.push_back(i % 10);
  const Evidence run = run_of_sets(members, others, 0, engine);
  EXPECT_EQ(text_of(run), "");
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).verdict, Judged::kPass);
}

TEST(Copies, AreCountedWhereTheCellLeavesThemOut) {
  // Of 12 and 10 records the first 8 and 10 are scored; two that are not are copies of one that is.
  Evidence run = testing::make_audit(12, 10);
  testing::add_scores(run, "mia", testing::ramp(8, 0.05), testing::ramp(10, 0));
  run.header.sets["train"][9] = run.header.sets["train"][3];
  run.header.sets["train"][11] = run.header.sets["train"][3];
  EXPECT_EQ(decide(make_suite(run), run, nullptr).cells[0].membership->copies, 2);
  EXPECT_EQ(decide(make_suite(run), run, nullptr).cells[0].membership->members, 8);
}

}  // namespace
}  // namespace assay

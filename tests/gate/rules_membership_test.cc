// Rules where the scores, the sets or the shadows stand in the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using testing::add_scores;
using testing::audit_of;
using ::testing::HasSubstr;
using testing::judge_one;
using testing::make_audit;
using testing::make_suite;
using testing::ramp;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

const Fidelity kUnlike = {16, 0.99, 0.88, 0.90, 0.88, "cnn", ""};

TEST(Classes, ThatExceedTheLimitStandBesideAPassByTheirWorst) {
  // Members of class 2, one in three, score 0.4 higher.
  std::vector<double> members = ramp(3000, 0);
  for (size_t i = 2; i < members.size(); i += 3) members[i] += 0.4;
  const Evidence run = audit_of(members, ramp(3000, 0));
  const std::pair<const char*, double> rules[] = {
      {"auc", 0.65}, {"advantage", 0.25}, {"tpr_at_fpr_0.01", 0.25}};
  for (const auto& [metric, limit] : rules) {
    const RuleResult result = judge_one(run, metric, Kind::kAtMost, limit);
    EXPECT_EQ(result.verdict, Judged::kPass) << metric;
    EXPECT_THAT(result.hint, HasSubstr("within class 2 " + std::string(metric) + " is at least"))
        << metric;
    EXPECT_EQ(result.reason, "") << "only what did not pass, or has no value, has one";
    EXPECT_EQ(judge_one(run, metric, Kind::kAtMost, 0.9).hint, "");
  }
  EXPECT_EQ(judge_one(audit_of(ramp(3000, 0.05), ramp(3000, 0)), "auc", Kind::kAtMost, 0.6).hint,
            "");
}

TEST(Likeness, ThatWasNotCheckedStandsBesideAPass) {
  Evidence run = audit_of(ramp(1000, 0), ramp(1000, 0));
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).hint, "") << "without shadows";
  run.units.back().tuned = {{"ranked", 1000}, {"scale", 2}, {"offset", 0}};
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).hint, "");
  run.units.back().tuned = {{"ranked", 0}};
  for (const RuleResult& result : {judge_one(run, "auc", Kind::kAtMost, 0.6),
                                   judge_one(run, "auc", Kind::kMaxRise, 0.1, &run)}) {
    EXPECT_EQ(result.verdict, Judged::kPass);
    EXPECT_THAT(result.hint, HasSubstr("ranking not checked: it takes 60 non-members"));
    EXPECT_THAT(result.hint, HasSubstr("offsets of classes not fitted"));
    EXPECT_THAT(result.hint, HasSubstr("scale of the candidate's logits not fitted"));
  }
}

TEST(AucRule, HintsAtTheRecordsThatDecideWhereABoundIsCut) {
  // Each of k pairs is right: 0.05^(1/k) exceeds 0.9 from k = 28.4 on.
  EXPECT_THAT(judge_one(audit_of({2, 3}, {0, 1}), "auc", Kind::kAtMost, 0.9).hint,
              HasSubstr("about 57 records"));
  EXPECT_THAT(judge_one(audit_of({0, 1}, {2, 3}), "auc", Kind::kAtLeast, 0.1).hint,
              HasSubstr("about 57 records"));
}

TEST(EpsilonRule, DoesNotPassOnScoresThatAreAllEqual) {
  Evidence run = audit_of(std::vector<double>(10'000, 1), std::vector<double>(10'000, 1));
  for (const char* estimator : {"bonferroni", "split", "gdp", "one_run"}) {
    run.header.cells[0].params["estimator"] = std::string(estimator);
    run.header.cells[0].params["inclusion"] = std::string("randomised");
    const RuleResult result = judge_one(run, "epsilon_lower", Kind::kAtMost, 2);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << estimator;
    EXPECT_EQ(result.value, 0) << estimator;
    EXPECT_THAT(result.reason, HasSubstr("the 20000 scores take 1 value")) << estimator;
    EXPECT_THAT(result.hint, HasSubstr("an attack whose scores tie less")) << estimator;
  }
  const MembershipPower power = decide(make_suite(run), run, nullptr).cells[0].membership->power;
  EXPECT_FALSE(power.epsilon_detectable.has_value());
}

TEST(TprRule, WithTooFewNonMembersHintsAtHowManyAreNeeded) {
  const Evidence run = audit_of(ramp(1000, 0), ramp(400, 0));
  const RuleResult alone = judge_one(run, "tpr_at_fpr_0.01", Kind::kAtMost, 0.1);
  EXPECT_EQ(alone.verdict, Judged::kInconclusive);
  EXPECT_EQ(alone.hint, "audit 1000 non-members or more");
  Suite suite = make_suite(run);
  testing::add_rule(suite, "tpr_at_fpr_0.01", Kind::kMaxRise, 0.1);
  const RuleResult paired = decide(suite, run, &run).rules[0];
  EXPECT_EQ(paired.verdict, Judged::kInconclusive);
  EXPECT_EQ(paired.hint, "audit 1000 non-members or more, the same records in both runs");
}

TEST(TprRule, OnScoresThatTieHintsAtOthers) {
  const Evidence run = audit_of(std::vector<double>(2000, 1), std::vector<double>(2000, 1));
  EXPECT_THAT(judge_one(run, "tpr_at_fpr_0.01", Kind::kAtMost, 0.1).hint, HasSubstr("tie less"));
}

TEST(EpsilonRule, OfOneRunIsInconclusiveWhereTheSetsContradictTheCoin) {
  Evidence run = audit_of(ramp(9000, 0), ramp(1000, 0));
  run.header.cells[0].params["estimator"] = std::string("one_run");
  run.header.cells[0].params["inclusion"] = std::string("randomised");
  for (const Kind kind : {Kind::kAtMost, Kind::kAtLeast}) {
    const RuleResult result = judge_one(run, "epsilon_lower", kind, 1);
    EXPECT_EQ(result.verdict, Judged::kInconclusive);
    EXPECT_FALSE(result.value.has_value());
    EXPECT_THAT(result.reason, HasSubstr("no fair coin gives 9000 members and 1000"));
  }
}

TEST(EpsilonRule, OfOneRunIsInconclusiveWhereNoCoinDecided) {
  Evidence run = audit_of(ramp(1000, 0.1), ramp(1000, 0));
  run.header.cells[0].params["estimator"] = std::string("one_run");
  const RuleResult result = judge_one(run, "epsilon_lower", Kind::kAtMost, 1);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("`inclusion: randomised`"));
  EXPECT_TRUE(decide(make_suite(run), run, nullptr).cells[0].metrics.at("advantage").value);
}

TEST(Fidelity, OfUnlikeShadowsLetsALeakThatIsShownFail) {
  Evidence run = audit_of(ramp(1000, 0.5), ramp(1000, 0));
  run.units.back().fidelity = kUnlike;
  for (const char* metric : {"auc", "advantage", "tpr_at_fpr_0.01", "epsilon_lower"}) {
    const RuleResult result = judge_one(run, metric, Kind::kAtMost, 0.2);
    EXPECT_EQ(result.verdict, Judged::kFail) << metric;
    EXPECT_THAT(result.reason, HasSubstr("only weakens the attack")) << metric;
    EXPECT_EQ(result.hint, kFidelityAdvice) << metric;
    for (const Kind kind : {Kind::kAtLeast, Kind::kAtMost}) {
      const double easy = kind == Kind::kAtLeast ? 0.01 : 0.99;
      const RuleResult open = judge_one(run, metric, kind, easy);
      if (open.verdict == Judged::kFail) continue;  // epsilon is more than 0.99
      EXPECT_EQ(open.verdict, Judged::kInconclusive) << metric;
      EXPECT_THAT(open.reason, HasSubstr("not comparable")) << metric;
    }
  }
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.99).verdict, Judged::kInconclusive);
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtLeast, 0.99).verdict, Judged::kInconclusive)
      << "a weak attack is no evidence of a small leak";
}

TEST(Fidelity, OfUnlikeShadowsLetsARiseFailOnlyIfTheBaselinesAreLikeIt) {
  Evidence run = audit_of(ramp(1000, 0.4), ramp(1000, 0));
  run.units.back().fidelity = kUnlike;
  Evidence base = audit_of(ramp(1000, 0.1), ramp(1000, 0));
  const RuleResult fail = judge_one(run, "auc", Kind::kMaxRise, 0.05, &base);
  EXPECT_EQ(fail.verdict, Judged::kFail);
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.5, &base).verdict, Judged::kInconclusive);
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.05).verdict, Judged::kInconclusive);
  base.units.back().fidelity = kUnlike;
  EXPECT_EQ(judge_one(run, "auc", Kind::kMaxRise, 0.05, &base).verdict, Judged::kInconclusive);
  Evidence drop = audit_of(ramp(1000, 0), ramp(1000, 0));
  drop.units.back().fidelity = kUnlike;
  const Evidence leaky = audit_of(ramp(1000, 0.4), ramp(1000, 0));
  EXPECT_EQ(judge_one(drop, "auc", Kind::kMaxDrop, 0.05, &leaky).verdict, Judged::kInconclusive);
}

TEST(Fidelity, OfShadowsThatTellTheSetsApartWithoutHavingSeenThemIsNone) {
  Evidence run = audit_of(ramp(1000, 0.02), ramp(1000, 0));
  Fidelity fidelity = {16, 0.95, 0.9, 0.95, 0.9, "candidate", ""};
  const auto text = [&](double unseen) {
    fidelity.shadow_unseen_members = unseen;
    run.units.back().fidelity = fidelity;
    return not_comparable(view_evidence(run).cells[0]);
  };
  // A standard error of the difference is 0.0134.
  EXPECT_EQ(text(0.9), "");
  EXPECT_EQ(text(0.93), "");
  EXPECT_EQ(text(0.87), "");
  EXPECT_THAT(text(0.85), HasSubstr("0.85 of the members and 0.9 of the non-members"));
  EXPECT_THAT(text(0.95), HasSubstr("they know the members by the candidate, or the sets"));
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("not comparable: shadows that were trained on neither"));
}

TEST(Fidelity, OfShadowsThatShareParametersWithTheCandidateIsNone) {
  Evidence run = audit_of(ramp(1000, 0.02), ramp(1000, 0));
  Fidelity fidelity = {16, 0.95, 0.9, 0.95, 0.9, "candidate", ""};
  run.units.back().fidelity = fidelity;
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).verdict, Judged::kPass);
  fidelity.frozen = 2;
  run.units.back().fidelity = fidelity;
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("2 parameters frozen in the candidate"));
  EXPECT_EQ(decide(make_suite(run), run, nullptr).flags.at(0).id, "shadows_not_comparable");
}

TEST(Fidelity, OfANetworkThatStandsInForTheCandidateIsNone) {
  Evidence run = audit_of(ramp(1000, 0.02), ramp(1000, 0));
  Fidelity fidelity = {16, 0.95, 0.9, 0.95, 0.9, "mlp", ""};
  run.units.back().fidelity = fidelity;
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).verdict, Judged::kPass) << "it was asked for";
  fidelity.reason = "the candidate cannot be trained: it has no parameters";
  run.units.back().fidelity = fidelity;
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("it has no parameters; mlp stands in for it"));
  EXPECT_EQ(decide(make_suite(run), run, nullptr).flags.at(0).id, "shadows_not_comparable");
}

TEST(Fidelity, IsNoneWhereAnswersOrStartAreUnlikeAndSaysSo) {
  Evidence run = audit_of(ramp(1000, 0.02), ramp(1000, 0));
  Fidelity fidelity = {16, 0.95, 0.9, 0.95, 0.9, "candidate", ""};
  fidelity.unlike = "it rounds its answers";
  run.units.back().fidelity = fidelity;
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_EQ(result.reason, "not comparable: it rounds its answers");
}

TEST(Fidelity, OfModelsThatTellTheSetsApartLeavesNoFigureStanding) {
  Evidence run = audit_of(ramp(1000, 0.5), ramp(1000, 0));
  Fidelity fidelity = {16, 0.95, 0.9, 0.95, 0.9, "candidate", ""};
  fidelity.unlike = "it rounds its answers";
  run.units.back().fidelity = fidelity;
  const RuleResult weak = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(weak.verdict, Judged::kFail);
  EXPECT_THAT(weak.reason, HasSubstr("which only weakens the attack"));
  for (const bool sure : {true, false}) {
    fidelity.unlike = "";
    fidelity.foreknown = sure ? "shadows that were trained on neither tell them apart" : "";
    fidelity.shadow_unseen_members = sure ? 0.9 : 0.98;
    run.units.back().fidelity = fidelity;
    const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
    EXPECT_EQ(result.verdict, Judged::kInconclusive) << sure;
    EXPECT_THAT(result.reason, HasSubstr("trained on neither")) << sure;
    EXPECT_THAT(result.hint, HasSubstr("from one source")) << sure;
  }
}

TEST(Fidelity, OfOneShadowIsNone) {
  Evidence run = audit_of(ramp(1000, 0.02), ramp(1000, 0));
  Fidelity fidelity = {1, 0.95, 0.9, 0.95, 0.9, "candidate", ""};
  run.units.back().fidelity = fidelity;
  const RuleResult result = judge_one(run, "auc", Kind::kAtMost, 0.6);
  EXPECT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.reason, HasSubstr("train two or more"));
  fidelity.trained = false;
  run.units.back().fidelity = fidelity;
  EXPECT_EQ(judge_one(run, "auc", Kind::kAtMost, 0.6).verdict, Judged::kPass) << "a surrogate";
}

}  // namespace
}  // namespace assay

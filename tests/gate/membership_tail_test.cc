// The proxy's metric: TPR at an FPR read from the other side.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/gate/membership.h"
#include "tests/gate/membership_fixture.h"

namespace assay {
namespace {

using testing::add_rule;
using testing::add_scores;
using testing::make_audit;
using testing::make_suite;
using testing::ramp;

TEST(MembershipMetrics, ReadTheOtherTailWhereTheCellSaysSo) {
  // The others are uniform on [0, 1], and members lack the lowest 0.3 of it. At the top that gives
  // little, 0.01 / 0.7; below 99 % of the members lie 0.307 of the others.
  std::vector<double> members = ramp(1000, 0);
  for (double& score : members) score = 0.3 + 0.7 * score;
  const auto metrics = [&](const std::string& tail) {
    Evidence run = make_audit(1000, 1000);
    add_scores(run, "proxy", members, ramp(1000, 0)).params["tail"] = tail;
    return decide(make_suite(run), run, nullptr).cells.at(0).metrics;
  };
  auto usual = metrics("members");
  auto other = metrics("non_members");
  EXPECT_NEAR(*usual.at("tpr_at_fpr_0.01").value, 0.01 / 0.7, 2e-3);
  EXPECT_NEAR(*other.at("tpr_at_fpr_0.01").value, 0.307, 2e-3);
  for (const char* name : {"auc", "advantage", "epsilon_lower"}) {
    EXPECT_EQ(usual.at(name).value, other.at(name).value) << name;
  }
}

TEST(MembershipReport, ReadsTheOtherTailInItsCurveItsClassesAndItsPower) {
  std::vector<double> members = ramp(2000, 0);
  for (double& score : members) score = 0.3 + 0.7 * score;
  Evidence run = make_audit(2000, 1001);
  add_scores(run, "proxy", members, ramp(1001, 0)).params["tail"] = std::string("non_members");
  const CellResult cell = decide(make_suite(run), run, nullptr).cells.at(0);
  const double tpr = *cell.metrics.at("tpr_at_fpr_0.01").value;
  const MembershipResult& result = *cell.membership;
  for (const RocPoint& point : result.roc) {
    if (point.fpr == 0.01) {
      EXPECT_DOUBLE_EQ(point.tpr, tpr);
    }
  }
  double claimed = 0;
  for (const MembershipSlice& slice : result.slices) {
    claimed += *slice.tpr.value * static_cast<double>(slice.non_members);
    EXPECT_EQ(slice.tpr.n, slice.non_members);
    EXPECT_NEAR(*slice.tpr.value, 0.307, 0.02);
  }
  EXPECT_NEAR(claimed, tpr * 1001, 1e-6);
  // Power is that of 1,001 positives and 2,000 negatives.
  Evidence turned = make_audit(1001, 2000);
  add_scores(turned, "usual", ramp(1001, 0), ramp(2000, 0));
  EXPECT_EQ(result.power.tpr.at("tpr_at_fpr_0.01").value,
            decide(make_suite(turned), turned, nullptr)
                .cells.at(0)
                .membership->power.tpr.at("tpr_at_fpr_0.01")
                .value);
}

TEST(MembershipMetrics, OfTheOtherTailNameTheSetThatAllowsFalsePositives) {
  Evidence run = make_audit(900, 1000);
  add_scores(run, "proxy", ramp(900, 0), ramp(1000, 0)).params["tail"] = std::string("non_members");
  const std::string reason =
      decide(make_suite(run), run, nullptr).cells.at(0).metrics.at("tpr_at_fpr_0.01").reason;
  EXPECT_EQ(reason, "ten allowed false positives need 1000 members, and there are 900");
  Evidence tiny = make_audit(1, 9);
  add_scores(tiny, "proxy", ramp(1, 0), ramp(9, 0)).params["tail"] = std::string("non_members");
  const Decision decision = decide(make_suite(tiny), tiny, nullptr);
  for (const auto& [name, metric] : decision.cells.at(0).metrics) {
    EXPECT_EQ(metric.reason.substr(metric.reason.rfind("has")), "has 1 and 9") << name;
  }
}

TEST(PairedMembership, OfTheOtherTailNamesTheSetThatAllowsFalsePositives) {
  const auto proxy_of = [](int64_t members, int64_t non_members) {
    Evidence run = make_audit(members, non_members);
    add_scores(run, "proxy", ramp(members, 0), ramp(non_members, 0)).params["tail"] =
        std::string("non_members");
    return run;
  };
  const auto reason_of = [](const Evidence& here, const Evidence& there) {
    return testing::judge_one(here, "tpr_at_fpr_0.01", RuleSpec::Kind::kMaxRise, 0.1, &there)
        .reason;
  };
  EXPECT_EQ(reason_of(proxy_of(1100, 1500), proxy_of(900, 1500)),
            "ten allowed false positives need 1000 members, and 900 are in both runs");
  EXPECT_EQ(reason_of(proxy_of(1100, 1500), proxy_of(1, 1500)),
            "only 1 members and 1500 non-members are in both runs");
}

TEST(PairedMembership, ReadsTheOtherTailOfBothRuns) {
  std::vector<double> members = ramp(1000, 0);
  for (double& score : members) score = 0.3 + 0.7 * score;
  Evidence here = make_audit(1000, 1000);
  add_scores(here, "proxy", members, ramp(1000, 0)).params["tail"] = std::string("non_members");
  Evidence there = make_audit(1000, 1000);
  add_scores(there, "proxy", ramp(1000, 0), ramp(1000, 0)).params["tail"] =
      std::string("non_members");
  Suite suite = make_suite(here);
  add_rule(suite, "tpr_at_fpr_0.01", RuleSpec::Kind::kMaxRise, 0.1);
  const RuleResult rise = decide(suite, here, &there).rules.at(0);
  EXPECT_NEAR(*rise.difference, 0.307 - 0.01, 3e-3);
  EXPECT_EQ(rise.verdict, RuleResult::Verdict::kFail);
}

}  // namespace
}  // namespace assay

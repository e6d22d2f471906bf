// A log is an alarm where it raises more alarms than benign traffic explains, and seldom else.
#include "harness/monitor/watch.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kAlpha = 0.05;

// Alarms on each query by itself, where its first entry is under `limit`.
Detector under(float limit) {
  return [limit](const QueryView& queries) {
    Alarms alarms;
    alarms.checks = queries.size();
    for (int64_t i = 0; i < queries.size(); ++i) {
      if (queries.row(i)[0] < limit) alarms.queries.push_back(i);
    }
    alarms.raised = static_cast<int64_t>(alarms.queries.size());
    return alarms;
  };
}

// Alarms on every query that has `memory` others before it.
Detector after(int64_t memory) {
  return [memory](const QueryView& queries) {
    Alarms alarms;
    alarms.checks = queries.size();
    for (int64_t i = memory; i < queries.size(); ++i) alarms.queries.push_back(i);
    alarms.raised = static_cast<int64_t>(alarms.queries.size());
    return alarms;
  };
}

TEST(Watch, ComparesTwoRatesExactly) {
  // The lady tasting tea: 3 of 4, and 4 of 4.
  EXPECT_NEAR(fisher_p_value({4, 3}, {4, 1}), 17.0 / 70, 1e-12);
  EXPECT_NEAR(fisher_p_value({4, 4}, {4, 0}), 1.0 / 70, 1e-12);
  EXPECT_EQ(fisher_p_value({100, 0}, {10, 10}), 1);
  EXPECT_EQ(fisher_p_value({5, 5}, {3, 3}), 1);
  EXPECT_NEAR(fisher_p_value({1, 1}, {4999, 0}), 1.0 / 5000, 1e-12);
  EXPECT_NEAR(fisher_p_value({2000, 1}, {5000, 0}), 2.0 / 7, 1e-9);
  EXPECT_LT(fisher_p_value({2000, 40}, {5000, 5}), 1e-10);
}

TEST(Watch, OneAlarmInABenignLogIsNotAnAlarm) {
  QueryStream log = scattered(200, 1);
  log.inputs[0] = -1;
  const WatchResult seen = watch_log("m", under(0), log.view(), scattered(100, 2).view(), kAlpha);
  EXPECT_THAT(seen.alarms.queries, ElementsAre(0));
  EXPECT_EQ(seen.alarms.raised, 1);
  EXPECT_EQ(seen.benign.raised, 0);
  EXPECT_GT(*seen.p_value, 0.5);
  EXPECT_FALSE(seen.alarm);
  EXPECT_EQ(seen.reason, "");
}

// Rates of 1 in 1000 to 1 in 2, measured on benign traffic that is as short as the log.
TEST(Watch, HoldsItsLevelHoweverOftenBenignTrafficIsAnAlarm) {
  for (const float rate : {0.001F, 0.01F, 0.1F, 0.5F}) {
    int alarms = 0;
    for (unsigned run = 0; run < 400; ++run) {
      const QueryStream log = scattered(200, 2 * run);
      const QueryStream benign = scattered(200, 2 * run + 1);
      alarms += watch_log("m", under(rate), log.view(), benign.view(), kAlpha).alarm;
    }
    // 20 of 400 are expected at most; 36 are beyond 0.9995 of the binomial.
    EXPECT_LT(alarms, 36) << rate;
    if (rate < 0.05F) continue;
    EXPECT_GT(alarms, 2) << "a test that never alarms says nothing";
  }
}

TEST(Watch, HoldsItsLevelOnImages) {
  if (fashion().view().size() == 0) GTEST_SKIP() << "Fashion-MNIST is not installed";
  const std::vector<std::string> entries = {"{ monitor: stateful, neighbours: 10, percentile: 2 }",
                                            "{ monitor: blacklight }", "{ monitor: prada }"};
  std::vector<int> alarms(entries.size());
  std::vector<int64_t> order(10000);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(5);
  constexpr int kRuns = 60;
  for (int run = 0; run < kRuns; ++run) {
    std::shuffle(order.begin(), order.end(), random);
    const auto part = [&](size_t begin, size_t end) {
      QueryStream stream;
      for (size_t i = begin; i < end; ++i) {
        append(stream, row_of(fashion(), order[i]),
               fashion().labels[static_cast<size_t>(order[i])]);
      }
      return stream;
    };
    const QueryStream reference = part(0, 500);
    const QueryStream benign = part(500, 1000);
    const QueryStream log = part(1000, 1300);
    for (size_t m = 0; m < entries.size(); ++m) {
      const Detector made = detector(entries[m], {.reference = reference.view()});
      const WatchResult seen = watch_log("m", made, log.view(), benign.view(), kAlpha);
      ASSERT_EQ(seen.reason, "") << entries[m];
      alarms[m] += seen.alarm;
    }
  }
  // 3 of 60 are expected at most; 11 are beyond 0.9997 of the binomial.
  for (size_t m = 0; m < entries.size(); ++m) EXPECT_LT(alarms[m], 11) << entries[m];
}

TEST(Watch, SeesMoreAlarmsThanBenignTrafficExplains) {
  QueryStream log = scattered(300, 1);
  const QueryStream attack = near_duplicates(row_of(log, 0), 60, 0.001F, 3);
  for (int64_t i = 0; i < 60; ++i) append(log, row_of(attack, i), 0);
  const QueryStream reference = scattered(400, 4);
  const WatchResult seen =
      watch_log("m", detector("{ monitor: stateful, neighbours: 5 }", {reference.view()}),
                log.view(), scattered(400, 5).view(), kAlpha);
  EXPECT_TRUE(seen.alarm);
  EXPECT_LT(*seen.p_value, 0.001);
  EXPECT_GE(seen.alarms.queries.front(), 300);
}

// What comes of a longer memory alone is no alarm.
TEST(Watch, JudgesStreamsOfOneLength) {
  const QueryStream few = scattered(100, 1);
  const QueryStream many = scattered(400, 2);
  const WatchResult longer = watch_log("m", after(90), many.view(), few.view(), kAlpha);
  EXPECT_EQ(longer.alarms.checks, 400);
  EXPECT_EQ(longer.alarms.raised, 40);
  EXPECT_EQ(longer.alarms.queries[10], 190);
  EXPECT_EQ(longer.benign.raised, 10);
  EXPECT_FALSE(longer.alarm);
  const WatchResult shorter = watch_log("m", after(90), few.view(), many.view(), kAlpha);
  EXPECT_EQ(shorter.benign.checks, 400);
  EXPECT_EQ(shorter.benign.raised, 40);
  EXPECT_FALSE(shorter.alarm);
}

TEST(Watch, SaysWhyThereIsNoVerdict) {
  const QueryStream log = scattered(100, 1);
  const WatchResult unknown = watch_log("m", under(0.5F), log.view(), {.width = 64}, kAlpha);
  EXPECT_THAT(unknown.reason, HasSubstr("how often benign traffic is an alarm"));
  EXPECT_GT(unknown.alarms.raised, 0);
  EXPECT_FALSE(unknown.alarm);
  EXPECT_EQ(watch_log("m", under(0), log.view(), {.width = 64}, kAlpha).reason, "")
      << "none is no more than benign traffic raises";
  const Detector prada = detector("{ monitor: prada }");
  EXPECT_EQ(watch_log("m", prada, log.view(), log.view(), kAlpha).reason, "too few queries");
  EXPECT_THAT(watch_log("m", prada, scattered(300, 2).view(), log.view(), kAlpha).reason,
              HasSubstr("too few benign queries"));
}

}  // namespace
}  // namespace assay

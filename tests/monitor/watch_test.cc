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

// Natural images in a random order, and an image sent again and again in a place of the log.
class WatchImages : public ::testing::TestWithParam<std::pair<size_t, size_t>> {
 protected:
  void SetUp() override {
    order_.resize(10000);
    std::iota(order_.begin(), order_.end(), 0);
  }

  QueryStream part(size_t begin, size_t end) const {
    QueryStream stream;
    for (size_t i = begin; i < end; ++i) {
      append(stream, row_of(fashion(), order_[i]),
             fashion().labels[static_cast<size_t>(order_[i])]);
    }
    return stream;
  }

  std::vector<int64_t> order_;
};

TEST_P(WatchImages, HoldsItsLevelAndSeesABurst) {
  const auto [benign_size, log_size] = GetParam();
  const std::vector<std::string> entries = {"{ monitor: stateful, neighbours: 10, percentile: 2 }",
                                            "{ monitor: blacklight }", "{ monitor: prada }"};
  std::vector<int> false_alarms(entries.size()), alarms(entries.size());
  std::mt19937 random(5);
  constexpr int kRuns = 15;
  for (int run = 0; run < kRuns; ++run) {
    std::shuffle(order_.begin(), order_.end(), random);
    const QueryStream reference = part(0, 500);
    const QueryStream benign = part(500, 500 + benign_size);
    const QueryStream quiet = part(1500, 1500 + log_size);
    QueryStream log = part(1500, 1500 + log_size / 2);
    const QueryStream burst = near_duplicates(row_of(quiet, 0), 150, 0.001F, 7);
    const QueryStream rest = part(1500 + log_size / 2, 1500 + log_size);
    for (int64_t i = 0; i < 150; ++i) append(log, row_of(burst, i), quiet.labels[0]);
    for (int64_t i = 0; i < rest.view().size(); ++i) {
      append(log, row_of(rest, i), rest.labels[static_cast<size_t>(i)]);
    }
    for (size_t m = 0; m < entries.size(); ++m) {
      const Detector made = detector(entries[m], {.reference = reference.view()});
      const auto alarm = [&](const QueryStream& of) {
        return watch_log("m", made, of.view(), benign.view(), kAlpha).alarm;
      };
      false_alarms[m] += alarm(quiet);
      alarms[m] += alarm(log);
    }
  }
  // 0.75 of 15 are expected at most; 5 are beyond 0.999 of the binomial.
  for (size_t m = 0; m < entries.size(); ++m) {
    EXPECT_LT(false_alarms[m], 5) << entries[m];
    // PRADA looks for distances that are not normal, and says little of one image sent again.
    if (m < 2) {
      EXPECT_GE(alarms[m], 14) << entries[m];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, WatchImages,
                         ::testing::Values(std::pair<size_t, size_t>{500, 300},
                                           std::pair<size_t, size_t>{500, 2000},
                                           std::pair<size_t, size_t>{900, 450}));

// Benign traffic is 500 queries, the log so many; in the middle of it an image sent again and
// again.
TEST(Watch, SeesABurstInALogOfAnyLength) {
  constexpr int kRuns = 10;
  for (const int64_t length : {500, 2000, 8000}) {
    int alarms = 0, false_alarms = 0;
    for (unsigned run = 0; run < kRuns; ++run) {
      const QueryStream benign = scattered(500, 3 * run);
      const QueryStream quiet = scattered(length, 3 * run + 1);
      // One in ten raises an alarm, benign or not; of the burst all do.
      QueryStream log = rows_of(quiet, 0, length / 2);
      QueryStream burst = scattered(100, 3 * run + 2);
      for (size_t i = 0; i < 100; ++i) burst.inputs[i * 64] = 0;
      for (const QueryStream& next : {burst, rows_of(quiet, length / 2, length)}) {
        for (int64_t i = 0; i < next.view().size(); ++i) append(log, row_of(next, i), 0);
      }
      const auto alarm = [&](const QueryStream& of) {
        return watch_log("m", under(0.1F), of.view(), benign.view(), 0.01).alarm;
      };
      alarms += alarm(log);
      false_alarms += alarm(quiet);
    }
    EXPECT_GE(alarms, 9) << length;
    EXPECT_LE(false_alarms, 1) << length;
  }
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
  // Benign traffic raises it always: no log can raise it more.
  const WatchResult deaf = watch_log("m", under(2), log.view(), scattered(80, 2).view(), kAlpha);
  EXPECT_THAT(deaf.reason, HasSubstr("from 50 in 50 that benign traffic raises"));
  EXPECT_FALSE(deaf.p_value);
  EXPECT_FALSE(deaf.alarm);
}

}  // namespace
}  // namespace assay

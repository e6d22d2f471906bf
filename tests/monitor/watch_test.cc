// A log is an alarm where it raises more alarms than benign traffic explains, and seldom else.
#include "harness/monitor/watch.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kChance = 0.05;

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

// The same, that says so of each query. `growth`: the limit rises from 0 to twice itself along the
// stream, as memories make monitors more ready.
Detector one_by_one(float limit, bool growth = false) {
  return [=](const QueryView& queries) {
    Alarms alarms;
    alarms.checks = queries.size();
    for (int64_t i = 0; i < queries.size(); ++i) {
      const float so_far = static_cast<float>(i) / static_cast<float>(queries.size());
      const bool beyond = queries.row(i)[0] < limit * (growth ? 2 * so_far : 1);
      alarms.beyond.push_back(beyond);
      if (beyond) alarms.queries.push_back(i);
    }
    alarms.raised = static_cast<int64_t>(alarms.queries.size());
    return alarms;
  };
}

// The first half of a stream, queries whose first entry is 0, and the second half.
QueryStream interrupted(const QueryStream& stream, int64_t burst, unsigned seed) {
  const int64_t half = stream.view().size() / 2;
  QueryStream log = rows_of(stream, 0, half);
  QueryStream zeros = scattered(burst, seed);
  for (size_t i = 0; i < static_cast<size_t>(burst); ++i) zeros.inputs[i * 64] = 0;
  for (const QueryStream& next : {zeros, rows_of(stream, half, stream.view().size())}) {
    for (int64_t i = 0; i < next.view().size(); ++i) append(log, row_of(next, i), 0);
  }
  return log;
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
  const WatchResult seen = watch_log("m", under(0), log.view(), scattered(100, 2).view(), kChance);
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
      alarms += watch_log("m", under(rate), log.view(), benign.view(), kChance).alarm;
    }
    // 20 of 400 are expected at most; 36 are beyond 0.9995 of the binomial.
    EXPECT_LT(alarms, 36) << rate;
    if (rate < 0.05F) continue;
    EXPECT_GT(alarms, 2) << "a test that never alarms says nothing";
  }
}

// The same of monitors that are looked at in windows, and where queries late in a stream raise
// more.
TEST(Watch, HoldsItsLevelInWindowsToo) {
  for (const bool growth : {false, true}) {
    for (const float rate : {0.001F, 0.01F, 0.1F, 0.4F}) {
      for (const int64_t benign_size : {300, 1200}) {
        int alarms = 0;
        for (unsigned run = 0; run < 150; ++run) {
          const QueryStream log = scattered(600, 2 * run);
          const QueryStream benign = scattered(benign_size, 2 * run + 1);
          alarms +=
              watch_log("m", one_by_one(rate, growth), log.view(), benign.view(), kChance).alarm;
        }
        // 7.5 of 150 are expected at most; 18 are beyond 0.999 of the binomial.
        EXPECT_LT(alarms, 18) << rate << ' ' << growth << ' ' << benign_size;
      }
    }
  }
}

// Benign traffic is longer than the log, which is judged as a whole: 60 in a row are no more than
// chance makes of 4000, one in ten of which is an alarm.
TEST(Watch, SeesABurstInALogThatIsNoLongerThanBenignTraffic) {
  int alarms = 0;
  for (unsigned run = 0; run < 10; ++run) {
    const QueryStream benign = scattered(5000, 3 * run);
    const QueryStream quiet = scattered(4000, 3 * run + 1);
    const WatchResult seen = watch_log(
        "m", one_by_one(0.1F), interrupted(quiet, 60, 3 * run + 2).view(), benign.view(), 0.01);
    alarms += seen.alarm;
    ASSERT_TRUE(seen.window);
    EXPECT_GE(seen.window->end, 2000);
    EXPECT_LE(seen.window->begin, 2060);
    EXPECT_EQ(watch_log("m", one_by_one(0.1F), quiet.view(), benign.view(), 0.01).alarm, false);
  }
  EXPECT_EQ(alarms, 10);
}

// A user who repeats himself ten times, in benign traffic and in the log: no window of the log has
// more than one of benign traffic.
TEST(Watch, AClusterThatBenignTrafficHasTooIsNoBurst) {
  const QueryStream log = interrupted(scattered(1000, 1), 10, 2);
  const QueryStream benign = interrupted(scattered(1000, 3), 10, 4);
  const QueryStream none = scattered(1000, 5);
  EXPECT_FALSE(watch_log("m", one_by_one(1e-6F), log.view(), benign.view(), kChance).alarm);
  EXPECT_TRUE(watch_log("m", one_by_one(1e-6F), log.view(), none.view(), kChance).alarm);
}

// What is judged by all queries so far is diluted by them.
TEST(Watch, StartsAnewInShorterPartsWhereChecksGoTogether) {
  for (unsigned run = 0; run < 5; ++run) {
    const QueryStream benign = scattered(5000, 3 * run);
    const QueryStream quiet = scattered(4000, 3 * run + 1);
    const QueryStream log = interrupted(quiet, 300, 3 * run + 2);
    const WatchResult seen = watch_log("m", pooled(), log.view(), benign.view(), 0.01);
    EXPECT_EQ(seen.alarms.raised, 0) << "the log as a whole";
    EXPECT_TRUE(seen.alarm);
    ASSERT_TRUE(seen.window);
    EXPECT_LT(seen.window->begin, 2300);
    EXPECT_GT(seen.window->end, 2000);
    EXPECT_FALSE(watch_log("m", pooled(), quiet.view(), benign.view(), 0.01).alarm);
  }
}

// Cuts between parts fall anywhere in it.
TEST(Watch, SeesABurstWhereverItStands) {
  for (const int64_t benign_size : {5000, 900}) {
    const QueryStream benign = scattered(benign_size, 1);
    for (int64_t begin = 0; begin <= 2200; begin += 110) {
      QueryStream log = scattered(2500, static_cast<unsigned>(begin) + 2);
      for (int64_t i = begin; i < begin + 300; ++i) log.inputs[static_cast<size_t>(i * 64)] = 0;
      const WatchResult seen = watch_log("m", pooled(), log.view(), benign.view(), 0.01);
      EXPECT_TRUE(seen.alarm) << begin << ' ' << benign_size;
      ASSERT_TRUE(seen.window);
      EXPECT_LT(seen.window->begin, begin + 300);
      EXPECT_GT(seen.window->end, begin);
    }
  }
}

// Natural images, and after them what JBDA sends: among all of them prada raises no alarm, and it
// is only in the part that a burst is most of that it does.
TEST(Watch, PradaSeesSyntheticQueriesAfterManyNaturalOnes) {
  const Detector prada = detector("{ monitor: prada }");
  const QueryStream benign = rows_of(fashion(), 0, 5000);
  const QueryStream quiet = rows_of(fashion(), 5000, 9000);
  const QueryStream burst = augmented(rows_of(fashion(), 9000, 9113), 3, 0.1F, 5);
  QueryStream log = quiet;
  for (int64_t i = 0; i < burst.view().size(); ++i) {
    append(log, row_of(burst, i), burst.labels[static_cast<size_t>(i)]);
  }
  const WatchResult seen = watch_log("m", prada, log.view(), benign.view(), kChance / 6);
  EXPECT_EQ(seen.alarms.raised, 0) << "the log as a whole";
  EXPECT_TRUE(seen.alarm);
  ASSERT_TRUE(seen.window);
  EXPECT_GT(seen.window->end, 4000);
  EXPECT_FALSE(watch_log("m", prada, quiet.view(), benign.view(), kChance / 6).alarm);
  const WatchResult alone = watch_log("m", prada, log.view(), {.width = log.width}, kChance / 6);
  EXPECT_FALSE(alone.alarm);
  EXPECT_THAT(alone.reason, HasSubstr("judged as a whole only"));
}

// Natural images in a random order, and an image sent again and again in a place of the log.
class WatchImages : public ::testing::Test {
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

class WatchBursts : public WatchImages,
                    public ::testing::WithParamInterface<std::pair<size_t, size_t>> {};

TEST_P(WatchBursts, HoldsItsLevelAndSeesABurst) {
  const auto [benign_size, log_size] = GetParam();
  const std::vector<std::string> entries = {"{ monitor: stateful, neighbours: 10, percentile: 2 }",
                                            "{ monitor: blacklight }", "{ monitor: prada }"};
  std::vector<int> false_alarms(entries.size()), alarms(entries.size());
  std::mt19937 random(5);
  constexpr int kRuns = 8;
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
        return watch_log("m", made, of.view(), benign.view(), kChance).alarm;
      };
      false_alarms[m] += alarm(quiet);
      alarms[m] += alarm(log);
    }
  }
  // 0.4 of 8 are expected at most; 4 are beyond 0.999 of the binomial.
  for (size_t m = 0; m < entries.size(); ++m) {
    EXPECT_LT(false_alarms[m], 4) << entries[m];
    // PRADA looks for distances that are not normal, and says little of one image sent again.
    if (m < 2) {
      EXPECT_GE(alarms[m], 7) << entries[m];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, WatchBursts,
                         ::testing::Values(std::pair<size_t, size_t>{500, 300},
                                           std::pair<size_t, size_t>{500, 2000},
                                           std::pair<size_t, size_t>{900, 450}));

// An image with visible noise, which a monitor as it comes sees wherever it stands.
TEST_F(WatchImages, AsTheyComeSeeABurstInALongLog) {
  std::mt19937 random(3);
  for (const auto& [benign_size, log_size] : {std::pair(5000, 4000), std::pair(1000, 4000)}) {
    std::shuffle(order_.begin(), order_.end(), random);
    const auto at = static_cast<size_t>(1000 + benign_size);
    const auto size = static_cast<size_t>(log_size);
    const QueryStream reference = part(0, 1000);
    const QueryStream benign = part(1000, at);
    const QueryStream quiet = part(at, at + size);
    QueryStream log = part(at, at + size / 2);
    const QueryStream burst = near_duplicates(row_of(quiet, 0), 150, 0.02F, 7);
    for (const QueryStream& next : {burst, part(at + size / 2, at + size)}) {
      for (int64_t i = 0; i < next.view().size(); ++i) append(log, row_of(next, i), 0);
    }
    const Detector made = detector("{ monitor: stateful }", {.reference = reference.view()});
    const auto seen = [&](const QueryStream& of) {
      return watch_log("m", made, of.view(), benign.view(), kChance / 6);
    };
    const WatchResult alarm = seen(log);
    EXPECT_TRUE(alarm.alarm) << benign_size << ' ' << *alarm.p_value;
    ASSERT_TRUE(alarm.window);
    EXPECT_LT(alarm.window->begin, 2150);
    EXPECT_GT(alarm.window->end, 2000);
    EXPECT_FALSE(seen(quiet).alarm) << benign_size;
  }
}

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
                log.view(), scattered(400, 5).view(), kChance);
  EXPECT_TRUE(seen.alarm);
  EXPECT_LT(*seen.p_value, 0.001);
  EXPECT_GE(seen.alarms.queries.front(), 300);
}

// What comes of a longer memory alone is no alarm.
TEST(Watch, JudgesStreamsOfOneLength) {
  const QueryStream few = scattered(100, 1);
  const QueryStream many = scattered(400, 2);
  const WatchResult longer = watch_log("m", after(90), many.view(), few.view(), kChance);
  EXPECT_EQ(longer.alarms.checks, 400);
  EXPECT_EQ(longer.alarms.raised, 40);
  EXPECT_EQ(longer.alarms.queries[10], 190);
  EXPECT_EQ(longer.benign.raised, 10);
  EXPECT_FALSE(longer.alarm);
  const WatchResult shorter = watch_log("m", after(90), few.view(), many.view(), kChance);
  EXPECT_EQ(shorter.benign.checks, 400);
  EXPECT_EQ(shorter.benign.raised, 40);
  EXPECT_FALSE(shorter.alarm);
}

TEST(Watch, SaysWhyThereIsNoVerdict) {
  const QueryStream log = scattered(100, 1);
  const WatchResult unknown = watch_log("m", under(0.5F), log.view(), {.width = 64}, kChance);
  EXPECT_THAT(unknown.reason, HasSubstr("how often benign traffic is an alarm"));
  EXPECT_GT(unknown.alarms.raised, 0);
  EXPECT_FALSE(unknown.alarm);
  EXPECT_EQ(watch_log("m", one_by_one(0), log.view(), {.width = 64}, kChance).reason, "")
      << "none is no more than benign traffic raises";
  const WatchResult whole = watch_log("m", under(0), log.view(), {.width = 64}, kChance);
  EXPECT_THAT(whole.reason, HasSubstr("judged as a whole only")) << "shorter parts might alarm";
  EXPECT_EQ(whole.alarms.raised, 0);
  const Detector prada = detector("{ monitor: prada }");
  EXPECT_EQ(watch_log("m", prada, log.view(), log.view(), kChance).reason, "too few queries");
  EXPECT_THAT(watch_log("m", prada, scattered(300, 2).view(), log.view(), kChance).reason,
              HasSubstr("too few benign queries"));
  // Benign traffic raises it always: no log can raise it more.
  const WatchResult deaf = watch_log("m", under(2), log.view(), scattered(80, 2).view(), kChance);
  EXPECT_THAT(deaf.reason, HasSubstr("from 50 in 50 that benign traffic raises"));
  EXPECT_FALSE(deaf.p_value);
  EXPECT_FALSE(deaf.alarm);
}

}  // namespace
}  // namespace assay

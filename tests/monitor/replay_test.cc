#include "harness/monitor/replay.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kAlpha = 0.01;

// Queries of width 1 that count up from `first`; those of attacks are negative.
QueryStream counting(int64_t n, float first, float step) {
  QueryStream stream;
  stream.width = 1;
  for (int64_t i = 0; i < n; ++i) append(stream, {first + static_cast<float>(i) * step}, 0);
  return stream;
}

Detector where(const std::function<bool(float)>& alarm, std::vector<QueryStream>* seen = nullptr) {
  return [=](const QueryView& queries) {
    Alarms alarms;
    alarms.threshold = 7;
    alarms.checks = queries.size();
    for (int64_t i = 0; i < queries.size(); ++i) {
      if (alarm(queries.row(i)[0])) alarms.queries.push_back(i);
    }
    alarms.raised = static_cast<int64_t>(alarms.queries.size());
    if (seen != nullptr) {
      seen->push_back({{queries.inputs.begin(), queries.inputs.end()},
                       queries.width,
                       {queries.labels.begin(), queries.labels.end()}});
    }
    return alarms;
  };
}

TEST(Replay, CountsAlarmsOnTheAttackAndOnBenignTrafficApart) {
  // Alarms on the 5th and 8th query of the attack, and on 2 of 50 benign ones.
  const auto alarm = [](float x) { return x == -5 || x == -8 || x == 10 || x == 20; };
  const QueryStream attack = counting(10, -1, -1);
  const QueryStream benign = counting(50, 0, 1);
  const Efficacy seen = replay("prada", where(alarm), attack.view(), benign.view(), 0.5, 3, kAlpha);
  EXPECT_EQ(seen.monitor, "prada");
  EXPECT_EQ(seen.attack_queries, 10);
  EXPECT_EQ(seen.mixed, 10);
  EXPECT_EQ(seen.checks, 20);
  EXPECT_EQ(seen.queries_to_alarm, 5);
  EXPECT_EQ(seen.flagged, 2);
  EXPECT_EQ(seen.benign_queries, 50);
  EXPECT_EQ(seen.false_alarms, 2);
  EXPECT_EQ(seen.threshold, 7);
}

TEST(Replay, AlarmsOnBenignQueriesOfTheMixDetectNothing) {
  const Efficacy seen =
      replay("m", where([](float x) { return x >= 0; }), counting(10, -1, -1).view(),
             counting(50, 0, 1).view(), 0.5, 3, kAlpha);
  EXPECT_NE(seen.noticed, true);
  EXPECT_EQ(seen.queries_to_alarm, std::nullopt);
  EXPECT_EQ(seen.flagged, 0);
  EXPECT_EQ(seen.false_alarms, 50);
}

// One query in ten is an alarm, whoever sends it.
TEST(Replay, AnAlarmNowAndThenNoticesNobody) {
  const auto now_and_then = [](float x) { return static_cast<int64_t>(std::abs(x)) % 10 == 3; };
  const auto often = [](float x) { return x < 0 ? x > -80 : static_cast<int64_t>(x) % 10 == 3; };
  for (const double share : {0.0, 0.3}) {
    const auto seen = [&](const Detector& detector) {
      return replay("m", detector, counting(200, -1, -1).view(), counting(500, 0, 1).view(), share,
                    3, kAlpha);
    };
    const Efficacy quiet = seen(where(now_and_then));
    EXPECT_EQ(quiet.noticed, false) << share;
    EXPECT_EQ(quiet.queries_to_alarm, 3);
    EXPECT_EQ(quiet.flagged, 20);
    EXPECT_EQ(seen(where(often)).noticed, true) << share;
  }
}

TEST(Replay, TheMixKeepsTheAttacksOrderAndSendsNothingTwice) {
  std::vector<QueryStream> seen;
  replay("m", where([](float) { return false; }, &seen), counting(100, -1, -1).view(),
         counting(500, 0, 1).view(), 0.75, 3, kAlpha);
  ASSERT_GE(seen.size(), 2u);
  std::vector<float> attack;
  std::set<float> benign;
  size_t early = 0;  // queries of the attack in the first half
  for (size_t i = 0; i < seen[0].inputs.size(); ++i) {
    const float x = seen[0].inputs[i];
    if (x < 0) attack.push_back(x);
    if (x < 0 && i < 200) ++early;
    if (x >= 0) benign.insert(x);
  }
  EXPECT_EQ(attack, counting(100, -1, -1).inputs);
  EXPECT_EQ(benign.size(), 300u);  // three for each of the attack's
  EXPECT_EQ(seen[0].inputs.size(), 400u);
  EXPECT_GT(early, 30u);
  EXPECT_LT(early, 70u);
  EXPECT_EQ(seen.back().inputs, counting(500, 0, 1).inputs);  // false alarms: all, in order
}

// 300 low queries after 2000 others are seen only from nothing.
TEST(Replay, WhereOnlyAPartShowsTheAttackItsEndIsWhenItIsNoticed) {
  QueryStream attack = scattered(2000, 1);
  for (int64_t i = 0; i < 300; ++i) append(attack, std::vector<float>(64, 0), 0);
  const QueryStream rest = scattered(1700, 2);
  for (int64_t i = 0; i < 1700; ++i) append(attack, row_of(rest, i), 0);
  const QueryStream benign = scattered(5000, 3);
  const Efficacy seen = replay("m", pooled(), attack.view(), benign.view(), 0, 1, kAlpha);
  EXPECT_EQ(seen.noticed, true);
  EXPECT_EQ(seen.flagged, 0);
  ASSERT_TRUE(seen.queries_to_alarm);
  EXPECT_EQ(*seen.queries_to_alarm, 3000) << "the part is of queries 2000 to 2999";
  // One in four queries of the mix is benign: the thief has sent fewer when it ends.
  const Efficacy mixed = replay("m", pooled(), attack.view(), benign.view(), 0.25, 1, kAlpha);
  EXPECT_EQ(mixed.noticed, true);
  EXPECT_EQ(mixed.flagged, 0);
  ASSERT_TRUE(mixed.queries_to_alarm);
  EXPECT_GT(*mixed.queries_to_alarm, 2000);
  EXPECT_LT(*mixed.queries_to_alarm, 3500) << "and not the 4000 of the mix";
  EXPECT_EQ(replay("m", pooled(), rest.view(), benign.view(), 0, 1, kAlpha).queries_to_alarm,
            std::nullopt);
}

TEST(Replay, TheSeedDecidesTheMix) {
  const auto mixed = [](uint64_t seed) {
    std::vector<QueryStream> seen;
    replay("m", where([](float) { return false; }, &seen), counting(20, -1, -1).view(),
           counting(50, 0, 1).view(), 0.5, seed, kAlpha);
    return seen[0].inputs;
  };
  EXPECT_EQ(mixed(1), mixed(1));
  EXPECT_NE(mixed(1), mixed(2));
}

TEST(Replay, MissingQueriesAreNoFault) {
  const Detector all = where([](float) { return true; });
  const Efficacy few =
      replay("m", all, counting(10, -1, -1).view(), counting(4, 0, 1).view(), 0.5, 1, kAlpha);
  EXPECT_EQ(few.mixed, 4);
  const Efficacy alone = replay("m", all, counting(10, -1, -1).view(), {}, 0.5, 1, kAlpha);
  EXPECT_EQ(alone.mixed, 0);
  EXPECT_EQ(alone.queries_to_alarm, 1);
  EXPECT_EQ(alone.false_alarms, 0);
  const Efficacy nothing = replay("m", all, {}, counting(4, 0, 1).view(), 0.5, 1, kAlpha);
  EXPECT_EQ(nothing.noticed, std::nullopt);
  EXPECT_EQ(nothing.flagged, 0);
  EXPECT_EQ(nothing.false_alarms, 4);
}

TEST(Replay, ReferenceAndTrafficShareNoQuery) {
  for (const int64_t n : {0, 1, 2, 11, 1000}) {
    const BenignSplit split = split_benign(n, 5);
    std::set<int64_t> all(split.reference.begin(), split.reference.end());
    all.insert(split.traffic.begin(), split.traffic.end());
    EXPECT_EQ(static_cast<int64_t>(all.size()), n);
    EXPECT_EQ(static_cast<int64_t>(split.reference.size()), n / 2);
    EXPECT_EQ(static_cast<int64_t>(split.traffic.size()), n - n / 2);
    EXPECT_TRUE(std::is_sorted(split.traffic.begin(), split.traffic.end()));
  }
  EXPECT_NE(split_benign(1000, 5).traffic, split_benign(1000, 6).traffic);
}

TEST(Monitors, TheTableIsInOrderAndDeclaresItsParameters) {
  std::vector<std::string> names;
  for (const MonitorInfo& info : monitor_infos()) {
    names.push_back(info.name);
    EXPECT_NE(info.summary, "");
    EXPECT_NE(info.paper.find("arXiv:"), std::string::npos);
    Params params;
    info.declare(params);
    EXPECT_FALSE(params.specs().empty());
  }
  EXPECT_THAT(names, ElementsAre("blacklight", "prada", "stateful"));
}

TEST(Monitors, TheBeginningOfAStreamHasTheBeginningOfItsAlarms) {
  QueryStream stream = scattered(300, 1);
  const QueryStream near = near_duplicates(row_of(stream, 17), 200, 0.001F, 2);
  for (int64_t i = 0; i < 200; ++i) append(stream, row_of(near, i), 0);
  const QueryStream reference = scattered(200, 9);
  for (const char* entry : {"{ monitor: prada, delta: 0.99 }",
                            "{ monitor: stateful, neighbours: 5 }", "{ monitor: blacklight }"}) {
    const Detector watch = detector(entry, {.reference = reference.view()});
    const std::vector<int64_t> whole = watch(stream.view()).queries;
    EXPECT_FALSE(whole.empty()) << entry;
    for (const int64_t n : {0, 1, 130, 300, 411}) {
      std::vector<int64_t> beginning;
      for (const int64_t i : whole) {
        if (i < n) beginning.push_back(i);
      }
      EXPECT_EQ(watch(rows_of(stream, 0, n).view()).queries, beginning) << entry << ' ' << n;
    }
  }
}

}  // namespace
}  // namespace assay

// What an oracle notes of an attack's course.
#include <gtest/gtest.h>

#include "harness/model/oracle.h"
#include "tests/model/oracle_fixture.h"

namespace assay {
namespace {

using testing::linf;
using testing::rows;
using testing::threshold_model;
using testing::two_samples;
using testing::values;

TEST(OracleTrace, OnlyWhatIsAStepLeavesATrace) {
  const Model model = threshold_model();
  const Block block = two_samples();
  Oracle oracle(model, linf(0.1), block, 0, 0);
  const auto send = [&](double at) {
    oracle.logits(values({at, 0.5, 0.45, 0.5}).view({2, 2}), rows({1, 1}));
  };
  // The nearest to the boundary is a probe; the iterates are still on their way.
  for (int64_t i = 0; i < 12; ++i) {
    const Untraced probes(oracle, 1);
    const Untraced fewer(oracle, 2);  // the least of both
    send(0.2 + 0.005 * static_cast<double>(i));
  }
  EXPECT_TRUE(oracle.trace()->tells(1));
  EXPECT_TRUE(oracle.trace()->unfinished(1));
  EXPECT_FALSE(oracle.trace()->tells(0));
  send(0.25);
  send(0.25);
  EXPECT_FALSE(oracle.trace()->unfinished(1)) << "0.45 is a step now, and not in the last tenth";
  oracle.start_ascent(rows({1}));
  send(0.25);
  oracle.settle(rows({1}));
  EXPECT_TRUE(oracle.trace()->tells(1)) << "the ascent before";
}

TEST(OracleTrace, WhereTheNearestPointIsSoughtTheTraceIsOfDistances) {
  const Model model = threshold_model();
  const Block block = two_samples();
  for (const bool in_ball : {false, true}) {
    Oracle oracle(model, linf(in_ball ? std::optional(0.1) : std::nullopt), block, 0, 0);
    if (in_ball) oracle.trace_distances();
    for (int64_t i = 0; i < 20; ++i) {  // 0.8 down to 0.6, and back and forth across the boundary
      const double at = i % 2 == 0 ? 0.8 - 0.01 * static_cast<double>(i) : 0.45;
      oracle.logits(values({at, 0.5}).view({1, 2}), rows({1}));
    }
    EXPECT_FALSE(oracle.trace()->unfinished(1)) << "by .02 of .4";
    oracle.logits(values({0.52, 0.5}).view({1, 2}), rows({1}));
    EXPECT_TRUE(oracle.trace()->unfinished(1));
  }
}

TEST(OracleTrace, ByLabelsStepsAreTheAttacksOwnAndDistancesThoseItSees) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.4);
  threat.feature_scale = {0.5, 0};
  threat.access = Access::kLabel;
  Oracle oracle(model, threat, block, 0, 0);
  oracle.labels_from_afar(values({0.5, 0.9}).view({1, 2}), rows({1}));
  oracle.count_step(rows({1}));
  EXPECT_FALSE(oracle.trace()->hasty(1)) << "nothing crossed yet";
  oracle.labels_from_afar(values({0.99, 0.9}).view({1, 2}), rows({1}));
  EXPECT_TRUE(oracle.trace()->hasty(1));
  for (int64_t i = 0; i < 12; ++i) oracle.count_step(rows({1}));
  EXPECT_FALSE(oracle.trace()->unfinished(1));
  oracle.labels_from_afar(values({0.82, 0.9}).view({1, 2}), rows({1}));
  oracle.count_step(rows({1}));
  EXPECT_TRUE(oracle.trace()->unfinished(1)) << "from .79 to .62, of which .31 is sent";
}

// Two entries: two queries make a step, whatever they are for.
TEST(OracleTrace, ByScoresAStepIsAsManyQueriesAsThereAreEntriesUpToAHundred) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.1);
  threat.access = Access::kScore;
  for (const bool probes : {false, true}) {
    Oracle oracle(model, threat, block, 0, 0);
    for (int64_t i = 0; i < 19; ++i) {
      const Untraced only(oracle, 1);
      oracle.logits(values({0.2, 0.5, 0.2, 0.5}).view({2, 2}).narrow(0, 0, probes ? 2 : 1),
                    rows({1, 1}).narrow(0, 0, probes ? 2 : 1));
      EXPECT_EQ(oracle.trace()->hasty(1), !probes || i < 9) << i;
    }
    EXPECT_EQ(oracle.trace()->tells(1), probes);
  }
}

TEST(OracleTrace, AnAttackByLabelsThatTakesNoStepsLeavesNone) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.4);
  threat.access = Access::kLabel;
  Oracle oracle(model, threat, block, 0, 0);
  const auto send = [&] { oracle.labels(values({0.9, 0.9}).view({1, 2}), rows({1})); };
  send();  // broken, but too far away
  EXPECT_FALSE(oracle.found()[1].item<bool>());
  EXPECT_FALSE(oracle.trace()->hasty(1)) << "a crossing on the way to nowhere";
  oracle.count_step(rows({1}));
  send();
  EXPECT_TRUE(oracle.trace()->hasty(1));
}

TEST(OracleTrace, WhereTheBoxAloneBoundsAnAttackThereIsNoTrace) {
  const Model model = threshold_model();
  const Block block = two_samples();
  ThreatModel threat = linf(0.1);
  EXPECT_TRUE(Oracle(model, threat, block, 0, 0).trace().has_value());
  threat.eps.reset();
  EXPECT_TRUE(Oracle(model, threat, block, 0, 0).trace().has_value());
  threat.unbounded = true;
  EXPECT_FALSE(Oracle(model, threat, block, 0, 0).trace().has_value());
}

}  // namespace
}  // namespace assay

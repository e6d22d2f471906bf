// Nearest earlier queries: positions, memory, calibration.
#include <gmock/gmock.h>

#include <numeric>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

QueryStream line(const std::vector<float>& places) {
  QueryStream stream;
  for (const float place : places) append(stream, {place, 0}, 0);
  return stream;
}

std::vector<double> distances_to(const QueryStream& stream, int64_t i, int64_t begin, int64_t end) {
  std::vector<double> distances;
  for (int64_t j = begin; j < end; ++j) {
    double square = 0;
    for (size_t k = 0; k < static_cast<size_t>(stream.width); ++k) {
      const double gap = static_cast<double>(stream.view().row(i)[k]) - stream.view().row(j)[k];
      square += gap * gap;
    }
    distances.push_back(std::sqrt(square));
  }
  return distances;
}

double mean_of_least(std::vector<double> values, size_t count) {
  std::sort(values.begin(), values.end());
  return std::accumulate(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count), 0.0) /
         static_cast<double>(count);
}

// Distances to each earlier query since the last alarm, one by one.
Alarms plainly(const QueryStream& stream, int64_t neighbours, double threshold) {
  Alarms alarms;
  int64_t start = 0;
  for (int64_t i = 0; i < stream.view().size(); ++i) {
    if (i - start < neighbours) continue;
    ++alarms.checks;
    const std::vector<double> distances = distances_to(stream, i, start, i);
    if (mean_of_least(distances, static_cast<size_t>(neighbours)) >= threshold) continue;
    alarms.queries.push_back(i);
    start = i + 1;
  }
  return alarms;
}

TEST(Stateful, AnAlarmClearsTheMemory) {
  const Detector two = detector("{ monitor: stateful, neighbours: 2, threshold: 1 }");
  // The third 5 is near two others; after it two more have to come before anything is judged.
  const Alarms alarms = two(line({0, 5, 10, 5, 5, 5, 5, 5}).view());
  EXPECT_THAT(alarms.queries, ElementsAre(4, 7));
  EXPECT_EQ(alarms.checks, 4);
  EXPECT_EQ(alarms.threshold, 1);
}

TEST(Stateful, TheThresholdItselfIsNoAlarm) {
  EXPECT_THAT(
      detector("{ monitor: stateful, neighbours: 1, threshold: 2 }")(line({0, 2}).view()).queries,
      IsEmpty());
  EXPECT_THAT(detector("{ monitor: stateful, neighbours: 1, threshold: 2 }")(line({0, 1.9F}).view())
                  .queries,
              ElementsAre(1));
}

TEST(Stateful, AgreesWithDistancesTakenOneByOne) {
  QueryStream stream = scattered(300, 1);
  const QueryStream near = near_duplicates(row_of(stream, 17), 200, 0.02F, 2);
  for (int64_t i = 0; i < 200; ++i) append(stream, row_of(near, i), 0);
  for (int64_t i = 300; i < 600; ++i) append(stream, row_of(scattered(600, 3), i), 0);
  const Alarms found =
      detector("{ monitor: stateful, neighbours: 7, threshold: 1.8 }")(stream.view());
  const Alarms expected = plainly(stream, 7, 1.8);
  EXPECT_GT(expected.queries.size(), 10u);
  EXPECT_EQ(found.queries, expected.queries);
  EXPECT_EQ(found.checks, expected.checks);
}

TEST(Stateful, CalibrationLeavesOneInAThousandBelow) {
  const QueryStream reference = scattered(400, 4);
  std::vector<double> means;
  for (int64_t i = 0; i < 400; ++i) {
    std::vector<double> distances = distances_to(reference, i, 0, 400);
    distances.erase(distances.begin() + i);
    means.push_back(mean_of_least(distances, 5));
  }
  std::sort(means.begin(), means.end());
  const Detector calibrated =
      detector("{ monitor: stateful, neighbours: 5 }", {.reference = reference.view()});
  // 0.1 % of 399 intervals is 0.399 of the way from the least to the second.
  EXPECT_NEAR(calibrated(line({}).view()).threshold, means[0] + 0.399 * (means[1] - means[0]),
              1e-5);
}

TEST(Stateful, TheThresholdIsTheSameWhereverTheOriginLies) {
  const auto threshold = [](float away) {
    QueryStream reference = scattered(400, 4);
    for (float& value : reference.inputs) value += away;
    return detector("{ monitor: stateful, neighbours: 5 }",
                    {.reference = reference.view()})(line({}).view())
        .threshold;
  };
  EXPECT_NEAR(threshold(1000), threshold(0), 1e-3);
}

TEST(Stateful, SaysOfEachQueryWhatItWouldWithoutForgetting) {
  const Alarms alarms = detector("{ monitor: stateful, neighbours: 2, threshold: 1 }")(
      line({0, 5, 10, 5, 5, 5, 5, 5, 9, 0}).view());
  EXPECT_THAT(alarms.beyond, ElementsAre(-1, -1, 0, 0, 1, 1, 1, 1, 0, 0));
}

TEST(Stateful, AReferenceThatIsTooSmallIsToldAtTheEntry) {
  const QueryStream few = scattered(50, 4);
  try {
    detector("{ monitor: stateful }", {.reference = few.view()});
    FAIL() << "calibrated with 50";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("suite.yaml:1:1: monitor `stateful`"));
    EXPECT_THAT(error.what(), HasSubstr("51 benign queries or more"));
    EXPECT_THAT(error.what(), HasSubstr("has 50"));
  }
}

TEST(Stateful, NearDuplicatesAreCaughtAndNaturalImagesPass) {
  const QueryStream reference = rows_of(fashion(), 0, 2000);
  const Detector stateful = detector("{ monitor: stateful }", {.reference = reference.view()});
  const QueryStream traffic = rows_of(fashion(), 2000, 4000);
  EXPECT_LE(stateful(traffic.view()).queries.size(), 4u);  // 0.1 % of 2000 are 2
  const QueryStream attack = near_duplicates(row_of(traffic, 7), 500, 0.05F, 3);
  const Alarms alarms = stateful(attack.view());
  ASSERT_FALSE(alarms.queries.empty());
  EXPECT_EQ(alarms.queries.front(), 50);  // as soon as 50 are remembered
}

}  // namespace
}  // namespace assay

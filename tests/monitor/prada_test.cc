// PRADA against its reference, and what it sees and what not.
#include <gmock/gmock.h>

#include <numeric>

#include "tests/monitor/traffic.h"

namespace assay {
namespace {

using testing::ElementsAreArray;
using testing::IsEmpty;

// 150 queries all over the cube, then the same ones moved by 0.05 again and again.
QueryStream moved() {
  QueryStream stream;
  for (int i = 0; i < 400; ++i) {
    std::vector<float> row(4);
    for (int k = 0; k < 4; ++k) {
      const auto at = static_cast<size_t>(k);
      if (i < 150) {
        row[at] = static_cast<float>(std::fmod((i + 1) * (k + 1) * 0.6180339887498949, 1.0));
      } else {
        row[at] = row_of(stream, i - 150)[at] + ((i + k) % 3 == 0 ? 0.05F : -0.05F);
      }
    }
    append(stream, row, i < 150 ? i % 2 : stream.labels[static_cast<size_t>(i - 150)]);
  }
  return stream;
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> positions(static_cast<size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

// Positions and checks by the authors' rules, written down in numpy with scipy.stats.shapiro.
TEST(Prada, AlarmsWhereTheReferenceDoes) {
  const Alarms strict = detector("{ monitor: prada }")(moved().view());
  EXPECT_THAT(strict.queries, ElementsAreArray(range(110, 340)));
  EXPECT_EQ(strict.checks, 29);
  EXPECT_EQ(strict.threshold, 0.9);

  std::vector<int64_t> expected = range(140, 150);
  for (const int64_t i : range(220, 230)) expected.push_back(i);
  EXPECT_THAT(detector("{ monitor: prada, delta: 0.715 }")(moved().view()).queries,
              ElementsAreArray(expected));

  const Alarms often = detector("{ monitor: prada, delta: 0.97, every: 7 }")(moved().view());
  EXPECT_THAT(often.queries, ElementsAreArray(range(105, 400)));
  EXPECT_EQ(often.checks, 43);
}

TEST(Prada, AHundredDistancesAreTooFew) {
  const QueryStream stream = moved();
  // Two classes of 51 queries have 100 distances; the check at query 110 is the first.
  const Alarms none = detector("{ monitor: prada, delta: 1 }")(rows_of(stream, 0, 110).view());
  EXPECT_EQ(none.checks, 0);
  EXPECT_THAT(none.queries, IsEmpty());
  EXPECT_EQ(detector("{ monitor: prada }")(rows_of(stream, 0, 111).view()).checks, 1);
}

TEST(Prada, ClassesWithFewDistancesAreLeftOut) {
  QueryStream stream = moved();
  for (size_t i = 0; i < 400; ++i) stream.labels[i] = static_cast<int64_t>(i % 40);
  // 10 queries a class are 9 distances.
  EXPECT_EQ(detector("{ monitor: prada }")(stream.view()).checks, 0);
}

TEST(Prada, OneRepeatedQueryPasses) {
  QueryStream stream;
  for (int i = 0; i < 500; ++i) append(stream, {0.1F, 0.9F}, 0);
  EXPECT_THAT(detector("{ monitor: prada }")(stream.view()).queries, IsEmpty());
}

TEST(Prada, NaturalImagesPassAndAugmentedOnesDoNot) {
  const Detector prada = detector("{ monitor: prada }");
  const QueryStream natural = rows_of(fashion(), 0, 3000);
  const Alarms quiet = prada(natural.view());
  EXPECT_THAT(quiet.queries, IsEmpty());
  EXPECT_GT(quiet.checks, 200);
  const QueryStream attack = augmented(rows_of(fashion(), 0, 150), 3, 0.1F, 5);
  EXPECT_GT(prada(attack.view()).queries.size(), 600u);
}

// Knockoff nets and Copycat send images of a pool: what they do cannot be told from use.
TEST(Prada, ExtractionWithNaturalImagesIsMissed) {
  const QueryStream pool = rows_of(fashion(), 5000, 8000);
  const Alarms missed = detector("{ monitor: prada }")(pool.view());
  EXPECT_THAT(missed.queries, IsEmpty());
  EXPECT_GT(missed.checks, 0);
}

}  // namespace
}  // namespace assay

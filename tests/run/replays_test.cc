// What the suite's monitors make of thieves.
#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/suite/error.h"
#include "tests/run/heist_fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::HeistTest;

TEST_F(HeistTest, MonitorsSeeTheThievesWithMostQueries) {
  const std::string monitors =
      "monitors: {benign: out, detectors: [ {monitor: prada}, {monitor: stateful, neighbours: 3} "
      "]}\n";
  const Suite suite = heist_suite(steal(), monitors);
  const Evidence evidence = run_heist(suite, make_model(1), "s");
  std::vector<Monitored> seen;
  for (const UnitResult& unit : evidence.units) {
    seen.insert(seen.end(), unit.monitored.begin(), unit.monitored.end());
  }
  ASSERT_EQ(seen.size(), 12U);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(seen[i].monitor, i % 4 < 2 ? "prada" : "stateful");
    EXPECT_EQ(seen[i].mixed, i % 2 == 0 ? 0 : 10)
        << "alone, and among what benign queries there are";
    EXPECT_EQ(seen[i].seed, static_cast<int64_t>(i / 4));
    EXPECT_EQ(seen[i].attack_queries, 40);
    EXPECT_EQ(seen[i].benign_queries, 10);
    EXPECT_LE(seen[i].flagged, 40);
  }
  // Monitors that come later steal again, and find the same.
  run_heist(heist_suite(steal()), make_model(1), "later");
  EXPECT_EQ(to_text(run_heist(suite, make_model(1), "later")), to_text(evidence));
}

TEST_F(HeistTest, ACalibrationThatIsImpossibleIsRefusedBeforeAnythingIsStolen) {
  const Suite suite = heist_suite(
      steal(), "monitors: {benign: out, detectors: [ {monitor: stateful, neighbours: 10} ]}\n");
  try {
    run_heist(suite, make_model(1), "s");
    FAIL() << "10 records have no 10 others";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("with 11 benign queries or more"));
    EXPECT_THAT(error.what(), HasSubstr("and has 10;"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "s" / "store.sqlite"));
}

}  // namespace
}  // namespace assay

#include "harness/run/replays.h"

#include <gmock/gmock.h>

#include "harness/suite/error.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Replays, ALineForEachMonitorIsARowOfEvidence) {
  const std::vector<Monitored> seen =
      parse_replay("prada 40 0 31 5 17 500 2 0.9 1\nstateful 40 40 30 0 -1 500 0 3.25 -1\n", 2);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], (Monitored{.monitor = "prada",
                                .seed = 2,
                                .attack_queries = 40,
                                .mixed = 0,
                                .checks = 31,
                                .flagged = 5,
                                .queries_to_alarm = 17,
                                .benign_queries = 500,
                                .false_alarms = 2,
                                .threshold = 0.9,
                                .noticed = true,
                                .failure = ""}));
  EXPECT_EQ(seen[1].threshold, 3.25);
  EXPECT_EQ(seen[1].noticed, std::nullopt);
  EXPECT_TRUE(parse_replay("", 0).empty());
}

TEST(Replays, AnUnreadRestIsAnError) {
  const std::string line = "prada 40 0 31 5 17 500 2 0.9 1\n";
  for (const char* rest : {"stateful 40 40 30 0 -1 500 0 inf 1\n", "stateful 40\n", "\n",
                           "prada 40 0 31 5 17 500 2 0.9 1 7\n"}) {
    EXPECT_THAT([&] { parse_replay(line + rest, 0); },
                ThrowsMessage<Error>(HasSubstr("came to no numbers")))
        << rest;
  }
}

}  // namespace
}  // namespace assay

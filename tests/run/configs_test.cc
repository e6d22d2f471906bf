// The suites and the attacks' examples that come with the program are valid.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/monitor/monitor.h"
#include "harness/run/plan.h"
#include "harness/suite/error.h"
#include "harness/suite/suite.h"

namespace assay {
namespace {

TEST(Configs, EverySuiteThatComesWithTheProgramIsValid) {
  std::vector<AttackInfo> infos;
  for (const Attack& attack : with_ensemble(attack_table())) infos.push_back(attack.info);
  int loaded = 0;
  for (const char* folder : {"configs/suites", "configs/attacks"}) {
    const std::filesystem::path root = std::filesystem::path(ASSAY_SOURCE_DIR) / folder;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.path().extension() != ".yaml") continue;
      try {
        const Suite suite = load_suite(entry.path(), {}, infos, monitor_infos());
        EXPECT_EQ(suite.name, entry.path().stem().string()) << "a suite is named after its file";
        EXPECT_FALSE(suite.rules.empty()) << entry.path();
        ++loaded;
        // The quickstart trains on the first 30,000 rows of the file that all of these name.
        for (const AttackSpec& spec : suite.attacks) {
          for (const char* set : {"non_members", "pool"}) {
            const auto name = spec.sets.find(set);
            if (spec.family != Family::kMembership || name == spec.sets.end()) continue;
            const auto rows = suite.data.at(name->second).rows;
            EXPECT_TRUE(rows && rows->first >= 30'000)
                << entry.path() << ' ' << set << ": see attacks/README.md";
          }
        }
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
  EXPECT_GE(loaded, 60);
}

}  // namespace
}  // namespace assay

// Membership entries: what they need, and what has no effect in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/suite/error.h"
#include "harness/suite/suite.h"
#include "tests/suite/fakes.h"

namespace assay {
namespace {

TEST(Membership, AnAttackThatComparesWithThePoolNeedsItOnlineToo) {
  std::string text = kExample;
  text.replace(text.find("attack: lira"), 12, "attack: rmia");
  text.replace(text.find("mode: offline"), 13, "mode: online");
  EXPECT_NO_THROW(load(text));
  text.replace(text.find("non_members: non_members, pool: pool"), 36, "non_members: non_members");
  EXPECT_THAT([&] { load(text); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("needs `pool`")));
}

TEST(Membership, ASettingWithoutEffectIsRefusedInItsEntryAndIdleInDefaults) {
  std::string text = kExample;
  text.replace(text.find("attack: lira"), 12, "attack: rmia");
  text.replace(text.find("mode: offline"), 13, "mode: online, a: 0.3");
  EXPECT_THAT([&] { load(text); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("`a` goes with offline")));
  text.replace(text.find(", a: 0.3"), 8, "");
  text.replace(text.find("defaults: { norm: linf }"), 24, "defaults: { norm: linf, a: 0.3 }");
  const Suite suite = load(text);
  const Suite restored = restore_suite(suite.effective, suite.file.parent_path(), fake_attacks());
  EXPECT_EQ(restored.sha256, suite.sha256);
}

TEST(Membership, OneRunTakesNoCountWhichNoCoinWouldGive) {
  std::string text = kExample;
  text.replace(text.find("mode: offline"), 13, "mode: offline, inclusion: randomised, count: 20");
  EXPECT_NO_THROW(load(text));
  const std::string coin = "estimator: one_run, ";
  text.replace(text.find("inclusion:"), 0, coin);
  const size_t at = text.find("count: 20");
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  const std::string place =
      "suite.yaml:" + std::to_string(line + 1) + ":" +
      std::to_string(at - text.rfind('\n', at) + std::string("count: ").size());
  try {
    load(text);
    FAIL() << "one_run takes a count";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("`count: 20` draws as many members"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr(place));
  }
  text.replace(text.find(", count: 20"), 11, "");
  EXPECT_NO_THROW(load(text));
}

}  // namespace
}  // namespace assay

// Membership entries: what they need, and what has no effect in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace assay

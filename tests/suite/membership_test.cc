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

// A suite of a model whose inputs have this shape, with `more` in its entry and `defaults`.
std::string viewing(const std::string& shape, const std::string& more,
                    const std::string& defaults = "") {
  return "assay: 1\nname: t\nmodel: { path: m.pt, input: { shape: " + shape + " }, classes: 2 }\n" +
         defaults +
         "data: { a: { format: npy, images: x.npy, labels: y.npy },\n"
         "  b: { format: npy, images: z.npy, labels: y.npy } }\n"
         "attacks: [ { name: v, attack: viewer, members: a, non_members: b" +
         more + " } ]\n";
}

std::vector<AttackInfo> with_viewer() {
  std::vector<AttackInfo> table = fake_attacks();
  AttackInfo viewer;
  viewer.name = "viewer";
  viewer.family = Family::kMembership;
  viewer.access = Access::kScore;
  viewer.declare = [](Params& params, const ThreatModel&) {
    const bool plain = params.choice("mode", "views", {"views", "plain"}, "how") == "plain";
    params.integer("views", 18, {1, 18}, "of each record");
    if (plain) params.refuse("views", "`views` goes with `mode: views`");
  };
  table.push_back(viewer);
  return table;
}

TEST(Membership, OfInputsThatAreNoImagesThereIsOneView) {
  const auto views = [](const std::string& text) {
    return std::get<int64_t>(load(text, {}, with_viewer()).attacks[0].params.at("views"));
  };
  EXPECT_EQ(views(viewing("[20]", "")), 1);
  EXPECT_EQ(views(viewing("[20]", ", views: 1")), 1);
  EXPECT_EQ(views(viewing("[3, 8, 8]", "")), 18);
  EXPECT_EQ(views(viewing("[3, 8, 8]", ", views: 2")), 2);
  EXPECT_NO_THROW(views(viewing("[20]", ", mode: plain"))) << "no one set it";
  const Suite suite = load(viewing("[20]", ", mode: plain"), {}, with_viewer());
  const Suite restored = restore_suite(suite.effective, suite.file.parent_path(), with_viewer());
  EXPECT_EQ(restored.sha256, suite.sha256);
}

TEST(Membership, MoreViewsOfInputsThatAreNoImagesAreRefusedWhereTheyAreSaid) {
  const auto told = [](const std::string& text) {
    try {
      load(text, {}, with_viewer());
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string entry = told(viewing("[20]", ", views: 2"));
  EXPECT_THAT(entry, ::testing::HasSubstr("suite.yaml:6:74: `views: 2` needs images"));
  EXPECT_THAT(entry, ::testing::HasSubstr("`model.input.shape` is [20]; say `views: 1`"));
  EXPECT_THAT(told(viewing("[4, 4]", "", "defaults: { views: 18 }\n")),
              ::testing::HasSubstr("suite.yaml:4:20: `views: 18` needs images"));
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

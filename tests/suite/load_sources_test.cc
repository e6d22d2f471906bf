// What cells take from elsewhere, and which rules then do not hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using testing::HasSubstr;

TEST(LoadSources, ChainingNamesAnEarlierCellOrAFile) {
  const std::string entries =
      "attacks:\n  - { name: p, attack: pgd, norm: linf, eps: [0.1] }\n"
      "  - { name: t, attack: transfer, eps: 0.1, source: ";
  EXPECT_EQ(load(kSmall + entries + "p@0.10 }\n").attacks[1].source, "p@0.10");
  EXPECT_EQ(load(kSmall + entries + "baseline }\n").attacks[1].source, "baseline");
  EXPECT_EQ(load(kSmall + entries + "x.safetensors }\n").attacks[1].source, "x.safetensors");
  EXPECT_THAT(fault(kSmall + entries + "t }\n"), HasSubstr("names no cell of an earlier entry"));
  EXPECT_THAT(fault(std::string(kSmall) +
                    "attacks: [ { name: t, attack: transfer, norm: linf, eps: 0.1 } ]\n"),
              HasSubstr("attack `transfer` needs `source`"));
}

TEST(LoadSources, APairedRuleOnPointsOfTheBaselineIsRefused) {
  EXPECT_THAT(fault(std::string(kSmall) +
                    "attacks: [ { name: t, attack: transfer, norm: linf, eps: 0.1, source: baseline"
                    " } ]\ngate: { rules: [ { cell: t, metric: robust_accuracy, max_drop: 0.1 } ] }"
                    "\n"),
              HasSubstr("is refused"));
}

// What matters is the file, not what the suite calls it.
TEST(LoadSources, APairedRuleOnTheBaselinesPathOrOnAFileOfAdversarialsIsRefused) {
  const auto suite = [](const std::string& source, const std::string& kind) {
    return "baseline: inc.pt\n" + std::string(kSmall) +
           "attacks: [ { name: t, attack: transfer, norm: linf, eps: 0.1, source: " + source +
           " } ]\ngate: { rules: [ { cell: t, metric: robust_accuracy, " + kind + ": 0.1 } ] }\n";
  };
  for (const char* source : {"inc.pt", "./inc.pt", "../x/../inc.pt", "found.safetensors"}) {
    const bool away = std::string(source).starts_with("..");
    if (away) {
      EXPECT_EQ(load(suite(source, "max_drop")).attacks[0].source, source) << "another folder";
      continue;
    }
    EXPECT_THAT(fault(suite(source, "max_drop")), HasSubstr("is refused")) << source;
    EXPECT_THAT(fault(suite(source, "max_drop")), HasSubstr("write at_least")) << source;
    EXPECT_EQ(load(suite(source, "at_least")).rules.size(), 1u) << source;
  }
  EXPECT_EQ(load(suite("inc.pt", "at_least")).attacks[0].source, "baseline");
  EXPECT_EQ(load(suite("other.pt", "max_drop")).attacks[0].source, "other.pt");
}

TEST(LoadSources, ACellCannotTakePointsOfALaterOne) {
  EXPECT_THAT(fault(std::string(kSmall) +
                    "defaults: { norm: linf }\nattacks: [ { name: t, attack: transfer, eps: 0.1, "
                    "source: p@0.1 }, { name: p, attack: pgd, eps: [0.1] } ]\n"),
              HasSubstr("names no cell of an earlier entry"));
}

TEST(LoadSources, APairedRuleOnTheCorpusIsRefused) {
  const std::string entries =
      "defaults: { norm: linf, eps: 0.1 }\n"
      "attacks: [ { name: c, attack: corpus }, { name: p, attack: pgd, init: corpus },"
      " { name: q, attack: pgd } ]\n"
      "gate: { rules: [ { cell: ";
  const std::string drop = ", metric: robust_accuracy, max_drop: 0.1 } ] }\n";
  for (const char* cell : {"c", "p"}) {
    EXPECT_THAT(fault(kSmall + entries + cell + drop), HasSubstr("is refused")) << cell;
  }
  const Suite suite = load(kSmall + entries + "\"*\"" + drop);
  EXPECT_EQ(suite.rules[0].cells, std::vector<size_t>{2});
  EXPECT_EQ(
      load(kSmall + entries + "c, metric: robust_accuracy, at_least: 0.1 } ] }\n").rules[0].cells,
      std::vector<size_t>{0});
}

TEST(LoadSources, TheCorpusFeedsNoOtherCellBySource) {
  const std::string head = std::string(kSmall) + "defaults: { norm: linf, eps: 0.1 }\nattacks: [ ";
  for (const char* first : {"{ name: c, attack: corpus }",
                            "{ name: c, attack: ensemble, stages: [ { attack: corpus } ] }"}) {
    EXPECT_THAT(fault(head + first + ", { name: t, attack: transfer, source: c } ]\n"),
                HasSubstr("`c`, whose points come from the corpus"));
  }
}

// What started at the corpus, or came from the incumbent, taints what takes its points.
TEST(LoadSources, APairedRuleIsRefusedAlongAChainOfSources) {
  const std::string head = std::string(kSmall) + "defaults: { norm: linf, eps: 0.1 }\nattacks: [ ";
  const std::string rest =
      ", { name: t, attack: transfer, source: p },"
      " { name: u, attack: ensemble, stages: [ { attack: transfer, source: t } ] } ]\n"
      "gate: { rules: [ { cell: u, metric: robust_accuracy, max_drop: 0.1 } ] }\n";
  for (const char* first : {"{ name: p, attack: pgd, init: corpus }",
                            "{ name: p, attack: transfer, source: baseline }"}) {
    EXPECT_THAT(fault(head + first + rest), HasSubstr("is refused")) << first;
  }
  EXPECT_EQ(load(head + "{ name: p, attack: pgd }" + rest).rules.size(), 1u);
}

}  // namespace
}  // namespace assay

#include <gtest/gtest.h>

#include "harness/suite/suite.h"

namespace assay {
namespace {

TEST(Selects, NumbersMatchInAnySpelling) {
  EXPECT_TRUE(selects("pgd@0.10", "pgd@0.1"));
  EXPECT_TRUE(selects("pgd@1/10", "pgd@0.1"));
  EXPECT_TRUE(selects("pgd@1e-1", "pgd@0.1"));
  EXPECT_TRUE(selects("pgd@0.1", "pgd@1/10"));
  EXPECT_TRUE(selects("*@0.10", "pgd@0.1"));
  EXPECT_FALSE(selects("pgd@0.11", "pgd@0.1"));
  EXPECT_FALSE(selects("fgsm@0.1", "pgd@0.1"));
}

TEST(Selects, AnEntryNameCoversNoCellOfItsList) {
  EXPECT_FALSE(selects("pgd", "pgd@0.1"));
  EXPECT_TRUE(selects("pgd", "pgd"));
  EXPECT_FALSE(selects("pgd@0.1", "pgd"));
}

TEST(Selects, GlobsCoverWholeNames) {
  EXPECT_TRUE(selects("*", "pgd@8/255"));
  EXPECT_TRUE(selects("pgd*", "pgd@0.1"));
  EXPECT_TRUE(selects("pgd@*", "pgd@0.1"));
  EXPECT_TRUE(selects("p?d", "pgd"));
  EXPECT_TRUE(selects("*a*a*", "banana"));
  EXPECT_FALSE(selects("*x*", "banana"));
  EXPECT_FALSE(selects("pgd?", "pgd"));
  EXPECT_FALSE(selects("", "pgd"));
}

TEST(Selects, LongGlobsEndSoon) {
  const std::string glob(200, '*');
  EXPECT_FALSE(selects(glob + "b", std::string(2000, 'a')));
}

}  // namespace
}  // namespace assay

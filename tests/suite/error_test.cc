#include "harness/suite/error.h"

#include <gtest/gtest.h>

#include <vector>

namespace assay {
namespace {

const std::vector<std::string> kWords = {"steps", "step_size", "restarts", "eps", "norm"};

TEST(Prefix, LeavesUnknownPartsOut) {
  EXPECT_EQ(to_prefix({"f", 3, 4}), "f:3:4: ");
  EXPECT_EQ(to_prefix({"f", 3, 0}), "f:3: ");
  EXPECT_EQ(to_prefix({"f", 0, 0}), "f: ");
  EXPECT_EQ(to_prefix({"", 3, 4}), "line 3:4: ");
  EXPECT_EQ(to_prefix({}), "");
}

TEST(Nearest, FindsTypingErrors) {
  EXPECT_EQ(nearest("step", kWords), "steps");
  EXPECT_EQ(nearest("stpes", kWords), "steps");
  EXPECT_EQ(nearest("Restart", kWords), "restarts");
  EXPECT_EQ(nearest("nrom", kWords), "norm");
  EXPECT_EQ(nearest("epsilon", kWords), "eps");
  EXPECT_EQ(nearest("stepsize", kWords), "step_size");
}

TEST(Nearest, NamesNothingThatIsFar) {
  EXPECT_EQ(nearest("iterations", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("x", kWords), "");
  EXPECT_EQ(nearest(std::string(100000, 's'), kWords), "");
}

TEST(Suggest, ListsTheAllowedUpToTwelve) {
  EXPECT_EQ(suggest("nrom", kWords),
            "; did you mean `norm`?; one of steps, step_size, restarts, eps, norm");
  EXPECT_EQ(suggest("qqq", {}), "");
  const std::vector<std::string> many(15, "a");
  EXPECT_EQ(suggest("", many), "; one of a, a, a, a, a, a, a, a, a, a, a, a and 3 more");
}

TEST(CheckDeathTest, AbortsWithItsMessage) {
  EXPECT_DEATH(ASSAY_CHECK(1 == 2, "sums are off"), "bug in assay: sums are off");
}

}  // namespace
}  // namespace assay

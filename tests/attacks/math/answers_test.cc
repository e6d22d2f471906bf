#include "attacks/math/answers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::values;
using Kind = Surface::Kind;

at::Tensor row(const std::vector<double>& numbers) {
  return values(numbers, at::kDouble).unsqueeze(0);
}

TEST(Answers, LogitsAndProbabilitiesAreExact) {
  const at::Tensor z = row({1, -2, 0.5});
  for (const Kind kind : {Kind::kLogits, Kind::kProbabilities}) {
    const at::Tensor answers = kind == Kind::kLogits ? z : z.softmax(1);
    const Brackets brackets = brackets_of(answers, {.kind = kind});
    EXPECT_TRUE(brackets.exact());
    EXPECT_TRUE(brackets.nearest(row({9, 9, 9})).allclose(z.log_softmax(1)));
    EXPECT_TRUE(centred_logits(answers, {.kind = kind}).allclose(centred(z)));
  }
}

TEST(Answers, RoundedOnesAreOffByHalfAUnit) {
  const Brackets brackets =
      brackets_of(row({0.9, 0.1, 0}), {.kind = Kind::kRounded, .decimals = 1});
  EXPECT_FALSE(brackets.exact());
  EXPECT_TRUE(brackets.most.exp().allclose(row({0.95, 0.15, 0.05})));
  EXPECT_TRUE(brackets.least.exp().allclose(row({0.85, 0.05, 0})));
  // Inside they stay as they are; outside they are cut.
  const at::Tensor inside = row({0.88, 0.11, 0.01}).log();
  EXPECT_TRUE(brackets.nearest(inside).allclose(inside));
  EXPECT_TRUE(brackets.nearest(row({0.5, 0.4, 0.1}).log()).exp().allclose(row({0.85, 0.15, 0.05})));
}

TEST(Answers, WhatTopKLeavesOutIsAtMostItsSmallest) {
  const Brackets brackets = brackets_of(row({0.6, 0, 0.3, 0}), {.kind = Kind::kTopK, .top_k = 2});
  EXPECT_TRUE(brackets.most.exp().allclose(row({0.6, 0.3, 0.3, 0.3})));
  EXPECT_TRUE(brackets.least.exp().allclose(row({0.6, 0, 0.3, 0})));
}

TEST(Answers, DecideALabelWhereNoOtherMayBeAsHigh) {
  const at::Tensor answers = values({0.7, 0.3, 0, 0.55, 0.45, 0}, at::kDouble).view({2, 3});
  const auto decided = [&](const Surface& surface) {
    const at::Tensor rows = brackets_of(answers, surface).decided();
    return std::pair(rows[0].item<bool>(), rows[1].item<bool>());
  };
  EXPECT_EQ(decided({.kind = Kind::kProbabilities}), std::pair(true, true));
  EXPECT_EQ(decided({.kind = Kind::kProbabilities, .noise = 0.06}), std::pair(true, false));
  EXPECT_EQ(decided({.kind = Kind::kProbabilities, .noise = 0.2}), std::pair(false, false));
  EXPECT_EQ(decided({.kind = Kind::kRounded, .decimals = 1}), std::pair(true, true));
}

TEST(Answers, NoneIsInfiniteOnceCentred) {
  for (const Kind kind : {Kind::kProbabilities, Kind::kTopK, Kind::kRounded}) {
    const at::Tensor logits = centred_logits(row({1, 0, 0}), {.kind = kind});
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
    EXPECT_NEAR(logits.sum().item<double>(), 0, 1e-9);
    const Brackets brackets = brackets_of(row({1, 0, 0}), {.kind = kind, .noise = 0.01});
    EXPECT_TRUE(brackets.least.le(brackets.most).all().item<bool>());
    EXPECT_TRUE(brackets.nearest(row({0, 0, 0})).isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace assay::attacks

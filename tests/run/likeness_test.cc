#include "harness/run/likeness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/testing/models.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::random_normal;
using testing::random_uniform;

constexpr int64_t kRecords = 2000;
constexpr int64_t kClasses = 5;

// Models that agree but for noise of their own on records of different difficulty: [R, K].
at::Tensor model(uint64_t seed) {
  const at::Tensor common = random_normal({kRecords, kClasses}, 1).to(at::kDouble);
  const at::Tensor difficulty = random_uniform({kRecords, 1}, 2, 0.2, 3).to(at::kDouble);
  return common.mul(difficulty).add(random_normal({kRecords, kClasses}, seed), 0.5);
}

Likeness of(const at::Tensor& candidate, int64_t shadows = 4,
            const at::Tensor& unseen = at::ones({16, kRecords}, at::kBool)) {
  return likeness_of(
      candidate, model(1000).argmax(1), shadows,
      [](int64_t shadow) { return model(100 + static_cast<uint64_t>(shadow)); }, unseen);
}

TEST(Likeness, OfOneModelMoreIsFullAtAScaleNearOne) {
  for (uint64_t seed = 10; seed < 40; ++seed) {
    const Likeness likeness = of(model(seed));
    EXPECT_NEAR(likeness.scale, 1, 0.2) << seed;
    EXPECT_EQ(likeness.unlike, "") << seed;
  }
}

TEST(Likeness, FindsAnyScaleAgain) {
  const double scale = of(model(10)).scale;
  for (const double factor : {0.01, 0.2, 0.5, 5.0, 300.0}) {
    const Likeness likeness = of(model(10).mul(factor));
    EXPECT_NEAR(likeness.scale * factor, scale, 1e-9) << factor;
    EXPECT_EQ(likeness.unlike, "") << factor;
  }
}

TEST(Likeness, ComparesEachShadowOnWhatItHasNotSeen) {
  // Of the first half shadows are far too sure, and the candidate too: neither counts.
  const at::Tensor sure = at::ones({kRecords, 1}, at::kDouble);
  sure.narrow(0, 0, kRecords / 2).fill_(50);
  at::Tensor unseen = at::ones({16, kRecords}, at::kBool);
  unseen.narrow(1, 0, kRecords / 2).fill_(false);
  EXPECT_NEAR(of(model(10).mul(sure), 4, unseen).scale, 1, 0.2);
}

TEST(Likeness, IsMissedByAnswersOfAnotherShape) {
  const at::Tensor logits = model(10);
  EXPECT_THAT(of(logits.tanh()).unlike, HasSubstr("percentile of non-members at most 0."));
  EXPECT_THAT(of(logits.mul(logits.abs())).unlike, HasSubstr("percentile of non-members at "));
  EXPECT_THAT(of(logits.round()).unlike, HasSubstr("it rounds its answers"));
  EXPECT_THAT(of(logits.eq(logits.amax(1, true)).to(at::kDouble)).unlike, HasSubstr("rounds"));
  EXPECT_THAT(of(at::zeros_like(logits)).unlike, HasSubstr("does not grow"));
}

TEST(Likeness, IsNotMissedForFewRecordsOrOneShadow) {
  for (uint64_t seed = 10; seed < 40; ++seed) {
    const at::Tensor few = at::zeros({16, kRecords}, at::kBool);
    few.narrow(1, static_cast<int64_t>(seed) * 5, 20).fill_(true);
    EXPECT_EQ(of(model(seed), 1, few).unlike, "") << seed;
  }
}

TEST(Foreknowledge, IsToldFromChance) {
  const at::Tensor members = at::arange(kRecords, at::kLong).remainder(2).eq(0);
  const at::Tensor values = random_normal({kRecords}, 5).to(at::kDouble);
  EXPECT_EQ(apart_text("x", values, members), "");
  EXPECT_THAT(apart_text("x", values.add(members.to(at::kDouble), 0.6), members),
              HasSubstr("x tell members from non-members"));
  EXPECT_THAT(apart_text("x", values.sub(members.to(at::kDouble), 0.6), members),
              HasSubstr("at most 0.3"));
}

TEST(LabelMargin, IsTheLogitAboveTheHighestOther) {
  const at::Tensor logits = at::tensor({1.0, 3.0, 2.0, 1.0, 3.0, 2.0}, at::kDouble).view({2, 3});
  EXPECT_TRUE(label_margin(logits, at::tensor({1, 2}, at::kLong))
                  .equal(at::tensor({1.0, -1.0}, at::kDouble)));
}

}  // namespace
}  // namespace assay

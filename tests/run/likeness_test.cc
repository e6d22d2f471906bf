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
            const at::Tensor& unseen = at::ones({16, kRecords}, at::kBool), double shared = 0) {
  return likeness_of(
      candidate, model(1000).argmax(1), shadows,
      [](int64_t shadow) { return model(100 + static_cast<uint64_t>(shadow)); }, unseen, shared);
}

at::Tensor some(int64_t records) {
  const at::Tensor rows = at::zeros({16, kRecords}, at::kBool);
  rows.narrow(1, 0, records).fill_(true);
  return rows;
}

// The logits, but for the margin of the highest over the next, which is another record's.
at::Tensor with_margins_of_others(const at::Tensor& logits) {
  const auto [top, index] = logits.topk(2, 1);
  const at::Tensor margins = top.select(1, 0).sub(top.select(1, 1));
  const at::Tensor changed = logits.clone();
  return changed.scatter_(1, index.narrow(1, 0, 1),
                          top.select(1, 1).add(margins.roll(1)).unsqueeze(1));
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

TEST(Likeness, TellsWhatTooFewRecordsDoNotShow) {
  const Likeness all = of(model(10).mul(2));
  EXPECT_TRUE(all.scaled && all.levelled);
  EXPECT_EQ(all.ranked, kRecords);
  const Likeness fewer = of(model(10).mul(2), 4, some(59));
  EXPECT_TRUE(fewer.scaled && fewer.levelled);
  EXPECT_EQ(fewer.ranked, 0);
  EXPECT_FALSE(of(model(10).mul(2), 4, some(10 * kClasses - 1)).levelled);
  const Likeness two = of(model(10).mul(2), 4, some(2));
  EXPECT_FALSE(two.scaled || two.levelled);
  EXPECT_EQ(two.scale, 1);
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

TEST(Likeness, FindsWhatFavoursAClassAgain) {
  const Likeness plain = of(model(10));
  const at::Tensor shift = at::tensor({3.0, -2.0, 0.0, 0.5, -1.5}, at::kDouble);
  const Likeness shifted = of(model(10).add(shift));
  EXPECT_EQ(shifted.unlike, "");
  ASSERT_TRUE(shifted.offset.defined());
  EXPECT_NEAR(shifted.scale, plain.scale, 0.01);
  const at::Tensor found = shifted.offset.add(shift.mul(shifted.scale));
  EXPECT_LT(found.sub(found.mean()).abs().max().item<double>(), 0.15) << found;
}

TEST(Likeness, IsNotMovedByAFewOutlyingInputsOrWildAnswers) {
  const at::Tensor shift = at::tensor({3.0, -2.0, 0.0, 0.5, -1.5}, at::kDouble);
  const Likeness plain = of(model(10).add(shift));
  // 1 % of the inputs are far out, where this candidate is half as sure as its shadows.
  const at::Tensor far = at::ones({kRecords, 1}, at::kDouble);
  far.narrow(0, 0, kRecords / 100).fill_(500);
  const at::Tensor half = far.gt(1).to(at::kDouble).mul(-0.5).add(1);
  const Likeness outlying = likeness_of(
      model(10).mul(far).mul(half).add(shift), model(1000).argmax(1), 4,
      [&](int64_t shadow) { return model(100 + static_cast<uint64_t>(shadow)).mul(far); },
      at::ones({16, kRecords}, at::kBool), 0);
  // And here it gives 1 % wild answers.
  const at::Tensor wild = at::zeros({kRecords, kClasses}, at::kDouble);
  wild.narrow(0, 0, kRecords / 100).select(1, 2).fill_(1e5);
  for (const Likeness& found : {outlying, of(model(10).add(shift).add(wild))}) {
    EXPECT_NEAR(found.scale, plain.scale, 0.03);
    ASSERT_TRUE(found.offset.defined());
    EXPECT_LT(found.offset.sub(plain.offset).abs().max().item<double>(), 0.1) << found.offset;
  }
}

TEST(Likeness, FavoursNoClassForFewRecordsOrByChance) {
  EXPECT_FALSE(of(model(10).add(at::tensor({3.0, -2.0, 0.0, 0.5, -1.5}, at::kDouble)), 4, some(49))
                   .offset.defined())
      << "fewer than ten for each class";
  int64_t found = 0;
  for (uint64_t seed = 10; seed < 110; ++seed) found += of(model(seed)).offset.defined() ? 1 : 0;
  EXPECT_LE(found, 3);
}

TEST(Likeness, IsMissedWhereMarginsAreThoseOfOtherRecords) {
  const at::Tensor logits = model(10);
  const at::Tensor permuted = with_margins_of_others(logits);
  ASSERT_TRUE(permuted.argmax(1).equal(logits.argmax(1)));
  for (const int64_t shadows : {2, 4, 16}) {
    EXPECT_THAT(of(permuted, shadows).unlike, HasSubstr("rank non-members")) << shadows;
  }
  EXPECT_THAT(of(permuted, 4, some(200)).unlike, HasSubstr("rank non-members"));
  // No one can say how alike models are from one, from a few records, or where all learnt the same.
  EXPECT_EQ(of(permuted, 1).unlike, "");
  EXPECT_EQ(of(permuted, 4, some(59)).unlike, "");
  EXPECT_EQ(of(permuted, 4, some(kRecords), 1).unlike, "");
}

TEST(Likeness, AllowsForRecordsThatShadowsShare) {
  // Shadows that share a half of what is theirs; a candidate shares none of it.
  const at::Tensor common = model(500).mul(3);
  const auto trained = [&](uint64_t own, double share) {
    const at::Tensor half = random_normal({kRecords, kClasses}, 900).to(at::kDouble);
    return common.add(half, std::sqrt(share))
        .add(random_normal({kRecords, kClasses}, own), std::sqrt(1 - share));
  };
  const auto unlike = [&](const at::Tensor& candidate, double told) {
    return likeness_of(
               candidate, model(1000).argmax(1), 4,
               [&](int64_t shadow) { return trained(100 + static_cast<uint64_t>(shadow), 0.75); },
               some(kRecords), told)
        .unlike;
  };
  EXPECT_EQ(unlike(trained(10, 0), 0.75), "");
  EXPECT_THAT(unlike(trained(10, 0), 0), HasSubstr("rank non-members"));
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

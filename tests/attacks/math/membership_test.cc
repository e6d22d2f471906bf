#include "attacks/math/membership.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/membership.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::numbers;

at::Tensor label(int64_t y) { return at::full({1}, y, at::kLong); }
at::Tensor bits(const std::vector<double>& list) { return numbers(list).to(at::kBool); }

TEST(LogOdds, AreThoseOfTheSoftmax) {
  const at::Tensor logits = numbers({0.2, 0.3, 0.5}).log().add(7).unsqueeze(0);
  EXPECT_NEAR(log_odds(logits, label(0)).item<double>(), std::log(0.2 / 0.8), 1e-14);
  EXPECT_NEAR(log_odds(logits, label(2)).item<double>(), 0.0, 1e-14);
  EXPECT_NEAR(log_likelihood(logits, label(1)).item<double>(), std::log(0.3), 1e-14);
}

TEST(LogOdds, KeepTheirDigitsWhereProbabilitiesRoundToOne) {
  const at::Tensor logits = numbers({60, 0, 0}).unsqueeze(0);
  EXPECT_NEAR(log_odds(logits, label(0)).item<double>(), 60 - std::log(2.0), 1e-12);
  const double loss = -log_likelihood(logits, label(0)).item<double>();
  EXPECT_NEAR(loss / (2 * std::exp(-60.0)), 1, 1e-12);
}

TEST(LogOdds, AreFiniteForLogitsOfAnySize) {
  for (const std::vector<double>& row :
       {std::vector<double>{1e4, -1e4, 0}, {-1e4, 1e4, 1e4}, {0, 0, 0}}) {
    for (int64_t y = 0; y < 3; ++y) {
      const at::Tensor logits = numbers(row).unsqueeze(0);
      EXPECT_TRUE(std::isfinite(log_odds(logits, label(y)).item<double>()));
      EXPECT_TRUE(std::isfinite(log_likelihood(logits, label(y)).item<double>()));
    }
  }
}

TEST(LogProbabilities, HoldBothSidesOfEveryClass) {
  const at::Tensor p = numbers({0.1, 0.3, 0.6});
  const LogProbabilities log_p = log_probabilities(p.log().sub(3).unsqueeze(0));
  EXPECT_TRUE(log_p.of[0].allclose(p.log(), 1e-14, 1e-14));
  EXPECT_TRUE(log_p.complement[0].allclose(p.neg().add(1).log(), 1e-14, 1e-14));
}

TEST(LogProbabilities, KeepTheirDigitsAtBothEnds) {
  const LogProbabilities log_p = log_probabilities(numbers({80, 0}).unsqueeze(0));
  EXPECT_NEAR(log_p.of[0][0].item<double>() / -std::exp(-80.0), 1, 1e-12);
  EXPECT_NEAR(log_p.complement[0][0].item<double>(), -80, 1e-12);
  EXPECT_NEAR(log_p.of[0][1].item<double>(), -80, 1e-12);
  EXPECT_NEAR(log_p.complement[0][1].item<double>() / -std::exp(-80.0), 1, 1e-12);
}

TEST(ShareBelow, CountsEqualOnesAsHalf) {
  const at::Tensor share = share_below(numbers({3, 1, 2, 2}), numbers({0, 1, 2, 2.5, 9}));
  EXPECT_TRUE(share.equal(numbers({0, 0.125, 0.5, 0.75, 1})));
}

TEST(BreakTies, OrdersTiesAndLeavesSharesInOrder) {
  const at::Tensor share = numbers({0.5, 0.625, 0.5, 0.5});  // of 4: halves of a quarter apart
  const at::Tensor broken = break_ties(share, numbers({1e6, -1e6, -2, 3}), 4);
  EXPECT_LT(broken[2].item<double>(), broken[3].item<double>());
  EXPECT_LT(broken[3].item<double>(), broken[0].item<double>());
  EXPECT_LT(broken[0].item<double>(), broken[1].item<double>());
}

TEST(LogMeanExp, AveragesTheChosen) {
  const at::Tensor v = numbers({0.2, 0.4, 0.9, 0.1}).log().view({4, 1, 1});
  const at::Tensor chosen = bits({1, 1, 0, 0}).view({4, 1});
  EXPECT_NEAR(log_mean_exp(v, chosen).item<double>(), std::log(0.3), 1e-14);
  EXPECT_TRUE(std::isfinite(log_mean_exp(v.sub(2e4), chosen).item<double>()));
}

TEST(Moments, TakeTheMedianAndTheSpreadOfTheChosenAlone) {
  // Record 0: 1, 2, 6 chosen. Record 1: 10, 20 chosen.
  const at::Tensor v = numbers({1, 10, 2, 20, 6, -50, 99, 77}).view({4, 1, 2});
  const at::Tensor chosen = bits({1, 1, 1, 1, 1, 0, 0, 0}).view({4, 2});
  const Moments own = moments(v, chosen, Spreads::kOwn);
  EXPECT_TRUE(own.centre.equal(numbers({2, 15}).view({1, 2})));
  EXPECT_TRUE(own.spread.square().allclose(numbers({7, 50}).view({1, 2}), 1e-14));  // 14/2, 50/1
  const Moments pooled = moments(v, chosen, Spreads::kPooled);
  EXPECT_NEAR(pooled.spread[0][0].item<double>(), std::sqrt(64.0 / 3),
              1e-14);  // (14 + 50) / (2 + 1)
  EXPECT_EQ(pooled.spread[0][1].item<double>(), pooled.spread[0][0].item<double>());
}

TEST(Moments, PoolNoRecordOfAnotherOrder) {
  const at::Tensor v = testing::random_normal({8, 1, 300}, 1).to(at::kDouble);
  const at::Tensor chosen = at::ones({8, 300}, at::kBool);
  // Normal values of one spread: the root mean square of their residuals.
  const Moments plain = moments(v, chosen, Spreads::kPooled);
  const at::Tensor squares = v.sub(v.mean(0, true)).square().sum(0);  // [1, 300]
  EXPECT_NEAR(plain.spread[0][0].item<double>(), std::sqrt(squares.sum().item<double>() / 7 / 300),
              1e-12);
  const at::Tensor wild = v.clone();
  wild.select(2, 17).mul_(1000);
  const Moments pooled = moments(wild, chosen, Spreads::kPooled);
  EXPECT_NEAR(pooled.spread[0][0].item<double>(), plain.spread[0][0].item<double>(), 0.005);
  EXPECT_NEAR(pooled.spread[0][17].item<double>(),
              moments(wild, chosen, Spreads::kOwn).spread[0][17].item<double>(), 1e-9);
}

TEST(Moments, DrawTogetherWhatChanceAloneSets) {
  const at::Tensor chosen = at::ones({8, 2000}, at::kBool);
  const at::Tensor alike = testing::random_normal({8, 1, 2000}, 1).to(at::kDouble);
  const at::Tensor true_log = testing::random_normal({2000}, 2).to(at::kDouble).div(2);
  const auto error = [&](const at::Tensor& v, const at::Tensor& truth, Spreads spreads) {
    return moments(v, chosen, spreads).spread[0].log().sub(truth).square().mean().item<double>();
  };
  // Of one spread: nearly the common one.
  const at::Tensor none = at::zeros({2000}, at::kDouble);
  EXPECT_LT(error(alike, none, Spreads::kDrawn), 0.002);
  EXPECT_GT(error(alike, none, Spreads::kOwn), 0.05);
  // Of spreads of their own: nearer to them than either.
  const at::Tensor apart = alike.mul(true_log.exp());
  const double drawn = error(apart, true_log, Spreads::kDrawn);
  EXPECT_LT(drawn, 0.9 * error(apart, true_log, Spreads::kOwn));
  EXPECT_LT(drawn, 0.5 * error(apart, true_log, Spreads::kPooled));
  // Of many shadows: its own.
  const at::Tensor many = testing::random_normal({400, 1, 200}, 4)
                              .to(at::kDouble)
                              .mul(true_log.narrow(0, 0, 200).exp());
  const at::Tensor all = at::ones({400, 200}, at::kBool);
  EXPECT_TRUE(moments(many, all, Spreads::kDrawn)
                  .spread.allclose(moments(many, all, Spreads::kOwn).spread, 0.1));
}

TEST(Moments, PoolResidualsNotValues) {
  // Two records far from each other, each with a spread of its own: what lies between them is none.
  const at::Tensor v = numbers({0, 1000, 1, 1001}).view({2, 1, 2});
  const Moments pooled = moments(v, at::ones({2, 2}, at::kBool), Spreads::kPooled);
  EXPECT_NEAR(pooled.spread[0][0].item<double>(), std::sqrt(0.5), 1e-12);
}

}  // namespace
}  // namespace assay::attacks

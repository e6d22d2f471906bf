#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

const Shape kWideBox{.shape = {1, 6, 6}, .classes = 3, .lo = -2, .hi = 2};
const Surface kLabels{.kind = Surface::Kind::kLabel};

// Half of the entries lie at the sides of the box.
at::Tensor records(int64_t n, uint64_t seed) {
  return random_normal({n, 1, 6, 6}, seed).mul(3).clamp(-2, 2);
}

TEST(Jbda, AgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const Pool pool = pool_of(records(40, 2));
  const at::Tensor test = records(500, 3);
  for (const char* variant : {"jbda", "targeted_random"}) {
    const auto agreement = [&](int64_t budget) {
      const Heist heist = steal(
          "jbda", std::string("{architecture: mlp, least_steps: 200, variant: ") + variant + "}",
          model, pool, budget, kLabels);
      EXPECT_EQ(heist.spent, budget);
      return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
    };
    EXPECT_GT(agreement(640), agreement(10) + 0.05) << variant;
  }
}

TEST(Jbda, AsksForRecordsOfThePoolThenStepsAwayFromWhatItAsked) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const at::Tensor pool = records(50, 2);
  const Heist heist =
      steal("jbda", "{architecture: mlp, least_steps: 50, seed_records: 30, lambda: 0.1}", model,
            pool_of(pool), 110, kLabels);
  const at::Tensor asked = heist.asked.flatten(1);
  const at::Tensor found = asked.narrow(0, 0, 30).unsqueeze(1).eq(pool.flatten(1)).all(2).sum(0);
  EXPECT_EQ(found.sum().item<int64_t>(), 30);
  EXPECT_EQ(found.max().item<int64_t>(), 1);
  const auto is_step = [](const at::Tensor& from, const at::Tensor& to) {  // of 0.1 * 4
    const at::Tensor up = from.add(0.4).clamp(-2, 2).sub(to).abs().lt(1e-6);
    const at::Tensor down = from.sub(0.4).clamp(-2, 2).sub(to).abs().lt(1e-6);
    return up.logical_or(down).logical_or(from.eq(to)).all(-1);
  };
  // The first round makes one of each seed; the second of all 60, and the last of 50 among them.
  EXPECT_TRUE(is_step(asked.narrow(0, 0, 30), asked.narrow(0, 30, 30)).all().item<bool>());
  EXPECT_GT(
      asked.narrow(0, 0, 30).ne(asked.narrow(0, 30, 30)).to(at::kDouble).mean().item<double>(),
      0.5);
  const at::Tensor parents = is_step(asked.narrow(0, 0, 60).unsqueeze(0),
                                     asked.narrow(0, 60, 50).unsqueeze(1));  // [50, 60]
  EXPECT_TRUE(parents.any(1).all().item<bool>());
  EXPECT_GE(heist.asked.min().item<double>(), -2);
  EXPECT_LE(heist.asked.max().item<double>(), 2);
}

// How much the victim's log-probability of `classes` rises from the seeds to what is made of them.
double rise(const Model& model, const Heist& heist, const at::Tensor& classes, int64_t n) {
  const at::Tensor log_p = model.judge(heist.asked.narrow(0, 0, 2 * n)).log_softmax(1);
  const at::Tensor index = classes.unsqueeze(1);
  return log_p.narrow(0, n, n)
      .gather(1, index)
      .sub(log_p.narrow(0, 0, n).gather(1, index))
      .mean()
      .item<double>();
}

TEST(Jbda, StepsAwayFromTheVictimsLabelFirstUnlessToldOtherwise) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const auto first_round = [&](const std::string& more) {
    const Heist heist = steal("jbda", "{architecture: mlp, least_steps: 200" + more + "}", model,
                              pool_of(records(150, 2)), 300, kLabels);
    return rise(model, heist, heist.labels.narrow(0, 0, 150), 150);
  };
  EXPECT_LT(first_round(""), -0.1);
  EXPECT_GT(first_round(", first: along"), 0.1);
}

TEST(Jbda, TurnsTheSignOfItsStepWithThePeriod) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const auto second_round = [&](const std::string& period) {
    const Heist heist =
        steal("jbda", std::string("{architecture: mlp, least_steps: 200, period: ") + period + "}",
              model, pool_of(records(100, 2)), 400, kLabels);
    return rise(model, heist, heist.labels.narrow(0, 0, 200), 200);
  };
  EXPECT_GT(second_round("1"), 0.02);
  EXPECT_LT(second_round("2"), -0.1);
  EXPECT_LT(second_round("0"), -0.1);
  EXPECT_LT(second_round("1, first: along"), -0.1);
  EXPECT_GT(second_round("2, first: along"), 0.02);
}

TEST(Jbda, TowardsRandomClassesTakesSmallStepsWithinLambda) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const Heist heist =
      steal("jbda", "{architecture: mlp, least_steps: 200, variant: targeted_random, steps: 4}",
            model, pool_of(records(150, 2)), 300, kLabels);
  EXPECT_LT(rise(model, heist, heist.labels.narrow(0, 0, 150), 150), -0.1);
  const at::Tensor moves = heist.asked.narrow(0, 150, 150).sub(heist.asked.narrow(0, 0, 150)).abs();
  EXPECT_LE(moves.max().item<double>(), 0.4 + 1e-5);
  // Where small steps disagree, they end between.
  EXPECT_TRUE(moves.gt(0.05).logical_and(moves.lt(0.35)).any().item<bool>());
}

TEST(Jbda, SpendsWhatThereIsWithFewSeeds) {
  enter_worker();
  const Model model = mlp_model(kWideBox, 8, 1);
  const Pool pool = pool_of(records(3, 2));
  for (const int64_t budget : {1, 2, 3, 4, 5, 7, 50}) {
    EXPECT_EQ(steal("jbda", "{architecture: mlp, epochs: 1, least_steps: 0}", model, pool, budget,
                    kLabels)
                  .spent,
              budget);
  }
}

}  // namespace
}  // namespace assay::testing

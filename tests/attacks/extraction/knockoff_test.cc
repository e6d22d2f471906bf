#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

TEST(Knockoff, AgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({2000, 1, 6, 6}, 2, 0, 1);
  const Pool pool = pool_of(records, model.judge(records).argmax(1));
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  for (const char* strategy : {"random", "adaptive"}) {
    const auto agreement = [&](int64_t budget) {
      const Heist heist =
          steal("knockoff", std::string("{architecture: mlp, strategy: ") + strategy + "}", model,
                pool, budget);
      EXPECT_EQ(heist.spent, budget);
      return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
    };
    const double few = agreement(20);
    const double many = agreement(1000);
    EXPECT_GT(many, few + 0.05) << strategy;
    EXPECT_GT(many, 0.9) << strategy;
  }
}

// True where each record was sent once.
bool all_sent_once(const Heist& heist, const at::Tensor& records) {
  const at::Tensor same =
      heist.asked.flatten(1).unsqueeze(1).eq(records.flatten(1).unsqueeze(0)).all(2);
  return same.sum(0).eq(1).all().item<bool>();
}

TEST(Knockoff, SendsNoRecordTwiceAndNoneThatIsNotOfThePool) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({50, 1, 6, 6}, 2, 0, 1);
  // Classes that are spent at different times.
  const at::Tensor labels = at::cat({at::full({5}, 7), at::full({10}, -2), at::full({35}, 3)});
  for (const char* strategy : {"random", "adaptive"}) {
    const Heist heist =
        steal("knockoff", std::string("{architecture: mlp, strategy: ") + strategy + "}", model,
              pool_of(records, labels), 80);
    ASSERT_EQ(heist.spent, 50);
    EXPECT_TRUE(all_sent_once(heist, records)) << strategy;
  }
}

TEST(Knockoff, WithoutClassesChoosesAtRandom) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const Pool pool = pool_of(random_uniform({90, 1, 6, 6}, 2, 0, 1));
  const Heist random = steal("knockoff", "{architecture: mlp}", model, pool, 60);
  const Heist adaptive =
      steal("knockoff", "{architecture: mlp, strategy: adaptive}", model, pool, 60);
  EXPECT_TRUE(adaptive.asked.equal(random.asked));
  EXPECT_EQ(adaptive.theft.surrogate, random.theft.surrogate);
}

// Records of class 0 are grey, where the victim is undecided, whatever small noise they bear; those
// of class 1 get sure answers of all kinds.
TEST(Knockoff, AsksForTheClassThatTellsMost) {
  enter_worker();
  const at::Tensor weight = random_normal({3, 36}, 1).mul(5);
  const Model model = linear_model(kSmallImages, weight, weight.sum(1).mul(-0.5));
  const at::Tensor dull = random_uniform({600, 1, 6, 6}, 2, 0.499, 0.501);
  const at::Tensor telling = random_uniform({600, 1, 6, 6}, 3, 0, 1);
  const Pool pool = pool_of(at::cat({dull, telling}), at::arange(2).repeat_interleave(600));
  const auto telling_share = [&](const char* strategy) {
    double share = 0;
    for (const uint64_t seed : {1, 2, 3, 4}) {
      const Heist heist =
          steal("knockoff",
                std::string("{architecture: mlp, least_steps: 0, strategy: ") + strategy + "}",
                model, pool, 400, {}, seed);
      const at::Tensor contrast = heist.asked.flatten(1).sub(0.5).abs().amax(1);
      share += contrast.gt(0.01).to(at::kDouble).mean().item<double>() / 4;
    }
    return share;
  };
  EXPECT_NEAR(telling_share("random"), 0.5, 0.05);
  EXPECT_GT(telling_share("adaptive"), 0.75);
}

TEST(Knockoff, AdaptsToBareLabels) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({200, 1, 6, 6}, 2, 0, 1);
  const Heist heist =
      steal("knockoff", "{architecture: mlp, strategy: adaptive, draw: 2}", model,
            pool_of(records, at::arange(200).remainder(4)), 101, {.kind = Surface::Kind::kLabel});
  EXPECT_EQ(heist.spent, 101);
  const Model surrogate = surrogate_of(heist.theft, model.spec());
  EXPECT_TRUE(surrogate.judge(records).isfinite().all().item<bool>());
}

// The order of classes is all there whatever the temperature.
TEST(Knockoff, FlatAnswersHideNothing) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({1000, 1, 6, 6}, 2, 0, 1);
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  const auto agreement = [&](const Surface& surface) {
    const Heist heist =
        steal("knockoff", "{architecture: mlp}", model, pool_of(records), 1000, surface);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const double label = agreement({.kind = Surface::Kind::kLabel});
  for (const double temperature : {100.0, 1e4, 1e6}) {
    EXPECT_GT(agreement({.temperature = temperature}), label - 0.02) << temperature;
  }
}

// What rounding leaves of an answer teaches no less than its label does.
TEST(Knockoff, RoundedAnswersTeachNoLessThanLabels) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({1000, 1, 6, 6}, 2, 0, 1);
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  const auto agreement = [&](const Surface& surface) {
    const Heist heist =
        steal("knockoff", "{architecture: mlp}", model, pool_of(records), 1000, surface);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const double label = agreement({.kind = Surface::Kind::kLabel});
  for (const int64_t decimals : {1, 2, 4}) {
    EXPECT_GT(agreement({.kind = Surface::Kind::kRounded, .decimals = decimals}), label - 0.02)
        << decimals;
  }
}

}  // namespace
}  // namespace assay::testing

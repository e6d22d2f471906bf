#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

const Shape kShape{.shape = {1, 6, 6}, .classes = 3};

TEST(Knockoff, AgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = mlp_model(kShape, 8, 1);
  const Pool pool = pool_of(random_uniform({2000, 1, 6, 6}, 2, 0, 1));
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  const auto agreement = [&](int64_t budget) {
    const Heist heist = steal("knockoff", "{architecture: mlp}", model, pool, budget);
    EXPECT_EQ(heist.spent, budget);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const double few = agreement(20);
  const double many = agreement(1000);
  EXPECT_GT(many, few + 0.05);
  EXPECT_GT(many, 0.9);
}

TEST(Knockoff, SendsNoRecordTwiceAndNoneThatIsNotOfThePool) {
  enter_worker();
  const Model model = mlp_model(kShape, 8, 1);
  const at::Tensor records = random_uniform({50, 1, 6, 6}, 2, 0, 1);
  const Heist heist = steal("knockoff", "{architecture: mlp}", model, pool_of(records), 80);
  ASSERT_EQ(heist.spent, 50);
  const at::Tensor same =
      heist.asked.flatten(1).unsqueeze(1).eq(records.flatten(1).unsqueeze(0)).all(2);
  EXPECT_TRUE(same.sum(0).eq(1).all().item<bool>());
}

}  // namespace
}  // namespace assay::testing

#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

TEST(Maze, WithoutAnyDataAgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = odd_model({.shape = {1, 8, 8}}, 8, 1);
  const at::Tensor test = random_uniform({1000, 1, 8, 8}, 3, 0, 1);
  const auto agreement = [&](int64_t budget) {
    const Heist heist = steal("maze", "{architecture: mlp}", model, {}, budget);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const at::Tensor counts = at::bincount(model.judge(test).argmax(1), {}, 3);
  const double none = counts.max().item<double>() / 1000;
  const double few = agreement(200);
  const double many = agreement(20000);
  EXPECT_GT(many, none + 0.2);
  EXPECT_GT(many, few + 0.1);
  EXPECT_GT(many, 0.6);
}

TEST(Maze, LearnsMoreFromTheSameQueriesByReplay) {
  enter_worker();
  const Model model = odd_model({.shape = {10}, .classes = 4}, 8, 1);
  const at::Tensor test = random_uniform({1000, 10}, 3, 0, 1);
  const auto agreement = [&](const std::string& params) {
    const Heist heist = steal("maze", params, model, {}, 1000);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  EXPECT_GT(agreement("{replay_steps: 10}"), agreement("{replay_steps: 0}") + 0.02);
}

}  // namespace
}  // namespace assay::testing

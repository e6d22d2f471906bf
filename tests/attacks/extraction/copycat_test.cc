#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

TEST(Copycat, AgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  // Of another kind than what it is measured on.
  const Pool pool = pool_of(random_normal({2000, 1, 6, 6}, 2).mul(0.5).add(0.5).clamp(0, 1));
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  const Surface label{.kind = Surface::Kind::kLabel};
  const auto agreement = [&](int64_t budget) {
    const Heist heist = steal("copycat", "{architecture: mlp}", model, pool, budget, label);
    EXPECT_EQ(heist.spent, budget);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const double few = agreement(20);
  const double many = agreement(1000);
  EXPECT_GT(many, few + 0.05);
  EXPECT_GT(many, 0.8);
}

TEST(Copycat, LearnsLabelsAloneWhateverItIsTold) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const Pool pool = pool_of(random_uniform({60, 1, 6, 6}, 2, 0, 1));
  const auto surrogate = [&](const std::string& attack, const Surface& surface) {
    return steal(attack, "{architecture: mlp, least_steps: 20}", model, pool, 50, surface)
        .theft.surrogate;
  };
  using Kind = Surface::Kind;
  const std::string from_labels = surrogate("copycat", {.kind = Kind::kLabel});
  for (const Surface& surface :
       {Surface{.kind = Kind::kLogits}, Surface{.kind = Kind::kProbabilities},
        Surface{.kind = Kind::kTopK, .top_k = 2}, Surface{.kind = Kind::kRounded, .decimals = 9}}) {
    EXPECT_EQ(surrogate("copycat", surface), from_labels) << to_string(surface.kind);
  }
  EXPECT_NE(surrogate("knockoff", {.kind = Kind::kProbabilities}), from_labels);
}

}  // namespace
}  // namespace assay::testing

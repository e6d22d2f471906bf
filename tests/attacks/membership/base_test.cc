#include <gtest/gtest.h>

#include <cmath>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

// p = 0.8; references say 0.2 and 0.6.
Outputs base_example() {
  Outputs outputs = outputs_of(numbers({0.8, 0.2}).log().view({1, 2}), {0}, 1);
  give_shadows(&outputs, numbers({0.2, 0.8, 0.6, 0.4}).log().view({2, 1, 1, 2}),
               numbers({0, 1}).view({2, 1}));
  return outputs;
}

TEST(Base, OnlineIsTheLogOfTheRatioToTheMean) {
  const at::Tensor scores =
      scores_of("base", "{mode: online, shadows: 2, temperature: 1}", base_example());
  EXPECT_NEAR(scores[0].item<double>(), std::log(0.8 / 0.4), 1e-14);
}

TEST(Base, OfflineWeighsTheReferences) {
  Outputs outputs = base_example();
  outputs.in.fill_(false);
  const at::Tensor scores = scores_of("base", "{shadows: 2, temperature: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), std::log(0.8) - 0.33 * std::log(0.4), 1e-14);
}

TEST(Base, TemperatureDividesLogits) {
  // sqrt of odds 4, 1/4 and 3/2.
  const auto p = [](double odds) { return std::sqrt(odds) / (1 + std::sqrt(odds)); };
  const double expected = std::log(p(4) / ((p(0.25) + p(1.5)) / 2));
  EXPECT_NEAR(scores_of("base", "{mode: online, shadows: 2}", base_example())[0].item<double>(),
              expected, 1e-14);
}

TEST(Base, OnlineOrdersAsRmiaDoes) {
  const Scene scene = imagine({.members = 100, .population = 50, .shadows = 4, .online = true});
  const at::Tensor base = scores_of("base", "{mode: online, shadows: 4}", scene.outputs);
  const at::Tensor rmia = scores_of("rmia", "{mode: online, shadows: 4}", scene.outputs);
  EXPECT_TRUE(base.argsort().equal(rmia.argsort()));
}

TEST(Base, CanariesComeFirst) {
  World world{.shadows = 8, .shift = 0, .canaries = 20, .noise = 0.5};
  EXPECT_TRUE(on_top(scores_of("base", "{}", imagine(world).outputs), 20));
  world.online = true;
  EXPECT_TRUE(on_top(scores_of("base", "{mode: online}", imagine(world).outputs), 20));
}

TEST(Base, RefusesSettingsWithoutEffect) {
  EXPECT_THROW(inference_of("base", "{mode: online, factor: 0.5}"), Error);
  EXPECT_NO_THROW(inference_of("base", "{factor: 0.5, references: steal}"));
  EXPECT_THROW(inference_of("base", "{shadows: 8, references: steal}"), Error);
  EXPECT_THROW(inference_of("base", "{train_records: 8, references: steal}"), Error);
}

}  // namespace
}  // namespace assay::testing

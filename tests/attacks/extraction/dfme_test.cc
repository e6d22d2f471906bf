#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

// Share of rows that a copy which always answers the commonest class would have right.
double constant_agreement(const Model& model, const at::Tensor& x) {
  const at::Tensor counts = at::bincount(model.judge(x).argmax(1), {}, model.classes());
  return counts.max().item<double>() / static_cast<double>(x.size(0));
}

TEST(Dfme, WithoutAnyDataAgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = odd_model({.shape = {1, 8, 8}}, 8, 1);
  const at::Tensor test = random_uniform({1000, 1, 8, 8}, 3, 0, 1);
  const auto agreement = [&](int64_t budget) {
    const Heist heist = steal("dfme", "{architecture: mlp}", model, {}, budget);
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  const double none = constant_agreement(model, test);
  const double few = agreement(200);
  const double many = agreement(20000);
  EXPECT_GT(many, none + 0.2);
  EXPECT_GT(many, few + 0.1);
  EXPECT_GT(many, 0.7);
}

TEST(Dfme, FlatAnswersHideNothing) {
  enter_worker();
  const Model model = odd_model({.shape = {10}, .classes = 4}, 8, 1);
  const at::Tensor test = random_uniform({1000, 10}, 3, 0, 1);
  const auto agreement = [&](const std::string& attack, double temperature) {
    const Heist heist = steal(attack, "{}", model, {}, 20000, {.temperature = temperature});
    return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
  };
  for (const char* attack : {"dfme", "maze"}) {
    EXPECT_GT(agreement(attack, 1000), agreement(attack, 1) - 0.1) << attack;
  }
}

TEST(Dfme, StealsTablesOfTwoClassesBehindASigmoid) {
  enter_worker();
  ModelSpec spec = to_spec({.shape = {6}, .classes = 2, .lo = -2, .hi = 2}, "");
  spec.output = ModelSpec::Output::kSigmoid;
  const std::string path = ::testing::TempDir() + "/assay_dfme_sigmoid.pt";
  save_module(path, "def forward(self, x):\n    return x.matmul(self.weight)\n",
              {{"weight", values({1, -2, 0.5, 1.5, -1, 0.2})}});
  const Model model = Model::load(spec, path, 64, "cpu");
  const Heist heist = steal("dfme", "{}", model, {}, 20000);
  const at::Tensor test = random_uniform({1000, 6}, 3, -2, 2);
  EXPECT_GT(agreement_of(model, surrogate_of(heist.theft, spec), test), 0.9);
}

TEST(Dfme, CutAndRoundedAnswersAreEnough) {
  enter_worker();
  const Model model = odd_model({.shape = {10}, .classes = 4}, 8, 1);
  const at::Tensor test = random_uniform({1000, 10}, 3, 0, 1);
  const double none = constant_agreement(model, test);
  for (const Surface& surface : {Surface{.kind = Surface::Kind::kTopK, .top_k = 2},
                                 Surface{.kind = Surface::Kind::kRounded, .decimals = 1},
                                 Surface{.kind = Surface::Kind::kLogits}}) {
    const Heist heist = steal("dfme", "{}", model, {}, 20000, surface);
    EXPECT_GT(agreement_of(model, surrogate_of(heist.theft, model.spec()), test), none + 0.1)
        << to_string(surface.kind);
  }
}

}  // namespace
}  // namespace assay::testing

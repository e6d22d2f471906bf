#include <gtest/gtest.h>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

using Kind = Surface::Kind;

Model softmax_layer(const Shape& shape, uint64_t seed, double size = 1) {
  const at::Tensor weight = random_normal({shape.classes, shape.size()}, seed, at::kDouble);
  return linear_model(shape, weight.mul(size),
                      random_normal({shape.classes}, seed + 1, at::kDouble));
}

// [d + 1, K]: bias and weights, each row less its mean, which no probability tells.
at::Tensor weights_of(const Model& model) {
  const auto options = at::TensorOptions(model.dtype());
  int64_t d = 1;
  for (const int64_t side : model.spec().shape) d *= side;
  std::vector<int64_t> sizes = {d + 1};
  for (const int64_t side : model.spec().shape) sizes.push_back(side);
  const at::Tensor inputs = at::cat({at::zeros({1, d}, options), at::eye(d, options)});
  at::Tensor z = model.judge(inputs.reshape(sizes)).to(at::kDouble);
  z.narrow(0, 1, d).sub_(z[0].clone());
  return z.sub(z.mean(1, true));
}

double largest_difference(const Model& a, const Model& b) {
  return weights_of(a).sub(weights_of(b)).abs().max().item<double>();
}

Heist solve(const Model& model, int64_t budget, const Surface& surface) {
  return steal("equation_solving", "{}", model, Pool{}, budget, surface);
}

double agreement(const Model& model, const Heist& heist) {
  const Shape shape{model.spec().shape, model.classes(), model.dtype()};
  std::vector<int64_t> sizes = {2000};
  sizes.insert(sizes.end(), shape.shape.begin(), shape.shape.end());
  return agreement_of(model, surrogate_of(heist.theft, model.spec()),
                      random_uniform(sizes, 99, model.spec().lo, model.spec().hi, shape.dtype));
}

TEST(EquationSolving, OneQueryMoreThanInputsGivesEveryWeight) {
  enter_worker();
  for (const Kind kind : {Kind::kProbabilities, Kind::kLogits}) {
    for (const int64_t classes : {2, 10}) {
      const Model model = softmax_layer({{1, 5, 6}, classes, at::kDouble, -1, 3}, 1);
      const Heist heist = solve(model, 31, {.kind = kind});
      EXPECT_LT(largest_difference(model, surrogate_of(heist.theft, model.spec())), 1e-9);
      EXPECT_EQ(agreement(model, heist), 1);
      EXPECT_EQ(heist.theft.findings.at("rank"), 31);
      EXPECT_EQ(heist.theft.findings.count("affine"), 0U);  // nothing is left to check it by
    }
  }
}

TEST(EquationSolving, AFloat32ModelIsKnownToItsPrecision) {
  enter_worker();
  for (const int64_t classes : {2, 10}) {
    const Model model = softmax_layer({{30}, classes}, 2);
    const Heist few = solve(model, 31, {});
    const Heist many = solve(model, 600, {});
    EXPECT_LT(largest_difference(model, surrogate_of(few.theft, model.spec())), 1e-4);
    EXPECT_LT(largest_difference(model, surrogate_of(many.theft, model.spec())), 3e-6);
    EXPECT_EQ(agreement(model, few), 1);
    EXPECT_EQ(agreement(model, many), 1);
    EXPECT_EQ(many.theft.findings.at("affine"), 1);
  }
}

TEST(EquationSolving, ALogisticRegressionOfOneOutputIsTwoClasses) {
  enter_worker();
  ModelSpec spec = to_spec({{8}, 2, at::kDouble}, {});
  spec.output = ModelSpec::Output::kSigmoid;
  spec.mean = {0.5};
  spec.std = {0.25};
  const Model model = load_module(
      spec, R"(
def forward(self, x):
    return x.matmul(self.weight) + self.bias
)",
      {{"weight", random_normal({8, 1}, 3, at::kDouble)}, {"bias", values({0.3}, at::kDouble)}});
  const Heist heist = solve(model, 9, {});
  EXPECT_LT(largest_difference(model, surrogate_of(heist.theft, model.spec())), 1e-9);
  EXPECT_EQ(agreement(model, heist), 1);
}

TEST(EquationSolving, ATemperatureScalesWeightsAndKeepsLabels) {
  enter_worker();
  const Model model = softmax_layer({{12}, 4, at::kDouble}, 4);
  const Heist heist = solve(model, 13, {.temperature = 5});
  const at::Tensor stolen = weights_of(surrogate_of(heist.theft, model.spec()));
  EXPECT_TRUE(stolen.mul(5).allclose(weights_of(model), 0, 1e-9));
  EXPECT_EQ(agreement(model, heist), 1);
}

TEST(EquationSolving, TooFewQueriesGiveTheSmallestWeightsThatFit) {
  enter_worker();
  const Model model = softmax_layer({{40}, 3, at::kDouble}, 5);
  const Heist heist = solve(model, 20, {});
  const Model surrogate = surrogate_of(heist.theft, model.spec());
  EXPECT_TRUE(surrogate.judge(heist.asked)
                  .softmax(1)
                  .allclose(model.judge(heist.asked).softmax(1), 0, 1e-9));
  EXPECT_LT(weights_of(surrogate).norm().item<double>(), weights_of(model).norm().item<double>());
  EXPECT_GT(agreement(model, heist), 0.5);
}

TEST(EquationSolving, AnswersThatLeaveSomethingOpenAreIntervals) {
  enter_worker();
  // Most probabilities of so steep a model are rounded to 0 or 1.
  const Model model = softmax_layer({{20}, 5, at::kDouble}, 6, 3);
  const Heist rounded = solve(model, 1000, {.kind = Kind::kRounded, .decimals = 2});
  EXPECT_GT(agreement(model, rounded), 0.97);
  const Heist top = solve(model, 1000, {.kind = Kind::kTopK, .top_k = 3});
  EXPECT_GT(agreement(model, top), 0.99);
  EXPECT_EQ(rounded.theft.findings.at("affine"), 1);
  EXPECT_EQ(top.theft.findings.at("affine"), 1);
  const Model bent = mlp_model({{20}, 5}, 16, 7);
  EXPECT_EQ(solve(bent, 1000, {.kind = Kind::kRounded, .decimals = 1}).theft.findings.at("affine"),
            0);
  EXPECT_FALSE(
      solve(bent, 60, {.kind = Kind::kRounded, .decimals = 1}).theft.findings.contains("affine"))
      << "60 intervals are met by 21 unknowns";
}

// Wide intervals are met by what is nearly constant, whatever the model.
TEST(EquationSolving, NoIntervalsCallANetworkAffine) {
  enter_worker();
  const Surface surfaces[] = {{.kind = Kind::kRounded, .decimals = 0},
                              {.kind = Kind::kRounded, .decimals = 0, .noise = 0.1},
                              {.kind = Kind::kProbabilities, .noise = 0.1},
                              {.kind = Kind::kProbabilities, .noise = 0.3},
                              {.kind = Kind::kProbabilities, .noise = 0.5}};
  for (const auto& [d, classes, width] :
       {std::tuple<int64_t, int64_t, int64_t>{10, 2, 64}, {10, 3, 16}, {5, 10, 32}}) {
    const Model bent = mlp_model({{d}, classes, at::kFloat, -1, 1}, width, 8);
    for (const Surface& surface : surfaces) {
      const std::map<std::string, double> findings = solve(bent, 1000, surface).theft.findings;
      const bool affine = findings.contains("affine") && findings.at("affine") == 1;
      EXPECT_FALSE(affine) << classes << ' ' << to_string(surface.kind) << ' ' << surface.noise;
    }
  }
}

TEST(EquationSolving, IntervalsThatDecideLabelsTellAnAffineModel) {
  enter_worker();
  for (const int64_t classes : {2, 5}) {
    const Model model = softmax_layer({{10}, classes, at::kDouble, -1, 1}, 8);
    for (const Surface& surface : {Surface{.kind = Kind::kRounded, .decimals = 0},
                                   Surface{.kind = Kind::kRounded, .decimals = 1},
                                   Surface{.kind = Kind::kProbabilities, .noise = 0.05}}) {
      EXPECT_EQ(solve(model, 1000, surface).theft.findings.at("affine"), 1)
          << classes << ' ' << to_string(surface.kind);
    }
    EXPECT_FALSE(solve(model, 1000, {.kind = Kind::kProbabilities, .noise = 0.5})
                     .theft.findings.contains("affine"))
        << "no label is decided";
  }
  // One class for nearly all that is asked is what a constant gives too.
  const Model lopsided =
      linear_model({{3}, 2, at::kDouble}, values({1, 0, 0, 0, 0, 0}, at::kDouble).view({2, 3}),
                   values({9, 0}, at::kDouble));
  EXPECT_FALSE(solve(lopsided, 1000, {.kind = Kind::kRounded, .decimals = 0})
                   .theft.findings.contains("affine"));
}

TEST(EquationSolving, SaysWhereAModelIsNotAffine) {
  enter_worker();
  const Model bent = mlp_model({{10}, 3}, 16, 7);
  const Heist heist = solve(bent, 200, {});
  EXPECT_EQ(heist.theft.findings.at("affine"), 0);
  EXPECT_GT(heist.theft.findings.at("residual"), 0.05);
}

// All hidden units may keep one state on uniform noise, and not on images.
TEST(EquationSolving, ANetworkThatBendsOnDarkInputsAloneIsNotAffine) {
  enter_worker();
  // Means of 64 uniform numbers are 0.5 ± 0.036.
  const Model dark = load_module(
      Shape{{64}, 3},
      "def forward(self, x):\n"
      "    low = torch.relu(0.3 - x.mean(1, keepdim=True))\n"
      "    return x.matmul(self.weight) + low * self.slope\n",
      {{"weight", random_normal({64, 3}, 5)}, {"slope", values({40, 0, -40}).view({1, 3})}});
  EXPECT_EQ(solve(dark, 500, {}).theft.findings.at("affine"), 0);
  EXPECT_EQ(solve(dark, 500, {.kind = Kind::kLogits}).theft.findings.at("affine"), 0);
}

// A single equation more than there are unknowns is met by chance to a few percent.
TEST(EquationSolving, AFitOfNearlyAsManyUnknownsAsAnswersIsNoSignOfAnAffineModel) {
  enter_worker();
  int affine = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    affine +=
        solve(mlp_model({{300}, 2}, 8, 10 * seed + 1), 302, {}).theft.findings.at("affine") == 1;
  }
  EXPECT_EQ(affine, 0);
  const Heist whole = solve(softmax_layer({{300}, 2, at::kDouble}, 3), 302, {});
  EXPECT_EQ(whole.theft.findings.at("affine"), 1);
}

}  // namespace
}  // namespace assay::testing

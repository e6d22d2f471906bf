// Surrogates learn what they are told, and are saved as models.
#include "harness/model/surrogate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness/model/model.h"
#include "harness/suite/error.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

const Shape kImages{.shape = {1, 6, 6}, .classes = 3};

Model load_bytes(const std::string& bytes, const ModelSpec& spec) {
  std::string name = (std::filesystem::temp_directory_path() / "assay-bytes-XXXXXX").string();
  close(mkstemp(name.data()));
  std::ofstream(name, std::ios::binary) << bytes;
  const ModelFacts facts{.quantum = 4};  // as runs load what was made in them
  Model model = Model::load(spec, name, /*block=*/64, "cpu", &facts);
  std::filesystem::remove(name);
  return model;
}

class SurrogateTest : public ::testing::Test {
 protected:
  SurrogateTest() { enter_worker(); }

  Surrogate fresh(const std::string& network, uint64_t seed = 1) const {
    Recipe recipe;
    recipe.architecture = network;
    recipe.epochs = 40;
    recipe.batch = 32;
    return Surrogate(Architecture::of(spec_, "", network), spec_, recipe, seed);
  }

  static double cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
    return -logits.to(at::kDouble).log_softmax(1).mul(targets).sum(1).mean().item<double>();
  }

  const ModelSpec spec_ = to_spec(kImages, "");
  const at::Tensor x_ = random_uniform({200, 1, 6, 6}, 2, 0, 1);
  const at::Tensor targets_ = random_normal({36, 3}, 3, at::kDouble)
                                  .t()
                                  .matmul(x_.flatten(1).to(at::kDouble).t())
                                  .t()
                                  .softmax(1);
};

TEST_F(SurrogateTest, LearnsSoftTargets) {
  for (const char* network : {"cnn", "mlp", "auto"}) {
    Surrogate surrogate = fresh(network);
    const double before = cross_entropy(surrogate.logits(x_), targets_);
    surrogate.fit(x_, targets_);
    const double after = cross_entropy(surrogate.logits(x_), targets_);
    // No network does better than the targets' own entropy.
    const double least = cross_entropy(targets_.log(), targets_);
    EXPECT_LT(after - least, (before - least) / 5) << network;
    EXPECT_GE(after, least - 1e-6) << network;
  }
}

// Behind a high temperature the same answers are there, and are learnt and given back as they are.
TEST_F(SurrogateTest, LearnsFlatTargetsAsWellAndIsSavedWithTheirProbabilities) {
  for (const auto output : {ModelSpec::Output::kLogits, ModelSpec::Output::kProbabilities}) {
    ModelSpec spec = spec_;
    spec.output = output;
    Recipe recipe{.architecture = "mlp", .epochs = 40, .batch = 32};
    Surrogate surrogate(Architecture::of(spec, "", "mlp"), spec, recipe, 1);
    const at::Tensor flat = targets_.log().div(1000).softmax(1);
    surrogate.fit(x_, flat);
    const at::Tensor told = load_bytes(surrogate.save(), spec).judge(x_).to(at::kDouble);
    EXPECT_GT(told.argmax(1).eq(flat.argmax(1)).to(at::kDouble).mean().item<double>(), 0.95);
    const auto apart = [&](const at::Tensor& log_p) {
      return flat.mul(flat.log().sub(log_p)).sum(1).mean().item<double>();
    };
    const at::Tensor even = at::full_like(flat, 1.0 / 3).log();
    EXPECT_LT(apart(told.log_softmax(1)), apart(even) / 4);
  }
}

TEST_F(SurrogateTest, AnOutputMayHaveAnyKey) {
  ModelSpec spec = spec_;
  spec.output_index = "it's \\ here";
  const std::string path = ::testing::TempDir() + "/assay_surrogate_key.pt";
  save_module(path,
              "def forward(self, x):\n    return {'it\\'s \\\\ here': torch.flatten(x, "
              "1).matmul(self.weight)}\n",
              {{"weight", random_normal({36, 3}, 3)}});
  Surrogate surrogate(Architecture::of(spec, path, "candidate"), spec,
                      {.architecture = "candidate", .epochs = 1, .batch = 32}, 1);
  surrogate.set_sharpness(2);
  EXPECT_TRUE(
      logits_of(surrogate.save(), spec_, x_).allclose(surrogate.logits(x_) / 2, 1e-4, 1e-5));
}

TEST_F(SurrogateTest, TheSameSeedGivesTheSameBytes) {
  const auto bytes = [&](uint64_t seed) {
    Surrogate surrogate = fresh("cnn", seed);
    surrogate.fit(x_, targets_);
    return surrogate.save();
  };
  const std::string first = bytes(1);
  EXPECT_EQ(first, bytes(1));
  EXPECT_NE(first, bytes(2));
}

TEST_F(SurrogateTest, IsSavedAsAModelOfTheSameLogits) {
  Surrogate surrogate = fresh("cnn");
  surrogate.fit(x_, targets_);
  const Model model = load_bytes(surrogate.save(), spec_);
  EXPECT_TRUE(model.judge(x_).allclose(surrogate.logits(x_), 1e-5, 1e-6));
  EXPECT_TRUE(logits_of(surrogate.save(), spec_, x_).allclose(surrogate.logits(x_), 1e-5, 1e-6));
}

TEST_F(SurrogateTest, LeastStepsGiveFewRecordsMoreEpochs) {
  const auto loss = [&](int64_t least_steps) {
    Recipe recipe;
    recipe.architecture = "mlp";
    recipe.epochs = 1;
    recipe.least_steps = least_steps;
    Surrogate surrogate(Architecture::of(spec_, "", "mlp"), spec_, recipe, 1);
    surrogate.fit(x_, targets_);
    return cross_entropy(surrogate.logits(x_), targets_);
  };
  EXPECT_EQ(loss(0), loss(2));  // one epoch has two steps
  EXPECT_LT(loss(200), loss(0) - 0.01);
}

TEST_F(SurrogateTest, AStepDescendsTheLossWhoseSlopeItIsGiven) {
  Surrogate surrogate = fresh("mlp");
  const auto distance = [&](const at::Tensor& logits) {
    return logits.sub(1).square().sum().item<double>();
  };
  const double before = distance(surrogate.logits(x_));
  for (int i = 0; i < 50; ++i) {
    surrogate.step(
        x_, [](const at::Tensor& logits) { return logits.sub(1).mul(2); }, 1);
  }
  EXPECT_LT(distance(surrogate.logits(x_)), before / 4);
}

TEST_F(SurrogateTest, GradientsAreThoseOfTheLogits) {
  Surrogate surrogate = fresh("cnn");
  const at::Tensor x = x_.narrow(0, 0, 3);
  const at::Tensor c = random_normal({3, 3}, 7);
  const auto [logits, gradient] = surrogate.gradient(x, [&c](const at::Tensor&) { return c; });
  EXPECT_TRUE(logits.allclose(surrogate.logits(x), 1e-5, 1e-6));
  const at::Tensor along = random_normal({3, 1, 6, 6}, 8);
  const double h = 1e-2;
  const at::Tensor slope =
      surrogate.logits(x + along * h).sub(surrogate.logits(x - along * h)).mul(c).sum(1).div(2 * h);
  EXPECT_TRUE(gradient.mul(along).flatten(1).sum(1).allclose(slope, 0.05, 0.01));
}

TEST_F(SurrogateTest, ADivergingLossIsTold) {
  Recipe recipe;
  recipe.architecture = "mlp";
  recipe.learning_rate = 1e30;
  Surrogate surrogate(Architecture::of(spec_, "", "mlp"), spec_, recipe, 1);
  EXPECT_THROW(surrogate.fit(x_, targets_), Error);
}

// Layers given for inputs in the box serve every convention of a suite's model.
TEST_F(SurrogateTest, ComputedLayersAnswerInTheModelsConvention) {
  const at::Tensor first = random_normal({5, 36}, 1, at::kDouble);
  const at::Tensor offset = random_normal({5}, 2, at::kDouble);
  const at::Tensor second = random_normal({2, 5}, 3, at::kDouble);
  const at::Tensor bias = random_normal({2}, 4, at::kDouble);
  const at::Tensor expected = at::addmm(
      bias, at::addmm(offset, x_.flatten(1).to(at::kDouble), first.t()).relu(), second.t());
  Shape shape = kImages;
  shape.classes = 2;
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    shape.dtype = type;
    for (const auto output : {ModelSpec::Output::kLogits, ModelSpec::Output::kProbabilities,
                              ModelSpec::Output::kSigmoid}) {
      for (const bool normalised : {false, true}) {
        ModelSpec spec = to_spec(shape, "");
        spec.output = output;
        if (normalised) {
          spec.mean = {0.3};
          spec.std = {0.5};
        }
        const Model model =
            load_bytes(dense_network(spec, {{first, offset}, {second, bias}}), spec);
        // Probabilities and sigmoid tell logits up to a number that is the same for all classes.
        const at::Tensor told = model.judge(x_.to(type)).to(at::kDouble);
        EXPECT_TRUE(told.select(1, 1)
                        .sub(told.select(1, 0))
                        .allclose(expected.select(1, 1).sub(expected.select(1, 0)), 1e-3, 1e-3));
      }
    }
  }
}

}  // namespace
}  // namespace assay::testing

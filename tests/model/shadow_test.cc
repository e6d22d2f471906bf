#include "harness/model/shadow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <torch/script.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "harness/model/model.h"
#include "harness/record/files.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "tests/testing/candidate.h"

namespace assay {
namespace {

using testing::architecture_of;
using ::testing::HasSubstr;
using testing::kToyImage;
using testing::load_shadow;
using testing::message_of;
using testing::quick_recipe;
using testing::Shape;
using testing::train_toy;

Architecture network(const ModelSpec& spec, const std::string& name) {
  return Architecture::of(spec, "", name);
}

// Share of rows from 1000 on, never trained on, that the shadow labels rightly.
double accuracy_elsewhere(const Shadow& shadow, const ModelSpec& spec) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) /
                                     ("assay_shadow_" + std::to_string(getpid()) + ".pt");
  write_durably(path, shadow.bytes);
  const Model model = Model::load(spec, path, 64, "cpu");
  EXPECT_FALSE(model.facts().random);
  for (const Flag& flag : model.facts().flags) EXPECT_NE(flag.id, "train_mode");
  std::vector<int64_t> rows = testing::first_rows(90);
  for (int64_t& row : rows) row += 1000;
  const auto [x, labels] = testing::toy_records(spec)(rows);
  std::filesystem::remove(path);
  return model.judge(x.to(model.dtype()))
      .argmax(1)
      .eq(labels)
      .to(at::kDouble)
      .mean()
      .item<double>();
}

TEST(Shadow, EveryNetworkOfOursLearns) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  for (const char* name : {"cnn", "mlp"}) {
    const Shadow shadow = train_toy(network(spec, name), spec, quick_recipe());
    EXPECT_GT(shadow.accuracy, 0.97) << name;
    EXPECT_LT(shadow.loss, 0.2) << name;
    EXPECT_GT(accuracy_elsewhere(shadow, spec), 0.95) << name;
  }
}

TEST(Shadow, CopyOfACandidateWithBatchNormAndDropoutLearnsAndComesOutInEvalMode) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Architecture architecture = architecture_of({}, spec);
  EXPECT_EQ(architecture.name(), "candidate");
  EXPECT_EQ(architecture.reason(), "");
  const Shadow shadow = train_toy(architecture, spec, quick_recipe());
  EXPECT_GT(shadow.accuracy, 0.97);
  EXPECT_GT(accuracy_elsewhere(shadow, spec), 0.95);
  const torch::jit::Module module = load_shadow(shadow);
  for (const auto& part : module.modules()) EXPECT_FALSE(part.attr("training").toBool());
  // The candidate's 1000 batches, and statistics a hundred wide, are forgotten.
  const torch::jit::Module norm = module.attr("norm").toModule();
  EXPECT_EQ(norm.attr("num_batches_tracked").toTensor().item<int64_t>(), 6 * 8);
  EXPECT_LT(norm.attr("running_mean").toTensor().abs().max().item<double>(), 5);
}

TEST(Shadow, SameArgumentsGiveSameBytesAndAnotherSeedOthers) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  Recipe recipe = quick_recipe();
  recipe.epochs = 2;
  for (const char* optimizer : {"adam", "sgd"}) {
    recipe.optimizer = optimizer;
    const Architecture architecture = architecture_of({}, spec);
    const std::string first = train_toy(architecture, spec, recipe, 50).bytes;
    at::rand({7});  // the generator's state does not matter
    EXPECT_EQ(sha256(train_toy(architecture, spec, recipe, 50).bytes), sha256(first));
    EXPECT_NE(sha256(train_toy(architecture, spec, recipe, 50, 2).bytes), sha256(first));
  }
}

TEST(Shadow, NothingOfTheCandidatesWeightsReachesIt) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Architecture one = architecture_of({.weights = 1}, spec);
  const Architecture two = architecture_of({.weights = 2}, spec);
  EXPECT_EQ(one.digest(), two.digest());
  EXPECT_EQ(sha256(train_toy(one, spec, quick_recipe()).bytes),
            sha256(train_toy(two, spec, quick_recipe()).bytes));
}

TEST(Shadow, StartsFromTheInitialValuesOfItsLayers) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  Recipe recipe;
  recipe.epochs = 1;
  recipe.learning_rate = 1e-12;
  const torch::jit::Module module =
      load_shadow(train_toy(architecture_of({.weights = 1}, spec), spec, recipe));
  const torch::jit::Module norm = module.attr("norm").toModule();
  EXPECT_TRUE(norm.attr("weight").toTensor().allclose(at::ones({8})));
  EXPECT_TRUE(norm.attr("bias").toTensor().abs().max().item<double>() < 1e-6);
  // Uniform in ±1/sqrt(fan_in): 128 inputs of the dense layer, 9 of the convolution.
  for (const auto& [name, bound] :
       {std::pair("dense_weight", std::sqrt(1 / 128.0)),
        std::pair("dense_bias", std::sqrt(1 / 128.0)), std::pair("conv_weight", 1 / 3.0),
        std::pair("conv_bias", 1 / 3.0)}) {
    const at::Tensor size = module.attr(name).toTensor().abs();
    EXPECT_LE(size.max().item<double>(), bound + 1e-6) << name;
    EXPECT_GT(size.max().item<double>(), bound / 2) << name;
  }
}

TEST(Shadow, ForkedChildTrainsTheSameBytes) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Architecture architecture = architecture_of({}, spec);
  Recipe recipe = quick_recipe();
  recipe.epochs = 1;
  const std::string expected = sha256(train_toy(architecture, spec, recipe, 40).bytes);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string digest = sha256(train_toy(architecture, spec, recipe, 40).bytes);
    const bool written = write(ends[1], digest.data(), digest.size()) == 64;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string found(64, ' ');
  EXPECT_EQ(read(ends[0], found.data(), found.size()), 64);
  close(ends[0]);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(found, expected);
}

TEST(Shadow, LearnsFromEveryOutputConvention) {
  ModelSpec spec = testing::to_spec(kToyImage, "");
  spec.output = ModelSpec::Output::kProbabilities;
  const Shadow own =
      train_toy(architecture_of({.result = "torch.softmax(z, 1)"}, spec), spec, quick_recipe());
  EXPECT_GT(own.accuracy, 0.97);
  // Cross-entropy of probabilities taken for logits cannot fall below log(1 + 2/e) = 0.55.
  EXPECT_LT(own.loss, 0.3);
  const Shadow ours = train_toy(network(spec, "cnn"), spec, quick_recipe());
  EXPECT_LT(ours.loss, 0.3);
  EXPECT_GT(accuracy_elsewhere(ours, spec), 0.95);
  spec.output = ModelSpec::Output::kLogits;
  spec.output_index = "1";
  EXPECT_GT(train_toy(architecture_of({.result = "(x, z)"}, spec), spec, quick_recipe()).accuracy,
            0.97);
  spec.output_index = "";
  spec.output = ModelSpec::Output::kSigmoid;
  spec.classes = 2;
  EXPECT_GT(train_toy(network(spec, "mlp"), spec, quick_recipe()).accuracy, 0.97);
}

TEST(Shadow, NormalisesAsTheSpecSays) {
  ModelSpec spec = testing::to_spec(kToyImage, "");
  spec.lo = 0;
  spec.hi = 255;
  spec.mean = {128};
  spec.std = {64};
  const Shadow shadow = train_toy(architecture_of({.offset = 0}, spec), spec, quick_recipe());
  EXPECT_GT(accuracy_elsewhere(shadow, spec), 0.95);
  const Shadow ours = train_toy(network(spec, "cnn"), spec, quick_recipe());
  EXPECT_GT(accuracy_elsewhere(ours, spec), 0.95);
}

TEST(Shadow, TrainsInDoublePrecision) {
  Shape shape = kToyImage;
  shape.dtype = at::kDouble;
  const ModelSpec spec = testing::to_spec(shape, "");
  const Shadow shadow =
      train_toy(architecture_of({.dtype = at::kDouble}, spec), spec, quick_recipe());
  EXPECT_GT(accuracy_elsewhere(shadow, spec), 0.95);
  EXPECT_EQ(load_shadow(shadow).attr("dense_weight").toTensor().scalar_type(), at::kDouble);
}

TEST(Shadow, LastBatchOfOneRowDoesNotReachBatchNorm) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Shadow shadow = train_toy(architecture_of({}, spec), spec, quick_recipe(), 49);
  EXPECT_EQ(load_shadow(shadow)
                .attr("norm")
                .toModule()
                .attr("num_batches_tracked")
                .toTensor()
                .item<int64_t>(),
            6 * 3);
}

TEST(Shadow, DivergedLossIsAnErrorWithTheCure) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  Recipe recipe = quick_recipe();
  recipe.optimizer = "sgd";
  recipe.learning_rate = 1e30;
  EXPECT_THAT(message_of([&] { train_toy(network(spec, "mlp"), spec, recipe); }),
              HasSubstr("lower learning_rate"));
}

}  // namespace
}  // namespace assay

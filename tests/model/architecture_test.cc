#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>

#include "harness/model/shadow.h"
#include "harness/suite/error.h"
#include "tests/testing/candidate.h"

namespace assay {
namespace {

using testing::architecture_of;
using ::testing::HasSubstr;
using testing::kToyImage;
using testing::load_shadow;
using testing::make_candidate;
using testing::message_of;
using testing::quick_recipe;
using testing::random_normal;
using testing::save_candidate;
using testing::Shape;
using testing::train_toy;

Architecture named(const ModelSpec& spec, const std::string& name) {
  return Architecture::of(spec, "", name);
}

TEST(Architecture, DigestKnowsCodeWidthNormalisationAndSpec) {
  ModelSpec spec = testing::to_spec(kToyImage, "");
  const std::string digest = architecture_of({}, spec).digest();
  EXPECT_NE(architecture_of({.width = 9}, spec).digest(), digest);
  EXPECT_NE(architecture_of({.offset = 0.25}, spec).digest(), digest);
  EXPECT_NE(architecture_of({.result = "z * 2"}, spec).digest(), digest);
  EXPECT_NE(named(spec, "cnn").digest(), named(spec, "mlp").digest());
  spec.mean = {0.5};
  spec.std = {0.5};
  EXPECT_NE(architecture_of({}, spec).digest(), digest);
}

TEST(Architecture, CandidateThatCannotBeTrainedIsReplacedWithAReason) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Architecture traced = architecture_of({.dropout = "False"}, spec);
  EXPECT_EQ(traced.name(), "cnn");
  EXPECT_THAT(traced.reason(), HasSubstr("fixed in eval mode: dropout"));
  const Architecture detached = architecture_of({.result = "z.detach()"}, spec);
  EXPECT_THAT(detached.reason(), HasSubstr("get no gradient"));

  torch::jit::Module module = make_candidate({});
  module.eval();
  const std::filesystem::path path = save_candidate(torch::jit::freeze(module), "frozen");
  const Architecture frozen = Architecture::of(spec, path, "candidate");
  EXPECT_EQ(frozen.name(), "cnn");
  EXPECT_THAT(frozen.reason(), HasSubstr("no parameters"));
  EXPECT_EQ(frozen.digest(), named(spec, "cnn").digest());
  std::filesystem::remove(path);

  // Inputs too small for the CNN.
  const Shape small{{1, 3, 3}, 3};
  testing::save_module(path, "def forward(self, x):\n    return torch.flatten(x, 1)[:, :3]", {});
  EXPECT_EQ(Architecture::of(testing::to_spec(small, path), path, "candidate").name(), "mlp");
  std::filesystem::remove(path);
}

TEST(Architecture, ParametersThatNothingDependsOnAreNoObstacle) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  torch::jit::Module module = make_candidate({});
  module.register_parameter("unused", at::ones({3, 3}), false);
  const std::filesystem::path path = save_candidate(module, "unused");
  const Architecture architecture = Architecture::of(spec, path, "candidate");
  EXPECT_EQ(architecture.reason(), "");
  EXPECT_GT(train_toy(architecture, spec, quick_recipe()).accuracy, 0.97);
  std::filesystem::remove(path);
}

TEST(Architecture, ParametersThatMatterButGetNoGradientAreAnObstacle) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  // The dense layer is trained, what feeds it is not.
  torch::jit::Module module("Half");
  module.register_parameter("trunk", random_normal({64, 8}, 1).requires_grad_(true), false);
  module.register_parameter("head", random_normal({8, 3}, 2).requires_grad_(true), false);
  module.define(R"(
def forward(self, x):
    return torch.relu(torch.flatten(x, 1).matmul(self.trunk.detach())).matmul(self.head)
)");
  const std::filesystem::path path = save_candidate(module, "half");
  EXPECT_THAT(Architecture::of(spec, path, "candidate").reason(), HasSubstr("get no gradient"));
  std::filesystem::remove(path);
}

TEST(Architecture, ThatGivesNaNWithFreshValuesSaysSo) {
  // The root of a weight is a number for trained ones alone.
  torch::jit::Module module("Net");
  module.register_parameter("head", at::ones({64, 3}).requires_grad_(true), false);
  module.define("def forward(self, x):\n    return torch.flatten(x, 1).matmul(self.head.sqrt())\n");
  const std::filesystem::path path = save_candidate(module, "nan");
  const Architecture found = Architecture::of(testing::to_spec(kToyImage, path), path, "candidate");
  std::filesystem::remove(path);
  EXPECT_THAT(found.reason(), HasSubstr("it gives NaN or infinity"));
}

TEST(Architecture, FrozenTrunkKeepsItsValues) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const Architecture one = architecture_of({.weights = 1, .trunk_frozen = true}, spec);
  EXPECT_EQ(one.kept().size(), 2U) << "a weight and a bias";
  EXPECT_EQ(architecture_of({.weights = 1}, spec).kept().size(), 0U);
  EXPECT_EQ(one.reason(), "");
  EXPECT_NE(one.digest(), architecture_of({.weights = 2, .trunk_frozen = true}, spec).digest());
  const torch::jit::Module shadow = load_shadow(train_toy(one, spec, quick_recipe()));
  EXPECT_TRUE(shadow.attr("conv_weight").toTensor().equal(random_normal({8, 1, 3, 3}, 110)));
  EXPECT_FALSE(shadow.attr("dense_weight").toTensor().equal(random_normal({3, 128}, 112)));
}

TEST(Architecture, FileGivesTheInitialValues) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const std::filesystem::path one = save_candidate(make_candidate({.weights = 1}), "one");
  const std::filesystem::path two = save_candidate(make_candidate({.weights = 2}), "two");
  const Architecture architecture = Architecture::of(spec, "", one.string());
  EXPECT_EQ(architecture.name(), one.filename().string());
  EXPECT_NE(architecture.digest(), Architecture::of(spec, "", two.string()).digest());
  Recipe recipe;
  recipe.epochs = 1;
  recipe.learning_rate = 1e-12;
  const torch::jit::Module module = load_shadow(train_toy(architecture, spec, recipe));
  EXPECT_TRUE(module.attr("conv_weight").toTensor().allclose(random_normal({8, 1, 3, 3}, 110)));
  std::filesystem::remove(one);
  std::filesystem::remove(two);
}

TEST(Architecture, SaysWhatItCannotTrain) {
  const ModelSpec small = testing::to_spec(Shape{{1, 3, 3}, 3}, "");
  EXPECT_THAT(message_of([&] { named(small, "cnn"); }), HasSubstr("use mlp"));
  EXPECT_THAT(message_of([&] { named(small, "mpl"); }), HasSubstr("did you mean `mlp`"));
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const std::filesystem::path path = save_candidate(make_candidate({.dropout = "False"}), "fixed");
  EXPECT_THAT(message_of([&] { Architecture::of(spec, "", path.string()); }),
              HasSubstr("fixed in eval mode"));
  std::filesystem::remove(path);
  Recipe recipe;
  recipe.optimizer = "adamm";
  EXPECT_THAT(message_of([&] { train_toy(named(spec, "mlp"), spec, recipe); }),
              HasSubstr("did you mean `adam`"));
}

}  // namespace
}  // namespace assay

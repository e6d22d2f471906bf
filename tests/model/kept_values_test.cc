#include "harness/model/kept_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/suite/error.h"
#include "tests/testing/candidate.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kToyImage;
using testing::make_candidate;
using testing::message_of;
using testing::random_normal;
using testing::save_candidate;
using testing::Shape;

// A trained head [8, 3] on what `trunk` makes of the input, once `fill` has registered what that
// takes.
std::vector<std::string> kept_of(const Shape& shape, const std::string& trunk,
                                 const std::function<void(torch::jit::Module&)>& fill) {
  torch::jit::Module module("Net");
  module.register_parameter("head", random_normal({8, 3}, 2).requires_grad_(true), false);
  fill(module);
  module.define("def forward(self, x):\n    z = torch.flatten(x, 1)\n    return (" + trunk +
                ").matmul(self.head)\n");
  const std::filesystem::path path = save_candidate(module, "kept");
  const Architecture architecture =
      Architecture::of(testing::to_spec(shape, path), path, "candidate");
  std::filesystem::remove(path);
  EXPECT_EQ(architecture.reason(), "");
  return architecture.kept();
}

TEST(KeptValues, AreBuffersThatHoldWeights) {
  EXPECT_THAT(kept_of(kToyImage, "torch.relu(z.matmul(self.trunk))",
                      [](auto& m) {
                        m.register_buffer("trunk", random_normal({64, 8}, 1));
                      }),
              ElementsAre("trunk"));
  const at::Tensor quantised = random_normal({64, 8}, 1).mul(30).to(at::kChar);
  EXPECT_THAT(kept_of(kToyImage, "torch.relu(z.matmul(self.trunk * 0.03))",
                      [&](auto& m) { m.register_buffer("trunk", quantised); }),
              ElementsAre("trunk"));
}

TEST(KeptValues, AreAttributesAndConstantsThatHoldWeights) {
  EXPECT_THAT(kept_of(kToyImage, "torch.relu(z.matmul(self.parts[0]))",
                      [](auto& m) {
                        c10::List<at::Tensor> parts;
                        parts.push_back(random_normal({64, 8}, 1));
                        m.register_attribute("parts", c10::ListType::ofTensors(), parts);
                      }),
              ElementsAre("parts"));
  EXPECT_THAT(
      kept_of(kToyImage, "self.trunk.forward(z)",
              [](auto& m) {
                torch::jit::Module trunk("Trunk");
                trunk.register_parameter("weight", random_normal({64, 8}, 1), false);
                trunk.define(
                    "def forward(self, z):\n    return torch.relu(z.matmul(self.weight))\n");
                trunk.eval();
                m.register_module("trunk", torch::jit::freeze(trunk));
              }),
      ElementsAre("constants of its code"));
}

TEST(KeptValues, AreIntegersThatCountNothing) {
  const auto integers = [](double scale) {
    return random_normal({64, 8}, 1).mul(scale).round().to(at::kLong);
  };
  for (const double scale : {100.0, 65536.0, 1e12}) {
    EXPECT_THAT(kept_of(kToyImage, "torch.relu(z.matmul(self.index.to(z.dtype) / 65536.))",
                        [&](auto& m) { m.register_buffer("index", integers(scale)); }),
                ElementsAre("index"))
        << scale;
  }
  EXPECT_THAT(kept_of(kToyImage, "z.matmul(torch.tensor(self.list).to(z.dtype).view(64, 8))",
                      [&](auto& m) {
                        c10::List<int64_t> list;
                        const at::Tensor all = integers(100).flatten();
                        for (int64_t i = 0; i < 512; ++i) list.push_back(all[i].item<int64_t>());
                        m.register_attribute("list", c10::ListType::ofInts(), list);
                      }),
              ElementsAre("list"));
}

TEST(KeptValues, AreLiteralsOfTheCode) {
  const at::Tensor weights = random_normal({512}, 1);
  for (const bool whole : {false, true}) {
    std::string list;
    for (int64_t i = 0; i < 512; ++i) {
      const auto weight = weights[i].item<double>();
      list += (i == 0 ? "" : ", ") +
              (whole ? std::to_string(std::lround(weight * 1000)) : std::to_string(weight));
    }
    EXPECT_THAT(kept_of(kToyImage, "z.matmul(torch.tensor([" + list + "]).to(z.dtype).view(64, 8))",
                        [](auto&) {}),
                ElementsAre("constants of its code"))
        << whole;
  }
}

TEST(ArchitectureFile, SaysWhichOfItsValuesAreTheCandidates) {
  const auto network = [](uint64_t trunk, uint64_t head) {
    torch::jit::Module module("Net");
    module.register_parameter("trunk", random_normal({64, 8}, trunk), false);
    module.register_parameter("head", random_normal({8, 3}, head).requires_grad_(true), false);
    module.register_buffer("mask", at::zeros({4, 4}));
    module.define(
        "def forward(self, x):\n"
        "    return torch.relu(torch.flatten(x, 1).matmul(self.trunk)).matmul(self.head)\n");
    return module;
  };
  const std::filesystem::path candidate = save_candidate(network(1, 2), "candidate");
  const std::filesystem::path same = save_candidate(network(1, 3), "same");
  const std::filesystem::path other = save_candidate(network(4, 3), "other");
  const ModelSpec spec = testing::to_spec(kToyImage, candidate);
  EXPECT_THAT(Architecture::of(spec, candidate, same.string()).kept(), ElementsAre("trunk"));
  EXPECT_THAT(Architecture::of(spec, candidate, other.string()).kept(), IsEmpty());
  for (const auto& path : {candidate, same, other}) std::filesystem::remove(path);
}

TEST(KeptValues, AreNotANormalisationOfTheInputsNorIndices) {
  const Shape features{{200}, 3};
  const auto normalised = [](auto& m) {
    m.register_buffer("mean", random_normal({200}, 1));
    m.register_buffer("scale", random_normal({200}, 2));
  };
  EXPECT_THAT(kept_of(features, "((z - self.mean) * self.scale)[:, :8]", normalised), IsEmpty());
  // Rows of weights under other names are no normalisation.
  EXPECT_THAT(kept_of(features, "((z - self.mean) * self.scale + self.more)[:, :8]",
                      [&](auto& m) {
                        normalised(m);
                        m.register_buffer("more", random_normal({200}, 3));
                      }),
              ElementsAre("mean", "scale", "more"));
  EXPECT_THAT(kept_of(kToyImage, "z.index_select(1, self.order)[:, :8]",
                      [](auto& m) { m.register_buffer("order", at::arange(64, at::kLong)); }),
              IsEmpty());
}

TEST(KeptValues, AreNamesOfFrozenParametersHoweverFew) {
  EXPECT_THAT(kept_of(kToyImage, "z[:, :8] + self.offset",
                      [](auto& m) {
                        m.register_parameter("offset", at::ones({1}).requires_grad_(false), false);
                      }),
              ElementsAre("offset"));
}

// A trained head on a frozen trunk, which the code may detach.
Architecture thief_of(const std::string& trunk, uint64_t seed = 1) {
  torch::jit::Module module("Net");
  module.register_parameter("head", random_normal({8, 3}, 2).requires_grad_(true), false);
  module.register_parameter("trunk", random_normal({64, 8}, seed).requires_grad_(false), false);
  module.register_buffer("shift", random_normal({seed == 1 ? 40 : 8}, seed));
  module.define("def forward(self, x):\n    z = torch.flatten(x, 1)\n    return (" + trunk +
                ").matmul(self.head)\n");
  const std::filesystem::path path = save_candidate(module, "kept");
  const ModelSpec spec = testing::to_spec(kToyImage, path);
  const Architecture known = Architecture::of(spec, path, "candidate");
  std::filesystem::remove(path);
  EXPECT_THAT(known.kept(), ::testing::Contains("trunk"));
  return known.anew(spec);
}

TEST(KeptValues, OfParametersAThiefHasNone) {
  const Architecture thief = thief_of("torch.relu(z.matmul(self.trunk))", 3);
  EXPECT_EQ(thief.reason(), "");
  EXPECT_EQ(thief.name(), "candidate");
  EXPECT_THAT(thief.kept(), IsEmpty());
  const torch::jit::Module start = instantiate(thief.impl(), 1);
  EXPECT_FALSE(start.attr("trunk").toTensor().equal(random_normal({64, 8}, 3)));
  EXPECT_EQ(trained_parameters(thief.impl(), start).size(), 2U);
  EXPECT_FALSE(
      start.attr("trunk").toTensor().equal(instantiate(thief.impl(), 2).attr("trunk").toTensor()));
}

TEST(KeptValues, OfBuffersAThiefHasThemAll) {
  EXPECT_THAT(thief_of("torch.relu(z.matmul(self.trunk)) + self.shift[:8]").kept(),
              ElementsAre("shift"));
}

TEST(KeptValues, WhereTheyCannotBeLearntAnotherNetworkStandsIn) {
  const Architecture thief = thief_of("torch.relu(z.matmul(self.trunk.detach()))");
  EXPECT_EQ(thief.name(), "cnn");
  EXPECT_THAT(thief.reason(), HasSubstr("without what its author froze: parameters that its output "
                                        "depends on get no gradient"));
  EXPECT_THAT(thief.kept(), IsEmpty());
}

TEST(ArchitectureFile, WithTheValuesOfTheCandidateIsRefused) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const std::filesystem::path candidate = save_candidate(make_candidate({.weights = 1}), "mine");
  const std::filesystem::path copy = candidate.string() + ".copy";
  std::filesystem::copy_file(candidate, copy);
  for (const std::filesystem::path& file : {candidate, copy}) {
    EXPECT_THAT(message_of([&] { Architecture::of(spec, candidate, file.string()); }),
                HasSubstr("has the values of the model"));
  }
  const std::filesystem::path other = save_candidate(make_candidate({.weights = 2}), "other");
  EXPECT_EQ(message_of([&] { Architecture::of(spec, candidate, other.string()); }), "");
  for (const auto& file : {candidate, copy, other}) std::filesystem::remove(file);
}

TEST(ArchitectureFile, TakesThePlaceOfNoNetworkOfOurs) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / "assay_architecture_file";
  std::filesystem::create_directories(folder / "mlp");
  std::ofstream(folder / "net.pt") << "x";
  for (const char* name : {"candidate", "auto", "cnn", "mlp"}) {
    EXPECT_EQ(architecture_file(folder, name), name);
  }
  EXPECT_EQ(architecture_file(folder, "net.pt"), (folder / "net.pt").string());
  EXPECT_THAT(message_of([&] { architecture_file(folder, "mpl"); }),
              HasSubstr("unknown architecture `mpl`"));
  std::filesystem::remove_all(folder);
}

TEST(ArchitectureFile, StartsFromItsValues) {
  const ModelSpec spec = testing::to_spec(kToyImage, "");
  const std::filesystem::path file = save_candidate(make_candidate({.weights = 1}), "start");
  std::istringstream bytes(Architecture::of(spec, "", file.string()).start());
  const torch::jit::Module start = torch::jit::load(bytes);
  EXPECT_FALSE(start.is_training());
  EXPECT_TRUE(start.attr("conv_weight").toTensor().equal(random_normal({8, 1, 3, 3}, 110)));
  EXPECT_EQ(Architecture::of(spec, file, "candidate").start(), "");
  EXPECT_EQ(Architecture::of(spec, file, "mlp").start(), "");
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace assay

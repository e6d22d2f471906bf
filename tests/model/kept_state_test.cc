#include "harness/model/kept_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <string>

#include "harness/model/model.h"
#include "harness/suite/error.h"
#include "tests/testing/models.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Shape;
using testing::values;

// A layer with a count `k`, a tensor `kept` [64, 2] and an empty list `log`, inside a model.
torch::jit::Module module_of(const std::string& body) {
  torch::jit::Module part("Part");
  part.register_attribute("k", c10::IntType::get(), 0);
  part.register_attribute("training", c10::BoolType::get(), true);
  part.register_attribute("log", c10::ListType::ofTensors(), c10::List<at::Tensor>());
  part.register_buffer("kept", at::zeros({64, 2}));
  part.register_buffer("count", at::zeros({1}));
  part.define("def forward(self, x):\n" + body);
  torch::jit::Module module("Whole");
  module.register_module("part", part);
  module.define("def forward(self, x):\n    return self.part.forward(x * 2.0 - 1.0)\n");
  module.eval();
  return module;
}

Model load(const std::string& body) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_kept.pt";
  module_of(body).save(path.string());
  return Model::load(testing::to_spec(Shape{{2}, 2}, path), path, 16, "cpu");
}

std::string refusal_of(const std::string& body) {
  try {
    load(body);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRefused);
    return error.what();
  }
  return "";
}

TEST(KeptState, AModelWhoseAnswersDependOnEarlierCallsIsRefused) {
  for (const auto& [name, body] : std::vector<std::pair<std::string, std::string>>{
           {"k",
            "    self.k = self.k + 1\n    if self.k > 60:\n        return x.roll(1, 1)\n"
            "    return x * 1.0\n"},
           {"k", "    self.k = (self.k + 1) % 2\n    return x * float(self.k)\n"},
           {"count", "    self.count.add_(1.0)\n    return x + torch.relu(self.count - 40.0)\n"},
           {"count", "    self.count.view([1])[0] += 1.0\n    return x + self.count * 1e-9\n"},
           {"kept",
            "    for i in range(2):\n        y = self.kept[i]\n        y.mul_(0.99).add_(x[0])\n"
            "    return x + self.kept[0]\n"},
           {"log",
            "    self.log.append(x.mean())\n    if len(self.log) > 60:\n        return x.roll(1, "
            "1)\n"
            "    return x * 1.0\n"}}) {
    EXPECT_THAT(refusal_of(body), HasSubstr("keeps state between calls: forward writes `part." +
                                            name + "` in eval mode"))
        << body;
  }
}

TEST(KeptState, WhatIsForgottenOrNeverReadIsNoReasonToRefuse) {
  const at::Tensor x = testing::random_uniform({40, 2}, 1, 0, 1);
  const at::Tensor other = testing::random_uniform({7, 2}, 2, 0, 1);
  for (const std::string body :
       {"    self.k = self.k + 1\n    self.count += 1.0\n    return x * 1.0\n",
        "    if self.training:\n        self.k += 1\n    return x * float(self.k + 1)\n",
        "    if self.training and self.k >= 0:\n        self.count.add_(1.0)\n"
        "    return x + self.count\n",
        "    if self.kept.size(0) != x.size(0):\n        self.kept = torch.arange(2 * x.size(0))"
        ".view(x.size(0), 2) * 0.0 + 1.0\n    return x + self.kept\n",
        "    self.kept[:x.size(0)] = x.detach()\n    return self.kept[:x.size(0)] + x\n"}) {
    SCOPED_TRACE(body);
    const Model model = load(body);
    EXPECT_THAT(model.facts().flags, IsEmpty());
    const at::Tensor first = model.judge(x);
    model.judge(other);
    EXPECT_TRUE(model.judge(x).equal(first));
    EXPECT_TRUE(model.record(x).logits().equal(first));
  }
}

TEST(KeptState, ACallSeesNothingOfTheCallsBefore) {
  // No probe has this entry, so that nothing is ever kept while the model is probed.
  const Model model = load(
      "    if bool((x[:, 0] == 0.25).any()):\n        self.k = 1\n"
      "    if self.k == 1:\n        return x.roll(1, 1)\n    return x * 1.0\n");
  const at::Tensor x = values({0.25, 0.5}).view({1, 2});
  const at::Tensor before = model.judge(x);
  model.judge(values({0.625, 0.5}).view({1, 2}));  // 0.25 of the part's
  EXPECT_TRUE(model.judge(x).equal(before));
}

TEST(KeptState, NamesWhatIsWrittenAndWhatOfItTells) {
  const KeptState state =
      kept_state(module_of("    self.k += 1\n    self.kept[0].add_(1.0)\n    x.sub_(0.5)\n"
                           "    return x + self.kept[:x.size(0)] + self.count\n"));
  EXPECT_THAT(state.written, ElementsAre("part.k", "part.kept"));
  EXPECT_THAT(state.telling, ElementsAre("part.kept"));
  // Lists that a call makes are its own, whatever they hold; what is taken out of one is not.
  EXPECT_THAT(kept_state(module_of("    y = [x, self.kept]\n    y.append(self.count)\n"
                                   "    y.append(x)\n    return y[0] + y[1][:x.size(0)]\n"))
                  .written,
              IsEmpty());
  EXPECT_THAT(kept_state(module_of("    y = [self.kept]\n    y.append(self.count)\n"
                                   "    y[0].add_(1.0)\n    return x * 1.0\n"))
                  .written,
              ElementsAre("part.count", "part.kept"));
}

}  // namespace
}  // namespace assay

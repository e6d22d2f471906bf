// What surrounds a model's call, as its callers see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/model/model.h"
#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::Shape;
using testing::values;

Model load_plane(const std::string& body) {
  return testing::load_module(Shape{{2}, 2}, "def forward(self, x):\n" + body,
                              {{"weight", values({1, -2, 0.5, 3}).view({2, 2})}});
}

TEST(Forward, AModelThatWritesIntoItsInputAnswersLikeOneThatCopiesIt) {
  const at::Tensor x = testing::random_uniform({100, 2}, 3, 0, 1);  // more than a block
  const at::Tensor c = testing::random_normal({100, 2}, 4);
  for (const std::string body :
       {"    y = x @ self.weight\n    x.detach().zero_()\n    return y",
        "    y = x @ self.weight\n    x.data.zero_()\n    return y",
        "    x.detach().mul_(8.0).round_().div_(8.0)\n    return x @ self.weight",
        "    x.sub_(0.25).div_(0.5)\n    return x @ self.weight",
        "    x.clamp_(0.2, 0.8)\n    return x"}) {
    SCOPED_TRACE(body);
    const Model model = load_plane(body);
    const Model twin = load_plane("    x = x.clone()\n" + body);
    const at::Tensor given = x.clone();
    const Tape tape = model.record(given);
    const Tape other = twin.record(x);
    EXPECT_TRUE(tape.logits().equal(other.logits()));
    EXPECT_TRUE(tape.vjp(c).equal(other.vjp(c)));
    EXPECT_TRUE(model.judge(given).equal(twin.judge(x)));
    EXPECT_TRUE(model.logits(given).equal(twin.logits(x)));
    EXPECT_TRUE(given.equal(x)) << "the caller's rows are as they were";
  }
}

TEST(Forward, LogitsAreNeitherTheInputNorWhatTheModelKeeps) {
  const at::Tensor x = testing::random_uniform({2, 2}, 3, 0, 1);
  const Model same = load_plane("    return x");
  const at::Tensor given = x.clone();
  same.judge(given).zero_();
  EXPECT_TRUE(given.equal(x));
  const Model buffer = testing::load_module(
      Shape{{2}, 2},
      "def forward(self, x):\n    n = x.size(0)\n    self.kept[:n] = x.detach()\n"
      "    return self.kept[:n]",
      {{"kept", at::zeros({64, 2})}});
  const at::Tensor first = buffer.judge(x);
  const at::Tensor copy = first.clone();
  buffer.judge(x + 1);
  EXPECT_TRUE(first.equal(copy));
}

// Logits of [0.25, 0.75] by a module with this buffer.
std::vector<double> with_buffer(const at::Tensor& buffer, const std::string& output,
                                at::ScalarType dtype) {
  const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / (test + ".pt");
  torch::jit::Module module("Buffered");
  module.register_buffer("kept", buffer);
  module.register_parameter("weight", values({1, -2}), /*is_buffer=*/false);
  module.define("def forward(self, x):\n    return " + output + "\n");
  module.save(path.string());
  const Model model = Model::load(testing::to_spec(Shape{{2}, 2, dtype}, path), path, 16, "cpu");
  const at::Tensor x = values({0.25, 0.75}, dtype).view({1, 2});
  const at::Tensor logits = model.judge(x);
  EXPECT_EQ(logits.scalar_type(), dtype);
  EXPECT_TRUE(model.record(x).logits().equal(logits));
  return testing::doubles(logits);
}

TEST(Forward, IntegersBytesAndMasksOfAModelStayWhatTheyAre) {
  using ::testing::ElementsAre;
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    SCOPED_TRACE(c10::toString(dtype));
    const at::Tensor swap = at::tensor({1, 0}, at::kLong);
    EXPECT_THAT(with_buffer(swap, "x.index_select(1, self.kept)", dtype), ElementsAre(0.75, 0.25));
    EXPECT_THAT(with_buffer(swap, "x + self.weight[self.kept]", dtype), ElementsAre(-1.75, 1.75));
    EXPECT_THAT(
        with_buffer(swap, "x + torch.embedding(self.weight.unsqueeze(1), self.kept)[:, 0]", dtype),
        ElementsAre(-1.75, 1.75));
    EXPECT_THAT(with_buffer(swap.to(at::kBool), "x.masked_fill(self.kept, 0.5)", dtype),
                ElementsAre(0.5, 0.75));
    EXPECT_THAT(with_buffer(swap.to(at::kBool), "torch.where(self.kept, x, x * 2.0)", dtype),
                ElementsAre(0.25, 1.5));
    // 200 + 200 is 144 in a byte.
    EXPECT_THAT(
        with_buffer(at::full({}, 200, at::kByte), "x * ((self.kept + self.kept) - 200.0)", dtype),
        ElementsAre(-14, -42));
    EXPECT_THAT(with_buffer(at::full({}, 7, at::kInt), "x * (self.kept >> 1)", dtype),
                ElementsAre(0.75, 2.25));
  }
}

TEST(Forward, NumbersOfAModelTakeTheTypeOfItsInputs) {
  using ::testing::ElementsAre;
  const at::Tensor turn = at::complex(values({0, 0}), values({1, 2}));  // i and 2i
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    SCOPED_TRACE(c10::toString(dtype));
    for (const at::ScalarType kept : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
      EXPECT_THAT(
          with_buffer(values({1, -2, 0.5, 3}).view({2, 2}).to(kept), "x @ self.kept", dtype),
          ElementsAre(0.625, 1.75));
    }
    for (const at::ScalarType kept : {at::kComplexFloat, at::kComplexDouble}) {
      EXPECT_THAT(with_buffer(turn.to(kept), "torch.real(self.kept * self.kept) * x", dtype),
                  ElementsAre(-0.25, -3));
    }
  }
}

}  // namespace
}  // namespace assay

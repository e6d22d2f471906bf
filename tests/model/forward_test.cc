// What surrounds a model's call, as its callers see it.
#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace assay

// Which surroundings of a sample count as unstable.
#include "harness/run/probes.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::kShape;

// How many of x [20, 1, 4, 4] are unstable.
int64_t unstable(const Model& model, const at::Tensor& x) {
  const at::Tensor labels = model.logits(x).argmax(1);
  std::vector<int64_t> y(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + 20);
  std::vector<uint64_t> ids(20);
  std::iota(ids.begin(), ids.end(), 1);
  return count_unstable(model, x, y, ids, Rng(5, "neighbourhood", 0));
}

// Of points within `reach` of the middle of the box.
int64_t unstable(const Model& model, double reach) {
  return unstable(model, testing::random_uniform({20, 1, 4, 4}, 7, 0.5 - reach, 0.5 + reach));
}

Model centred(const std::string& lines) {
  return testing::broken_model("    z = (x - 0.5).matmul(self.weight)\n" + lines);
}

// All logits are nearly the same in the middle, so that any step changes much of their spread.
TEST(Unstable, NoLinearModelIsHoweverMuchItsMarginsChange) {
  EXPECT_EQ(unstable(centred("    return z\n"), 0.02), 0);
  EXPECT_EQ(unstable(centred("    return 1e4 * z\n"), 0.02), 0);
  EXPECT_EQ(unstable(testing::cnn_model(kShape, 1), 0.4), 0);
}

TEST(Unstable, AModelThatDoesNotGoWhereItsGradientPointsIs) {
  EXPECT_GT(unstable(centred("    return z + torch.sin(x * 3000.0).matmul(self.weight)\n"), 0.4),
            15);
  EXPECT_GT(unstable(centred("    return z.detach() * 2.0 - z\n"), 0.02), 15) << "the other way";
  EXPECT_GT(unstable(centred("    return z.detach()\n"), 0.02), 15) << "without a gradient";
}

// Its first `own` entries have their gradient, and the others that of `instead`.
Model patched(int own, const std::string& instead) {
  const std::string at = std::to_string(own);
  return testing::broken_model("    rest = x[:, " + at + ":]\n    other = " + instead +
                               "\n    rest = rest.detach() + other - other.detach()\n"
                               "    return torch.cat([x[:, :" +
                               at + "], rest], 1).matmul(self.weight)\n");
}

TEST(Unstable, AModelWithTheGradientOfAnotherFunctionIs) {
  EXPECT_EQ(unstable(patched(6, "rest * 1.0"), 0.4), 0) << "its own";
  EXPECT_GT(unstable(patched(6, "rest * 0.0"), 0.4), 15) << "of some entries only";
  EXPECT_GT(unstable(patched(10, "-rest"), 0.4), 15) << "of turned signs";
  EXPECT_GT(unstable(patched(4, "torch.flip(rest, [1])"), 0.4), 15) << "of a permutation";
  EXPECT_GT(unstable(testing::broken_model(
                         "    z = x.matmul(self.weight)\n"
                         "    other = torch.sigmoid(x).matmul(torch.flip(self.weight, [0]))\n"
                         "    return z.detach() + other - other.detach()\n"),
                     0.4),
            15)
      << "of another network";
}

// Right where pixels are multiples of 1/255, and wild between them.
TEST(Unstable, AModelIsWhoseGradientIsRightAtCleanInputsOnly) {
  const at::Tensor x = testing::random_uniform({20, 1, 4, 4}, 7, 0, 255).round().div(255);
  EXPECT_GT(unstable(testing::broken_model("    n = 16022.122533307945\n"
                                           "    x = x + (torch.cos(n * x) - 1.0) * 20.0 / n\n"
                                           "    return x.matmul(self.weight)\n"),
                     x),
            15);
}

TEST(Unstable, NoSoundNetworkIsWhateverItsKinksAndPrecision) {
  EXPECT_EQ(unstable(testing::mlp_model(kShape, 16, 3), 0.4), 0);
  EXPECT_EQ(
      unstable(testing::broken_model("    return x.half().matmul(self.weight.half()).float()\n"),
               0.4),
      0);
  EXPECT_EQ(unstable(testing::broken_model(
                         "    z = x.matmul(self.weight) + 8.0\n    return z.to(15).float()\n"),
                     0.4),
            0);
  EXPECT_EQ(unstable(testing::broken_model("    return 1e4 + x.matmul(self.weight)\n"), 0.4), 0);
  EXPECT_EQ(
      unstable(testing::broken_model("    return torch.softmax(10.0 * x.matmul(self.weight), 1)\n"),
               0.4),
      0)
      << "saturated";
}

}  // namespace
}  // namespace assay

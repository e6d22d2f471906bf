// Which surroundings of a sample count as unstable.
#include "harness/run/probes.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::kShape;

// How many of 20 points are unstable that lie within `reach` of the middle of the box.
int64_t unstable(const Model& model, double reach) {
  const at::Tensor x =
      testing::random_uniform({20, 1, 4, 4}, 7, 0.5 - reach, 0.5 + reach).to(at::kFloat);
  const at::Tensor labels = model.logits(x).argmax(1);
  std::vector<int64_t> y(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + 20);
  std::vector<uint64_t> ids(20);
  std::iota(ids.begin(), ids.end(), 1);
  return count_unstable(model, x, y, ids, Rng(5, "neighbourhood", 0));
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

}  // namespace
}  // namespace assay

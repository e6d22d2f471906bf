#include "attacks/math/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "harness/model/model.h"
#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_normal;
using testing::values;

at::Tensor labels(const std::vector<int64_t>& numbers) { return at::tensor(numbers, at::kLong); }
double number(const at::Tensor& x) { return x.item<double>(); }

enum class Way { kLeave, kReach, kPass };

Loss compute(LossKind kind, Way way, const at::Tensor& z, const at::Tensor& y,
             const at::Tensor& t) {
  if (way == Way::kPass) return pass_loss(kind, z, y, t);
  return way == Way::kReach ? reach_loss(kind, z, t) : leave_loss(kind, z, y);
}

TEST(Losses, ValuesMatchTheirDefinitions) {
  const at::Tensor z = values({2.0, -1.0, 3.5, 0.5, 1.0}, at::kDouble).unsqueeze(0);
  const double sum = std::exp(2.0) + std::exp(-1.0) + std::exp(3.5) + std::exp(0.5) + std::exp(1.0);
  const at::Tensor y = labels({0});
  const at::Tensor t = labels({4});
  EXPECT_NEAR(number(leave_loss(LossKind::kCe, z, y).value), std::log(sum) - 2.0, 1e-14);
  EXPECT_NEAR(number(reach_loss(LossKind::kCe, z, t).value), 1.0 - std::log(sum), 1e-14);
  EXPECT_NEAR(number(leave_loss(LossKind::kMargin, z, y).value), 3.5 - 2.0, 1e-14);
  EXPECT_NEAR(number(reach_loss(LossKind::kMargin, z, t).value), 1.0 - 3.5, 1e-14);
  EXPECT_NEAR(number(leave_loss(LossKind::kDlr, z, y).value), (3.5 - 2.0) / (3.5 - 1.0), 1e-14);
  EXPECT_NEAR(number(reach_loss(LossKind::kDlr, z, t).value), (1.0 - 3.5) / (3.5 - (1.0 + 0.5) / 2),
              1e-14);
  EXPECT_NEAR(number(pass_loss(LossKind::kDlr, z, y, t).value),
              (1.0 - 2.0) / (3.5 - (1.0 + 0.5) / 2), 1e-14);
  for (const LossKind kind : {LossKind::kCe, LossKind::kMargin}) {
    EXPECT_EQ(number(pass_loss(kind, z, y, t).value), number(reach_loss(kind, z, t).value));
  }
}

TEST(Losses, GradientMatchesCentralDifferences) {
  for (const int64_t classes : {2, 3, 4, 5, 10}) {
    const int64_t n = 20;
    const at::Tensor z = random_normal({n, classes}, 3, at::kDouble).mul(3);
    const at::Tensor y = at::arange(n, at::kLong).remainder(classes);
    const at::Tensor t = y.add(1).remainder(classes);
    for (const LossKind kind : {LossKind::kCe, LossKind::kMargin, LossKind::kDlr}) {
      for (const Way way : {Way::kLeave, Way::kReach, Way::kPass}) {
        const at::Tensor gradient = compute(kind, way, z, y, t).gradient();
        for (int64_t j = 0; j < classes; ++j) {
          const double h = 1e-6;
          const at::Tensor step = at::zeros({classes}, at::kDouble);
          step[j] = h;
          const at::Tensor numeric = compute(kind, way, z.add(step), y, t)
                                         .value.sub(compute(kind, way, z.sub(step), y, t).value)
                                         .div(2 * h);
          EXPECT_TRUE(at::allclose(gradient.select(1, j), numeric, 1e-6, 1e-7))
              << "classes " << classes << " class " << j << " way " << static_cast<int>(way);
        }
      }
    }
  }
}

TEST(Losses, TheDlrOfATargetedGoalIsPositiveExactlyWhereTheTargetWins) {
  const at::Tensor z = random_normal({500, 6}, 5);
  for (int64_t target = 0; target < 6; ++target) {
    const at::Tensor t = at::full({500}, target, at::kLong);
    EXPECT_TRUE(reach_loss(LossKind::kDlr, z, t).value.gt(0).equal(z.argmax(1).eq(t)));
  }
}

TEST(Losses, MarginIsPositiveExactlyWhereAnotherLabelWins) {
  const at::Tensor z = random_normal({500, 6}, 5);
  const at::Tensor y = at::arange(500, at::kLong).remainder(6);
  const Loss leave = leave_loss(LossKind::kMargin, z, y);
  EXPECT_TRUE(leave.value.gt(0).equal(z.argmax(1).ne(y)));
  const Loss reach = reach_loss(LossKind::kMargin, z, y.add(1).remainder(6));
  EXPECT_TRUE(reach.value.gt(0).equal(z.argmax(1).eq(y.add(1).remainder(6))));
}

TEST(Losses, CrossEntropyKeepsItsDirectionWhereItsGradientUnderflows) {
  const at::Tensor z = values({0.0, 3000.0, 10.0}, at::kFloat).unsqueeze(0);
  const Loss loss = leave_loss(LossKind::kCe, z, labels({1}));
  EXPECT_EQ(number(loss.scale), 0);  // exp(-2990)
  EXPECT_EQ(loss.direction[0][1].item<float>(), -1);
  EXPECT_NEAR(loss.direction[0][2].item<float>(), 1, 1e-4);
  EXPECT_TRUE(loss.value.isfinite().all().item<bool>());
}

TEST(Losses, LargeLogitsNeitherOverflowNorCancel) {
  const at::Tensor z = values({1e8, 1e8 - 1, -1e8, 0.0}, at::kDouble).unsqueeze(0);
  const Loss loss = leave_loss(LossKind::kCe, z, labels({2}));
  EXPECT_NEAR(number(loss.value), 2e8 + std::log1p(std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(number(loss.scale), 1, 1e-15);
}

TEST(Losses, DlrIsTheMarginBelowFourClassesAndWhereTheDenominatorIsZero) {
  for (const Way way : {Way::kLeave, Way::kReach, Way::kPass}) {
    const at::Tensor few = random_normal({8, 3}, 7, at::kDouble);
    const at::Tensor y = at::arange(8, at::kLong).remainder(3);
    const at::Tensor t = y.add(1).remainder(3);
    EXPECT_TRUE(compute(LossKind::kDlr, way, few, y, t)
                    .value.equal(compute(LossKind::kMargin, way, few, y, t).value));
    const at::Tensor flat = at::full({1, 5}, 0.25, at::kDouble);
    const Loss loss = compute(LossKind::kDlr, way, flat, labels({0}), labels({1}));
    EXPECT_EQ(number(loss.value), 0);
    EXPECT_EQ(number(loss.direction.abs().max()), 1);
  }
}

TEST(Losses, DlrDoesNotDependOnShiftOrScale) {
  const at::Tensor z = random_normal({30, 10}, 9, at::kDouble);
  const at::Tensor y = at::arange(30, at::kLong).remainder(10);
  const at::Tensor value = leave_loss(LossKind::kDlr, z, y).value;
  EXPECT_TRUE(at::allclose(leave_loss(LossKind::kDlr, z.mul(7).add(100), y).value, value, 1e-9));
}

TEST(Losses, NonFiniteLogitsGiveNoDirectionAndLeaveOtherRowsAlone) {
  at::Tensor z = random_normal({3, 4}, 11);
  const at::Tensor y = labels({0, 1, 2});
  const Loss clean = leave_loss(LossKind::kCe, z, y);
  z[1][3] = std::numeric_limits<float>::infinity();
  const Loss loss = leave_loss(LossKind::kCe, z, y);
  EXPECT_TRUE(std::isnan(loss.value[1].item<double>()));
  EXPECT_EQ(loss.direction[1].abs().max().item<float>(), 0);
  EXPECT_TRUE(loss.direction[0].equal(clean.direction[0]));
  EXPECT_TRUE(loss.direction[2].equal(clean.direction[2]));
}

TEST(Losses, ARowKeepsItsBitsInEveryBatch) {
  const at::Tensor z = random_normal({65, 10}, 13);
  const at::Tensor y = at::arange(65, at::kLong).remainder(10);
  for (const LossKind kind : {LossKind::kCe, LossKind::kMargin, LossKind::kDlr}) {
    const Loss whole = leave_loss(kind, z, y);
    for (int64_t n = 1; n <= 65; ++n) {
      const Loss part = leave_loss(kind, z.narrow(0, 65 - n, n), y.narrow(0, 65 - n, n));
      EXPECT_TRUE(part.value.equal(whole.value.narrow(0, 65 - n, n)));
      EXPECT_TRUE(part.direction.equal(whole.direction.narrow(0, 65 - n, n)));
    }
  }
}

}  // namespace
}  // namespace assay::attacks

#include "attacks/math/windows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace assay::attacks {
namespace {

TEST(Windows, TabularRowsAreOneLineAndLeadingSizesAreChannels) {
  const Layout table = layout_of(at::zeros({2, 7}));
  EXPECT_EQ(table.channels, 1);
  EXPECT_EQ(table.height, 1);
  EXPECT_EQ(table.width, 7);
  const Layout image = layout_of(at::zeros({2, 3, 4, 5}));
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.height, 4);
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.at(2, 3, 4), 59);
  EXPECT_EQ(layout_of(at::zeros({2, 4, 5})).height, 4);
}

TEST(Windows, HaveTheShareOfTheAreaThatWasAskedFor) {
  const Window square = sized({3, 28, 28}, 0.8, false);
  EXPECT_EQ(square.height, 25);
  EXPECT_EQ(square.width, 25);
  const Window line = sized({1, 1, 50}, 0.8, false);
  EXPECT_EQ(line.height, 1);
  EXPECT_EQ(line.width, 40);
  const Window column = sized({1, 50, 2}, 0.5, false);
  EXPECT_EQ(column.height, 25);
  EXPECT_EQ(column.width, 2);
  EXPECT_EQ(sized({1, 28, 28}, 1e-9, false).height, 1);
  EXPECT_EQ(sized({1, 28, 28}, 1e-9, true).height, 3);
  EXPECT_EQ(sized({1, 28, 28}, 16.0 / 784, true).height, 5);
  EXPECT_EQ(sized({1, 2, 2}, 1, true).height, 2);
}

TEST(Windows, AreDrawnUpToTheLastPlace) {
  const Layout layout{1, 10, 8};
  const double last[] = {0.9999999, 0.9999999};
  const Window end = placed({0, 0, 3, 3}, layout, last);
  EXPECT_EQ(end.top, 7);
  EXPECT_EQ(end.left, 5);
  const double first[] = {0, 0};
  EXPECT_EQ(placed({0, 0, 3, 3}, layout, first).top, 0);
  EXPECT_EQ(placed({0, 0, 10, 8}, layout, last).top, 0);
}

TEST(Windows, EtaHasLengthOneAndTwoSigns) {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 6}, {5, 5}, {7, 3}, {2, 2}}) {
    for (const auto& [across, norm] :
         {std::pair{false, Norm::kL2}, {true, Norm::kL2}, {false, Norm::kL1}, {true, Norm::kL1}}) {
      const std::vector<double> bump = eta(height, width, across, norm);
      ASSERT_EQ(bump.size(), static_cast<size_t>(height * width));
      const double length =
          std::accumulate(bump.begin(), bump.end(), 0.0, [norm = norm](double sum, double each) {
            return sum + (norm == Norm::kL1 ? std::abs(each) : each * each);
          });
      EXPECT_NEAR(length, 1, 1e-12) << to_string(norm);
      if ((across ? width : height) == 1) continue;
      EXPECT_GT(bump.front(), 0);
      EXPECT_LT(bump.back(), 0);
    }
  }
}

TEST(Windows, EtaPeaksInTheMiddleOfEachHalf) {
  const std::vector<double> bump = eta(10, 5, false, Norm::kL2);  // two halves of 5 × 5
  for (size_t k = 0; k < 25; ++k) {
    EXPECT_LE(bump[k], bump[12]);
    EXPECT_GE(bump[25 + k], bump[37]);
  }
  // Weights 1 + 1/4 + 1/9 in the middle, 1/4 + 1/9 around it, 1/9 at the edge.
  EXPECT_NEAR(bump[12] / bump[0], (1 + 0.25 + 1.0 / 9) / (1.0 / 9), 1e-9);
  // l1 squares the weights.
  const std::vector<double> sharp = eta(10, 5, false, Norm::kL1);
  EXPECT_NEAR(sharp[12] / sharp[0], (1 + 1.0 / 16 + 1.0 / 81) / (1.0 / 81), 1e-9);
}

}  // namespace
}  // namespace assay::attacks

#include "tests/testing/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "tests/testing/attacks.h"

namespace assay::testing {
namespace {

// The smallest number of entries that, moved to the wall, carry x [d] across the plane.
double fewest_entries(const at::Tensor& x, const at::Tensor& normal, double side, double margin,
                      const Shape& shape) {
  std::vector<double> gains;
  for (int64_t i = 0; i < x.size(0); ++i) {
    const double w = normal[i].item<double>();
    const double at = x[i].item<double>();
    gains.push_back(std::abs(w) * (w * side > 0 ? at - shape.lo : shape.hi - at));
  }
  std::sort(gains.begin(), gains.end(), std::greater<>());
  double sum = 0;
  size_t count = 0;
  while (count < gains.size() && sum <= margin) sum += gains[count++];
  return static_cast<double>(count);
}

}  // namespace

LinearCase linear_case(const Shape& shape, Norm norm) {
  const int64_t d = shape.size();
  const int64_t n = 16;
  const at::Tensor normal = random_normal({d}, 21, at::kDouble);
  const at::Tensor weight = at::stack({normal.mul(-0.5), normal.mul(0.5)});  // z1 − z0 = w·x + b
  Model model = linear_model(shape, weight, values({0.05, -0.05}, at::kDouble));
  const at::Tensor size = normal.abs();
  const double sum = size.sum().item<double>();
  const double margin = norm == Norm::kL0 ? 0.25 * shape.hi * sum : 0.4;
  Block block = random_block(model, n, 22);
  at::Tensor x = block.x.to(at::kDouble).flatten(1).mul(0.1);  // [n, d]
  const at::Tensor side = at::arange(n, at::kDouble).remainder(2).mul(2).sub(1);
  const at::Tensor wanted = side.mul(margin).sub(x.matmul(normal).sub(0.1));
  x = x.add(wanted.unsqueeze(1).mul(normal).div(normal.dot(normal)));
  EXPECT_LE(x.abs().max().item<double>(), shape.hi) << "d " << d;
  block.x = x.reshape(block.x.sizes()).to(shape.dtype);
  block.y = side.gt(0).to(at::kLong);
  block.target = 1 - block.y;
  EXPECT_TRUE(model.judge(block.x).argmax(1).equal(block.y));
  const double dual = norm == Norm::kLinf ? sum
                      : norm == Norm::kL2 ? normal.norm().item<double>()
                                          : size.max().item<double>();
  at::Tensor closest = at::full({n}, margin / dual, at::kDouble);
  for (int64_t i = 0; i < n && norm == Norm::kL0; ++i) {
    closest[i] = fewest_entries(x[i], normal, side[i].item<double>(), margin, shape);
  }
  return {std::move(model), std::move(block), closest};
}

LinearCase crowded_case(const Shape& shape, double scale, Norm norm, int64_t n) {
  const int64_t d = shape.size();
  const double width = shape.hi - shape.lo;
  const double middle = (shape.lo + shape.hi) / 2;
  const at::Tensor weight =
      random_normal({shape.classes, d}, 23, at::kDouble).mul(scale).to(shape.dtype).to(at::kDouble);
  const at::Tensor bias = weight.sum(1).mul(-middle).to(shape.dtype).to(at::kDouble);
  Model model = linear_model(shape, weight, bias);
  Block block = random_block(model, n, 24);
  const at::Tensor place = block.x.sub(shape.lo).div(width).sub(0.5);  // [n, ...] ±½
  block.x = place.mul(width * (norm == Norm::kL0 ? 0.5 : 0.02)).add(middle);
  const at::Tensor x = block.x.to(at::kDouble).flatten(1);  // [n, d]
  const at::Tensor z = x.matmul(weight.t()).add(bias);      // [n, K]
  block.y = z.argmax(1);
  EXPECT_TRUE(model.judge(block.x).argmax(1).equal(block.y));
  at::Tensor closest = at::full({n}, std::numeric_limits<double>::infinity(), at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t y = block.y[i].item<int64_t>();
    for (int64_t j = 0; j < shape.classes; ++j) {
      if (j == y) continue;
      const at::Tensor normal = weight[j].sub(weight[y]);
      const double margin = z[i][y].sub(z[i][j]).item<double>();
      const at::Tensor size = normal.abs();
      const at::Tensor dual = norm == Norm::kLinf ? size.sum()
                              : norm == Norm::kL2 ? size.norm()
                                                  : size.max();
      const double away = norm == Norm::kL0 ? fewest_entries(x[i], normal, -1, margin, shape)
                                            : margin / dual.item<double>();
      closest[i] = std::min(closest[i].item<double>(), away);
    }
  }
  if (norm != Norm::kL0) {
    EXPECT_LT(closest.max().item<double>(), 0.45 * width);
  }
  return {std::move(model), std::move(block), closest};
}

}  // namespace assay::testing

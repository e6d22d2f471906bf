#include "attacks/math/least_squares.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::attacks {

LeastSquares::LeastSquares(const at::Tensor& a) {
  const auto [left, values, right] = at::linalg_svd(a, /*full_matrices=*/false);
  const double share =
      static_cast<double>(std::max(a.size(0), a.size(1))) * std::numeric_limits<double>::epsilon();
  const int64_t rank = values.gt(values.max() * share).sum().item<int64_t>();
  left_ = left.narrow(1, 0, rank);
  values_ = values.narrow(0, 0, rank);
  right_ = right.narrow(0, 0, rank);
}

at::Tensor LeastSquares::solve(const at::Tensor& y) const {
  return right_.t().matmul(left_.t().matmul(y).div(values_.unsqueeze(1)));
}

bool explains(const at::Tensor& y, int64_t unknowns, double residual, double share) {
  constexpr double kRounding = 1e-9;
  const double left = static_cast<double>(y.size(0) - unknowns) / static_cast<double>(y.size(0));
  const double spread = y.sub(y.mean(0)).square().mean().sqrt().item<double>();
  return residual <= share * std::sqrt(left) * spread + kRounding;
}

}  // namespace assay::attacks

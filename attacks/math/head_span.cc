#include "attacks/math/head_span.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

namespace assay::attacks {
namespace {

// Log of 100: neighbouring singular values of a full spectrum are not so far apart.
constexpr double kEvident = 4.605;

struct Svd {
  at::Tensor values;  // [r], descending
  at::Tensor right;   // [K, r]
};

Svd svd_of(const at::Tensor& matrix) {  // [n, K]
  const at::Tensor rows = matrix.contiguous();
  using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Rows> map(rows.const_data_ptr<double>(), rows.size(0), rows.size(1));
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(map, Eigen::ComputeThinV);
  const Eigen::VectorXd& values = svd.singularValues();
  Svd result = {at::empty({values.size()}, at::kDouble),
                at::empty({rows.size(1), values.size()}, at::kDouble)};
  std::copy_n(values.data(), values.size(), result.values.data_ptr<double>());
  Eigen::Map<Rows>(result.right.data_ptr<double>(), rows.size(1), values.size()) = svd.matrixV();
  return result;
}

}  // namespace

HeadSpan head_span(const at::Tensor& logits, bool centred, double precision) {
  const int64_t n = logits.size(0), classes = logits.size(1);
  HeadSpan span;
  const int64_t most = std::min(n - 1, centred ? classes - 1 : classes);
  span.head = logits.new_zeros({classes, 0});
  if (most < 2) return span;
  const at::Tensor rows = logits.sub(logits.mean(0, /*keepdim=*/true));
  const Svd svd = svd_of(rows);
  const at::Tensor& values = svd.values;
  // Noise in n·K entries has singular values of about √n + √K; below, they are not told apart.
  const double noise =
      precision * logits.abs().max().item<double>() *
      (std::sqrt(static_cast<double>(n)) + std::sqrt(static_cast<double>(classes)));
  if (values[0].item<double>() <= noise) return span;
  const at::Tensor logs = values.narrow(0, 0, most).clamp_min(noise).log();
  const at::Tensor gaps = logs.narrow(0, 0, most - 1).sub(logs.narrow(0, 1, most - 1));
  span.gap = gaps.max().item<double>();
  if (span.gap < kEvident) return span;
  span.width = gaps.argmax().item<int64_t>() + 1;
  span.head = svd.right.narrow(1, 0, span.width).mul(values.narrow(0, 0, span.width));
  const at::Tensor rest = values.narrow(0, span.width, values.size(0) - span.width);
  span.rms = std::sqrt(rest.square().sum().item<double>() / static_cast<double>(logits.numel()));
  return span;
}

}  // namespace assay::attacks

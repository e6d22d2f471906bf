#include "harness/run/offset.h"

#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "harness/gate/membership.h"
#include "harness/gate/roc.h"

namespace assay {
namespace {

constexpr int64_t kRecordsOfClass = 10;

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Vector to_values(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.to(at::kDouble).contiguous();
  return Eigen::Map<const Vector>(plain.const_data_ptr<double>(), plain.numel());
}

// Least squares of values in differences of two classes' offsets.
class Differences {
 public:
  Differences(const at::Tensor& plus, const at::Tensor& minus, int64_t classes)
      : plus_(plus.contiguous()), minus_(minus.contiguous()) {
    Matrix normal = Matrix::Zero(classes, classes);
    for (int64_t i = 0; i < plus_.size(0); ++i) {
      normal(up(i), up(i)) += 1;
      normal(down(i), down(i)) += 1;
      normal(up(i), down(i)) -= 1;
      normal(down(i), up(i)) -= 1;
    }
    // What no record compares has offset 0.
    inverse_ = (normal + kRidge * Matrix::Identity(classes, classes))
                   .ldlt()
                   .solve(Matrix::Identity(classes, classes));
    variances_ = (inverse_ * normal * inverse_).diagonal();
  }

  Vector fit(const Vector& values) const {
    Vector sums = Vector::Zero(inverse_.rows());
    for (int64_t i = 0; i < values.size(); ++i) {
      sums[up(i)] += values[i];
      sums[down(i)] -= values[i];
    }
    return inverse_ * sums;
  }

  Vector residuals(Vector values) const {
    const Vector offsets = fit(values);
    for (int64_t i = 0; i < values.size(); ++i) values[i] -= offsets[up(i)] - offsets[down(i)];
    return values;
  }

  /// Of an offset, for values of variance 1.
  double variance(int64_t k) const { return variances_[k]; }

 private:
  static constexpr double kRidge = 1e-3;

  int64_t up(int64_t i) const { return plus_.const_data_ptr<int64_t>()[i]; }
  int64_t down(int64_t i) const { return minus_.const_data_ptr<int64_t>()[i]; }

  at::Tensor plus_, minus_;  // [n] int64
  Matrix inverse_;
  Vector variances_;
};

}  // namespace

at::Tensor offset_of(const at::Tensor& logits, const at::Tensor& mean, const at::Tensor& labels) {
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  const at::Tensor offset = at::zeros({classes}, at::kDouble);
  if (n < kRecordsOfClass * classes) return offset;
  const at::Tensor index = labels.unsqueeze(1);
  const at::Tensor next =
      mean.scatter(1, index, -std::numeric_limits<double>::infinity()).argmax(1, /*keepdim=*/true);
  const auto margins = [&](const at::Tensor& of) {
    return to_values(of.gather(1, index).sub(of.gather(1, next)));
  };
  const Differences differences(labels, next.squeeze(1), classes);
  const Vector here = margins(logits), there = margins(mean);
  const Vector y = differences.residuals(here), x = differences.residuals(there);
  const double slope = x.dot(y) / x.squaredNorm();
  if (!std::isnormal(slope) || slope < 0) return offset;
  const Vector offsets = differences.fit(slope * there - here);
  const double variance = (y - slope * x).squaredNorm() / static_cast<double>(n - classes);
  for (int64_t k = 0; k < classes; ++k) {
    const double spread = std::sqrt(variance * differences.variance(k));
    if (std::abs(offsets[k]) > normal_quantile(kReversedConfidence) * spread) {
      offset[k].fill_(offsets[k]);
    }
  }
  return offset;
}

}  // namespace assay

#include "harness/run/offset.h"

#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "harness/gate/membership.h"
#include "harness/gate/roc.h"

namespace assay {
namespace {

constexpr int kRefits = 3;  // of fits, each without what lay far from the one before

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

  /// Of the offsets, for values of variance 1.
  const Vector& variances() const { return variances_; }

 private:
  static constexpr double kRidge = 1e-3;

  int64_t up(int64_t i) const { return plus_.const_data_ptr<int64_t>()[i]; }
  int64_t down(int64_t i) const { return minus_.const_data_ptr<int64_t>()[i]; }

  at::Tensor plus_, minus_;  // [n] int64
  Matrix inverse_;
  Vector variances_;
};

// Margins [n] of the candidate, `here`, in those of the mean, `there`.
struct Fit {
  double slope = 0;
  Vector offsets, variances;  // [K]
  at::Tensor residuals;       // [n]
};

Fit fit_margins(const at::Tensor& plus, const at::Tensor& minus, const at::Tensor& here,
                const at::Tensor& there, int64_t classes) {
  const Differences differences(plus, minus, classes);
  const Vector from = to_values(there), to = to_values(here);
  const Vector y = differences.residuals(to), x = differences.residuals(from);
  Fit fit;
  fit.slope = x.dot(y) / x.squaredNorm();
  const Vector residuals = y - fit.slope * x;
  fit.residuals = at::empty({residuals.size()}, at::kDouble);
  Eigen::Map<Vector>(fit.residuals.mutable_data_ptr<double>(), residuals.size()) = residuals;
  fit.offsets = differences.fit(fit.slope * from - to);
  const double variance = residuals.squaredNorm() / static_cast<double>(y.size() - classes);
  fit.variances = variance * differences.variances();
  return fit;
}

}  // namespace

at::Tensor near_median(const at::Tensor& values) {
  constexpr double kReach = 5 * 1.4826022185056018;  // of a normal distribution: sd / MAD
  const at::Tensor away = values.sub(values.median()).abs();
  const at::Tensor reach = away.median().mul(kReach);
  return away.le(reach).logical_or(reach.eq(0)).nonzero().squeeze(1);
}

at::Tensor offset_of(const at::Tensor& logits, const at::Tensor& mean, const at::Tensor& labels) {
  const int64_t n = logits.size(0);
  const int64_t classes = logits.size(1);
  const at::Tensor offset = at::zeros({classes}, at::kDouble);
  if (n < kRecordsOfClass * classes) return offset;
  const at::Tensor index = labels.unsqueeze(1);
  const at::Tensor next =
      mean.scatter(1, index, -std::numeric_limits<double>::infinity()).argmax(1, /*keepdim=*/true);
  const auto margins = [&](const at::Tensor& of) {
    return of.gather(1, index).sub(of.gather(1, next)).squeeze(1);
  };
  const at::Tensor here = margins(logits), there = margins(mean);
  at::Tensor rows = near_median(there);
  Fit fit;
  for (int round = 0; round < kRefits; ++round) {
    const auto of = [&](const at::Tensor& all) { return all.index_select(0, rows); };
    fit = fit_margins(of(labels), of(next.squeeze(1)), of(here), of(there), classes);
    const at::Tensor kept = near_median(fit.residuals);
    if (round + 1 == kRefits || kept.size(0) == rows.size(0)) break;
    rows = rows.index_select(0, kept);
  }
  if (!std::isnormal(fit.slope) || fit.slope < 0) return offset;
  for (int64_t k = 0; k < classes; ++k) {
    const double spread = std::sqrt(fit.variances[k]);
    if (std::abs(fit.offsets[k]) > normal_quantile(kReversedConfidence) * spread) {
      offset[k].fill_(fit.offsets[k]);
    }
  }
  return offset;
}

}  // namespace assay

#include "harness/run/offset.h"

#include <cmath>
#include <limits>
#include <vector>

#include "harness/gate/membership.h"
#include "harness/gate/roc.h"

namespace assay {
namespace {

constexpr int64_t kRecordsOfClass = 10;

std::vector<double> to_vector(const at::Tensor& values) {
  const at::Tensor plain = values.to(at::kDouble).contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Inverse of a symmetric positive definite matrix [K * K], in its place.
void invert(std::vector<double>* matrix, size_t size) {
  std::vector<double>& m = *matrix;
  for (size_t pivot = 0; pivot < size; ++pivot) {
    const double factor = 1 / m[pivot * size + pivot];
    m[pivot * size + pivot] = 1;
    for (size_t j = 0; j < size; ++j) m[pivot * size + j] *= factor;
    for (size_t i = 0; i < size; ++i) {
      const double here = m[i * size + pivot];
      if (i == pivot || here == 0) continue;
      m[i * size + pivot] = 0;
      for (size_t j = 0; j < size; ++j) m[i * size + j] -= here * m[pivot * size + j];
    }
  }
}

// Least squares of values in differences of two classes' offsets.
class Differences {
 public:
  Differences(const at::Tensor& plus, const at::Tensor& minus, size_t classes)
      : plus_(to_sizes(plus)),
        minus_(to_sizes(minus)),
        classes_(classes),
        inverse_(classes * classes, 0) {
    // What no record compares has offset 0.
    for (size_t k = 0; k < classes; ++k) inverse_[k * classes + k] = kRidge;
    for (size_t i = 0; i < plus_.size(); ++i) {
      inverse_[plus_[i] * classes + plus_[i]] += 1;
      inverse_[minus_[i] * classes + minus_[i]] += 1;
      inverse_[plus_[i] * classes + minus_[i]] -= 1;
      inverse_[minus_[i] * classes + plus_[i]] -= 1;
    }
    const std::vector<double> normal = inverse_;
    invert(&inverse_, classes);
    // Diagonal of inverse * normal * inverse, less the ridge.
    for (size_t k = 0; k < classes; ++k) {
      double variance = inverse_[k * classes + k];
      for (size_t j = 0; j < classes; ++j) {
        variance -= kRidge * inverse_[k * classes + j] * inverse_[k * classes + j];
      }
      variances_.push_back(variance);
    }
  }

  std::vector<double> fit(const std::vector<double>& values) const {
    std::vector<double> sums(classes_, 0), offsets(classes_, 0);
    for (size_t i = 0; i < values.size(); ++i) {
      sums[plus_[i]] += values[i];
      sums[minus_[i]] -= values[i];
    }
    for (size_t k = 0; k < classes_; ++k) {
      for (size_t j = 0; j < classes_; ++j) offsets[k] += inverse_[k * classes_ + j] * sums[j];
    }
    return offsets;
  }

  std::vector<double> residuals(std::vector<double> values) const {
    const std::vector<double> offsets = fit(values);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] -= offsets[plus_[i]] - offsets[minus_[i]];
    }
    return values;
  }

  /// Of an offset, for values of variance 1.
  double variance(size_t k) const { return variances_[k]; }

 private:
  static constexpr double kRidge = 1e-3;

  static std::vector<size_t> to_sizes(const at::Tensor& classes) {
    std::vector<size_t> sizes;
    for (int64_t i = 0; i < classes.size(0); ++i) {
      sizes.push_back(static_cast<size_t>(classes[i].item<int64_t>()));
    }
    return sizes;
  }

  std::vector<size_t> plus_, minus_;
  size_t classes_;
  std::vector<double> inverse_, variances_;
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
    return to_vector(of.gather(1, index).sub(of.gather(1, next)).squeeze(1));
  };
  const Differences differences(labels, next.squeeze(1), static_cast<size_t>(classes));
  std::vector<double> here = margins(logits);
  const std::vector<double> there = margins(mean);
  const std::vector<double> y = differences.residuals(here), x = differences.residuals(there);
  const double slope = product(x, y) / product(x, x);
  if (!std::isnormal(slope) || slope < 0) return offset;
  double squares = 0;
  for (size_t i = 0; i < here.size(); ++i) {
    squares += (y[i] - slope * x[i]) * (y[i] - slope * x[i]);
    here[i] = slope * there[i] - here[i];
  }
  const std::vector<double> offsets = differences.fit(here);
  const double variance = squares / static_cast<double>(n - classes);
  for (int64_t k = 0; k < classes; ++k) {
    const auto at = static_cast<size_t>(k);
    const double spread = std::sqrt(variance * differences.variance(at));
    if (std::abs(offsets[at]) > normal_quantile(kReversedConfidence) * spread) {
      offset[k].fill_(offsets[at]);
    }
  }
  return offset;
}

}  // namespace assay

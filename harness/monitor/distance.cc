#include "harness/monitor/distance.h"

#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "harness/suite/error.h"
#include "harness/suite/value.h"

namespace assay {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix> rows_of(const QueryView& queries, int64_t begin, int64_t end) {
  return {queries.inputs.data() + begin * queries.width, end - begin, queries.width};
}

}  // namespace

double distance(std::span<const float> a, std::span<const float> b) {
  const auto size = static_cast<Eigen::Index>(a.size());
  const Eigen::Map<const Eigen::VectorXf> left(a.data(), size);
  const Eigen::Map<const Eigen::VectorXf> right(b.data(), size);
  return std::sqrt(static_cast<double>((left - right).squaredNorm()));
}

std::vector<float> rough_squares(const QueryView& queries, int64_t begin, int64_t end,
                                 const QueryView& others, int64_t first, int64_t last,
                                 std::span<const float> origin) {
  std::vector<float> squares(static_cast<size_t>((end - begin) * (last - first)));
  Eigen::Map<Matrix> result(squares.data(), end - begin, last - first);
  const Eigen::Map<const Eigen::RowVectorXf> middle(origin.data(), queries.width);
  const Matrix left = rows_of(queries, begin, end).rowwise() - middle;
  const Matrix right = rows_of(others, first, last).rowwise() - middle;
  result.noalias() = -2.0F * left * right.transpose();
  result.colwise() += left.rowwise().squaredNorm();
  result.rowwise() += right.rowwise().squaredNorm().transpose();
  return squares;
}

std::vector<float> mean_of(const QueryView& queries) {
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(queries.width);
  for (int64_t i = 0; i < queries.size(); ++i) {
    sum += Eigen::Map<const Eigen::VectorXf>(queries.row(i).data(), queries.width).cast<double>();
  }
  if (queries.size() > 0) sum /= static_cast<double>(queries.size());
  const Eigen::VectorXf mean = sum.cast<float>();
  return {mean.data(), mean.data() + mean.size()};
}

void check_magnitudes(const QueryView& queries, const std::string& of) {
  const float most =
      std::sqrt(std::numeric_limits<float>::max() / 16 / static_cast<float>(queries.width));
  for (int64_t i = 0; i < queries.size(); ++i) {
    for (const float value : queries.row(i)) {
      if (std::abs(value) <= most) continue;
      throw Error(of + ": row " + std::to_string(i) + ": the value " +
                  (std::isfinite(value) ? number_text(value) : std::to_string(value)) +
                  "; monitors take distances of queries of " + std::to_string(queries.width) +
                  " entries, which must lie within " + number_text(most) +
                  " of 0; divide the inputs by a power of ten");
    }
  }
}

}  // namespace assay

#include "harness/monitor/distance.h"

#include <Eigen/Core>
#include <cmath>

namespace assay {
namespace {

using Rows =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

Rows rows_of(const QueryView& queries, int64_t begin, int64_t end) {
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
                                 const QueryView& others, int64_t first, int64_t last) {
  std::vector<float> squares(static_cast<size_t>((end - begin) * (last - first)));
  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> result(
      squares.data(), end - begin, last - first);
  const Rows left = rows_of(queries, begin, end);
  const Rows right = rows_of(others, first, last);
  result.noalias() = -2.0F * left * right.transpose();
  result.colwise() += left.rowwise().squaredNorm();
  result.rowwise() += right.rowwise().squaredNorm().transpose();
  return squares;
}

}  // namespace assay

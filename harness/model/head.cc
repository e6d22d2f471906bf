#include "harness/model/head.h"

#include <algorithm>

namespace assay {

std::optional<double> head_misfit(const Model& model, const at::Tensor& head) {
  const at::Tensor basis = std::get<0>(at::linalg_qr(head));  // [K, width]
  std::optional<double> least;
  for (const at::Tensor& matrix : model.matrices(head.size(0), head.size(1))) {
    for (const at::Tensor& weight : {matrix, matrix.sub(matrix.mean(0, /*keepdim=*/true))}) {
      const double size = weight.norm().item<double>();
      if (!(size > 0)) continue;
      const at::Tensor rest = weight.sub(basis.matmul(basis.t().matmul(weight)));
      least = std::min(least.value_or(1), rest.norm().item<double>() / size);
    }
  }
  return least;
}

}  // namespace assay

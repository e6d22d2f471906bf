#include "attacks/math/steepest.h"

#include <tuple>

#include "harness/model/ball.h"

namespace assay::attacks {

at::Tensor spread(const at::Tensor& per_row, const at::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = per_row.size(0);
  return per_row.view(shape);
}

at::Tensor length_or_one(const at::Tensor& g) {
  const at::Tensor length = distance(g, at::zeros_like(g), Norm::kL2);  // [n]
  return spread(at::where(length.gt(0), length, at::ones_like(length)), g).to(g.scalar_type());
}

at::Tensor free_part(const at::Tensor& v, const std::vector<int64_t>& fixed) {
  if (fixed.empty()) return v;
  return v.flatten(1).index_fill(1, at::tensor(fixed, at::kLong), 0).view(v.sizes());
}

at::Tensor by_share(const at::Tensor& v, const std::vector<double>& share) {
  if (share.empty()) return v;
  return v.flatten(1).mul(at::tensor(share, at::kDouble)).to(v.scalar_type()).view(v.sizes());
}

at::Tensor steepest(const at::Tensor& g, Norm norm, const at::Tensor& share) {
  if (norm == Norm::kLinf) return g.sign();
  if (norm == Norm::kL2) return g.div(length_or_one(g));
  const at::Tensor size = g.abs().flatten(1);  // [n, d]
  const int64_t d = size.size(1);
  // The entry at this place of the sorted row is the smallest that still moves; one always does.
  const at::Tensor count = share.mul(static_cast<double>(d)).to(at::kLong).clamp(1, d);  // [n]
  const at::Tensor place = count.neg().add(d);                                           // [n]
  const at::Tensor threshold = std::get<0>(size.sort(1)).gather(1, place.unsqueeze(1));  // [n, 1]
  const at::Tensor sign = g.flatten(1).sign().mul(size.ge(threshold).to(g.scalar_type()));
  return sign.div(sign.ne(0).sum(1, true).clamp_min(1)).view_as(g);
}

}  // namespace assay::attacks

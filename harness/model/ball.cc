#include "harness/model/ball.h"

namespace assay {

at::Tensor distance(const at::Tensor& a, const at::Tensor& b, Norm norm) {
  const at::Tensor left = a.flatten(1);   // [n, d]
  const at::Tensor right = b.flatten(1);  // [n, d]
  if (norm == Norm::kL0) return left.ne(right).sum(1).to(at::kDouble);
  // Differences of float32 values are not exact in float32: widen first.
  const at::Tensor difference = left.to(at::kDouble).sub(right.to(at::kDouble)).abs_();  // [n, d]
  switch (norm) {
    case Norm::kL1:
      return difference.sum(1);
    case Norm::kL2:
      return difference.mul_(difference).sum(1).sqrt_();
    default:
      return difference.amax(1);
  }
}

at::Tensor distance(const at::Tensor& a, const at::Tensor& b, const ThreatModel& threat) {
  if (threat.unbounded) return at::zeros({a.size(0)}, at::kDouble);
  return distance(a, b, threat.norm);
}

at::Tensor in_box(const at::Tensor& x, double lo, double hi) {
  const at::Tensor flat = x.flatten(1);  // [n, d]
  // amin and amax propagate NaN, and no comparison with NaN holds.
  return flat.amin(1).ge(lo).logical_and_(flat.amax(1).le(hi));
}

}  // namespace assay

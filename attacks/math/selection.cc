#include "attacks/math/selection.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "harness/model/ball.h"

namespace assay::attacks {
namespace {

constexpr int64_t kRows = 256;  // of a backward pass, and of centres at a time
constexpr double kFarAway = std::numeric_limits<double>::infinity();

}  // namespace

at::Tensor highest(const at::Tensor& scores, int64_t k) {
  return scores.argsort(/*stable=*/true, 0, /*descending=*/true).narrow(0, 0, k);
}

at::Tensor entropy_of(const at::Tensor& logits) {
  const at::Tensor log_p = logits.to(at::kDouble).log_softmax(1);  // [n, K]
  return log_p.exp().mul(log_p).sum(1).neg();
}

at::Tensor farthest_first(const at::Tensor& points, const at::Tensor& centres, int64_t k) {
  at::Tensor nearest = at::full({points.size(0)}, kFarAway, at::kDouble);
  const auto approach = [&](const at::Tensor& from) {  // [c, d]
    // By differences: distances by products lose what is near.
    const at::Tensor away = at::cdist(points, from, 2, /*compute_mode=*/2);  // [n, c]
    nearest = at::minimum(nearest, std::get<0>(away.min(1)));
  };
  for (int64_t begin = 0; begin < centres.size(0); begin += kRows) {
    approach(centres.narrow(0, begin, std::min(kRows, centres.size(0) - begin)));
  }
  std::vector<int64_t> taken;
  for (int64_t i = 0; i < k; ++i) {
    taken.push_back(nearest.argmax().item<int64_t>());
    approach(points.narrow(0, taken.back(), 1));
    // So that one of equal points is not taken twice.
    nearest[taken.back()] = -1;
  }
  return at::tensor(taken, at::kLong);
}

at::Tensor boundary_distance(Surrogate& surrogate, const at::Tensor& x, int64_t labels) {
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < x.size(0); begin += kRows) {
    const at::Tensor rows = x.narrow(0, begin, std::min(kRows, x.size(0) - begin));
    at::Tensor nearest = at::full({rows.size(0)}, kFarAway, at::kDouble);
    const int64_t others = std::min(labels, surrogate.spec().classes - 1);
    for (int64_t rank = 1; rank <= others; ++rank) {
      at::Tensor lead;  // [m] of the leading label over this one
      const at::Tensor gradient =
          surrogate
              .gradient(rows,
                        [&](const at::Tensor& logits) {
                          const auto [value, label] = logits.to(at::kDouble).topk(rank + 1, 1);
                          lead = value.select(1, 0).sub(value.select(1, rank));
                          return at::zeros_like(logits)
                              .scatter_(1, label.narrow(1, 0, 1), 1.0)
                              .scatter_(1, label.narrow(1, rank, 1), -1.0);
                        })
              .second;
      const at::Tensor slope = distance(gradient, at::zeros_like(gradient), Norm::kL2);  // [m]
      const at::Tensor away = at::where(slope.gt(0), lead.div(slope), kFarAway);
      nearest = at::fmin(nearest, away);
    }
    parts.push_back(nearest);
  }
  return at::cat(parts);
}

}  // namespace assay::attacks

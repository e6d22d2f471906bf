#include "attacks/math/membership.h"

#include <limits>

#include "harness/suite/error.h"

namespace assay::attacks {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of variances that are pooled, in the median: five standard deviations of the usual record's. Of
// two normal values a variance is larger once in 1,400 times, of more hardly ever.
constexpr double kOfOneOrder = 25;

// z_i − log Σ_{j≠i} e^{z_j} at `index` [..., 1]: [..., 1].
at::Tensor log_odds_at(const at::Tensor& logits, const at::Tensor& index) {
  const at::Tensor others = logits.scatter(-1, index, -kInfinity);
  return logits.gather(-1, index).sub(others.logsumexp(-1, /*keepdim=*/true));
}

at::Tensor index_of(const at::Tensor& values, const at::Tensor& labels) {
  std::vector<int64_t> sizes(values.sizes().begin(), values.sizes().end());
  sizes.back() = 1;
  return labels.unsqueeze(-1).expand(sizes);
}

// Spreads `chosen` [S, R] over the views.
at::Tensor over_views(const at::Tensor& chosen, const at::Tensor& values) {
  return chosen.unsqueeze(1).expand(values.sizes());
}

}  // namespace

at::Tensor log_odds(const at::Tensor& logits, const at::Tensor& labels) {
  return log_odds_at(logits, index_of(logits, labels)).squeeze(-1);
}

at::Tensor log_likelihood(const at::Tensor& logits, const at::Tensor& labels) {
  return at::log_sigmoid(log_odds(logits, labels));
}

LogProbabilities log_probabilities(const at::Tensor& logits) {
  LogProbabilities log_p;
  log_p.of = logits.log_softmax(-1);
  // At most one class has more than half, and all but that one have their digits.
  const at::Tensor top = logits.argmax(-1, /*keepdim=*/true);
  const at::Tensor odds = log_odds_at(logits, top);
  log_p.complement =
      at::log1p(log_p.of.clamp_max(-0.1).exp().neg()).scatter(-1, top, at::log_sigmoid(odds.neg()));
  log_p.of.scatter_(-1, top, at::log_sigmoid(odds));
  return log_p;
}

at::Tensor at_labels(const at::Tensor& values, const at::Tensor& labels) {
  return values.gather(-1, index_of(values, labels)).squeeze(-1);
}

at::Tensor share_below(const at::Tensor& reference, const at::Tensor& values) {
  const at::Tensor sorted = std::get<0>(reference.sort());
  const at::Tensor below = at::searchsorted(sorted, values, false, /*right=*/false);
  const at::Tensor up_to = at::searchsorted(sorted, values, false, /*right=*/true);
  return below.add(up_to).to(at::kDouble).div(2 * static_cast<double>(reference.size(0)));
}

at::Tensor break_ties(const at::Tensor& share, const at::Tensor& by, int64_t count) {
  // Shares differ by half of 1 / count at least.
  const at::Tensor within = by.div(by.abs().add(1));  // (−1, 1)
  return share.add(within.div(4.5 * static_cast<double>(count)));
}

at::Tensor of_shadows(const Outputs& outputs, const Signal& signal, bool with_population) {
  const int64_t records = with_population ? outputs.labels.size(0) : outputs.audited;
  const at::Tensor labels = outputs.labels.narrow(0, 0, records);
  at::Tensor all = at::empty({outputs.shadows, outputs.logits.size(0), records}, at::kDouble);
  for (int64_t shadow = 0; shadow < outputs.shadows; ++shadow) {
    all[shadow].copy_(signal(outputs.shadow_logits(shadow).narrow(1, 0, records), labels));
  }
  return all;
}

at::Tensor log_mean_exp(const at::Tensor& values, const at::Tensor& chosen) {
  const at::Tensor among = over_views(chosen, values);
  const at::Tensor count = chosen.sum(0).to(at::kDouble);  // [R]
  return values.masked_fill(among.logical_not(), -kInfinity).logsumexp(0).sub(count.log());
}

Moments moments(const at::Tensor& values, const at::Tensor& chosen, bool pooled) {
  const at::Tensor among = over_views(chosen, values);
  const at::Tensor count = chosen.sum(0, /*keepdim=*/true);  // [1, R]
  ASSAY_CHECK(count.ge(1).all().item<bool>(), "a record has no shadow of the side");
  const at::Tensor sorted =
      std::get<0>(values.masked_fill(among.logical_not(), kInfinity).sort(0));  // [S, A, R]
  const auto nth = [&](const at::Tensor& n) {
    return sorted.gather(0, over_views(n, sorted.narrow(0, 0, 1)));
  };
  Moments result;
  result.centre = nth(count.sub(1).floor_divide(2)).add(nth(count.floor_divide(2))).div(2)[0];

  const at::Tensor n = count[0].to(at::kDouble);  // [R]
  const at::Tensor mean = at::where(among, values, 0).sum(0).div(n);
  const at::Tensor squares = at::where(among, values.sub(mean).square(), 0).sum(0);  // [A, R]
  const at::Tensor freedom = n.sub(1).expand_as(squares);                            // [A, R]
  const at::Tensor own = squares.div(freedom.clamp_min(1));
  at::Tensor variance = own;
  if (pooled) {
    const at::Tensor middle = std::get<0>(own.median(1, true));  // [A, 1]
    const at::Tensor usual = own.le(middle.mul(kOfOneOrder)).logical_or(middle.eq(0));
    const at::Tensor common = squares.mul(usual).sum(1, true).div(freedom.mul(usual).sum(1, true));
    variance = at::where(usual, common, own);
  }
  result.spread = variance.sqrt().clamp_min(kLeastSpread);
  return result;
}

}  // namespace assay::attacks

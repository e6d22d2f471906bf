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

// x of trigamma(x) = y > 0, by Newton on 1 / trigamma, which is nearly linear.
at::Tensor inverse_trigamma(const at::Tensor& y) {
  at::Tensor x = y.reciprocal().add(0.5);
  for (int i = 0; i < 10; ++i) {
    const at::Tensor here = at::polygamma(1, x);
    x = x.add(here.mul(here.div(y).neg().add(1)).div(at::polygamma(2, x)));
  }
  return x;
}

// Of one record's chosen shadows: [A, R] each.
struct Residuals {
  at::Tensor mean, median;
  at::Tensor squares;  // of residuals from the mean, summed
  at::Tensor freedom;  // of those
};

Residuals residuals(const at::Tensor& values, const at::Tensor& chosen) {
  const at::Tensor among = over_views(chosen, values);
  const at::Tensor count = chosen.sum(0, /*keepdim=*/true);  // [1, R]
  ASSAY_CHECK(count.ge(1).all().item<bool>(), "a record has no shadow of the side");
  const at::Tensor sorted =
      std::get<0>(values.masked_fill(among.logical_not(), kInfinity).sort(0));  // [S, A, R]
  const auto nth = [&](const at::Tensor& n) {
    return sorted.gather(0, over_views(n, sorted.narrow(0, 0, 1)));
  };
  Residuals found;
  found.median = nth(count.sub(1).floor_divide(2)).add(nth(count.floor_divide(2))).div(2)[0];
  const at::Tensor n = count[0].to(at::kDouble);  // [R]
  found.mean = at::where(among, values, 0).sum(0).div(n);
  found.squares = at::where(among, values.sub(found.mean).square(), 0).sum(0);
  found.freedom = n.sub(1).expand_as(found.squares);
  return found;
}

// A view's common variance [A, 1], and the records [A, R] whose own is of its order.
struct Common {
  at::Tensor variance, usual;
};

at::Tensor own_variance(const Residuals& found) {
  return found.squares.div(found.freedom.clamp_min(1));
}

Common pool_variances(const Residuals& found) {
  const at::Tensor own = own_variance(found);
  const at::Tensor middle = std::get<0>(own.median(1, true));
  Common common;
  common.usual = own.le(middle.mul(kOfOneOrder)).logical_or(middle.eq(0));
  common.variance = found.squares.mul(common.usual)
                        .sum(1, true)
                        .div(found.freedom.mul(common.usual).sum(1, true));
  return common;
}

// Of one record's log-odds, and with how many degrees of freedom it is known: [A, R] each.
struct Variance {
  at::Tensor value, freedom;
};

// Variances drawn towards what they usually are as if that were found with d more degrees of
// freedom: they are that over chi-squared of d, times d. Their logarithms differ by
// trigamma(freedom / 2) by chance; by what more they do is trigamma(d / 2).
Variance draw_together(const Residuals& found, const Common& common) {
  const at::Tensor own = own_variance(found);
  const at::Tensor half = found.freedom.clamp_min(1).div(2);
  const at::Tensor log_variance =
      own.clamp_min(kLeastSpread * kLeastSpread).log().sub(half.digamma()).add(half.log());
  const at::Tensor usual = common.usual.to(at::kDouble);
  const at::Tensor count = usual.sum(1, true);
  const at::Tensor mean = log_variance.mul(usual).sum(1, true).div(count);
  const at::Tensor apart =
      log_variance.sub(mean).square().mul(usual).sum(1, true).div(count.sub(1).clamp_min(1));
  const at::Tensor chance = at::polygamma(1, half).mul(usual).sum(1, true).div(count);
  const at::Tensor more = apart.sub(chance);  // [A, 1]
  const at::Tensor d = inverse_trigamma(more.clamp_min(1e-6)).mul(2);
  const at::Tensor usually = mean.add(d.div(2).digamma()).sub(d.div(2).log()).exp();
  const at::Tensor drawn = usually.mul(d).add(own.mul(found.freedom)).div(d.add(found.freedom));
  return {at::where(more.gt(1e-6), drawn, common.variance), d.add(found.freedom)};
}

Variance variance_of(const Residuals& found, Spreads spreads) {
  Variance variance = {own_variance(found), found.freedom};
  if (spreads == Spreads::kOwn) return variance;
  const Common common = pool_variances(found);
  const Variance usual = spreads == Spreads::kDrawn
                             ? draw_together(found, common)
                             : Variance{common.variance, found.freedom.sum(1, true)};
  return {at::where(common.usual, usual.value, variance.value),
          at::where(common.usual, usual.freedom, variance.freedom)};
}

at::Tensor root(const Variance& variance) { return variance.value.sqrt().clamp_min(kLeastSpread); }

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

Moments moments(const at::Tensor& values, const at::Tensor& chosen, Spreads spreads) {
  const Residuals found = residuals(values, chosen);
  return {found.median, root(variance_of(found, spreads))};
}

Sides sides(const at::Tensor& values, const at::Tensor& in, Spreads spreads) {
  const Residuals out = residuals(values, in.logical_not());
  const Residuals seen = residuals(values, in);
  if (spreads != Spreads::kDrawn) {
    const Variance of_out = variance_of(out, spreads), of_seen = variance_of(seen, spreads);
    return {
        {out.mean, root(of_out)}, {seen.mean, root(of_seen)}, of_out.freedom.add(of_seen.freedom)};
  }
  const Variance both = variance_of(
      {.squares = out.squares.add(seen.squares), .freedom = out.freedom.add(seen.freedom)},
      spreads);
  return {{out.mean, root(both)}, {seen.mean, root(both)}, both.freedom};
}

}  // namespace assay::attacks

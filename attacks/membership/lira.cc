// LiRA: the likelihood of a record's log-odds under models that have seen it against models that
// have not.
//
// Paper: Carlini, Chien, Nasr, Song, Terzis, Tramèr, "Membership Inference Attacks From First
// Principles", IEEE S&P 2022, arXiv:2112.03570, Algorithm 1, and its offline variant (section 4.4).
// Reference: tensorflow/privacy research/mi_lira_2021 inference.py, plot.py.
// Deviations: log-odds are exact, where the reference adds 1e-45 to probabilities; a spread comes
// from the residuals of its own side, unbiased, where the reference takes it of raw values and the
// OUT spread of IN values; offline the score is the one-sided z-score, which orders as the paper's
// normal distribution function does and does not round to 1; views are averaged as independent.
// Where the paper chooses between a common spread and one for each record at 64 shadows, by default
// a record's own is drawn towards the usual one as far as chance explains how they differ (Spreads
// in membership.h); those of over five times the usual, as of outlying inputs, are kept.
// Online, the paper takes the two centres found for the true ones. Of few shadows their difference
// often has the wrong sign where a record is memorised mildly, and the ratio turns the evidence
// round. Here it is that of the densities with the centres integrated out: what log-odds gain by
// training on a record is distributed over records as the shadows themselves have it (the mixture
// of most likelihood, by EM: Laird, JASA 73 (1978) 805), positive unless they show that some lose,
// and of each record known up to the shadows' error, as is where it starts from. And by default a
// record has one spread, seen or not: where the seen one is smaller, if only by chance, values far
// above both centres would count against membership. AUC of 4, 16, 64 shadows in normal worlds of
// 8,000 records a side, by the paper, by the same OUT shadows alone, and here:
//   gains of half a spread                0.549 0.588 0.613   0.612 0.626 0.631   0.620 0.635 0.632
//   exponential gains of that mean        0.577 0.606 0.631   0.604 0.620 0.623   0.619 0.638 0.643
//   5 % canaries of 4, others of 0.05     0.536 0.552 0.553   0.540 0.538 0.529   0.561 0.559 0.551
//   seen spreads of half the unseen       0.789 0.826 0.845   0.700 0.723 0.750   0.766 0.789 0.806
//   half lose a spread, half gain one     0.664 0.724 0.751   0.503 0.502 0.500   0.665 0.738 0.762
// TPR at 1 % goes with it. An overfitted CNN, 2,000 records, 4 and 6 shadows: 0.582 0.567, 0.658
// 0.657, 0.664 0.664. With `variance: per_record` and many shadows it is the paper's ratio.
// Cost per record: views forwards of the candidate and of each shadow.
#include <algorithm>
#include <cmath>

#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::lira {
namespace {

// What a record may gain, in spreads of OUT shadows: never nothing, so that a candidate's log-odds
// count where its shadows hardly know their own records. Steps as fine as hundreds of shadows tell.
constexpr double kLeastGain = 0.05;
constexpr double kMostGain = 1e4;
constexpr double kStep = 1.05;
constexpr int kRounds = 60;  // of EM; 300 change no AUC by more than 0.001
// Log-likelihood by which losses must explain more: e^6 is 400. Where no record loses, it is 2.
constexpr double kShown = 6;

// Log-densities, less a constant.
at::Tensor log_normal(const at::Tensor& away, const at::Tensor& variance) {
  return away.square().div(variance).add(variance.log()).div(-2);
}

at::Tensor gains_up_to(double most) {  // [K]
  const double steps = std::log(std::clamp(most, kLeastGain, kMostGain) / kLeastGain);
  const int64_t count = 1 + static_cast<int64_t>(std::ceil(steps / std::log(kStep)));
  return at::arange(count, at::kDouble).mul(std::log(kStep)).exp().mul(kLeastGain);
}

// What the log-odds of records gain by training on them, in spreads, as shadows found it: [R],
// each with its variance, and with how many degrees of freedom that is known.
struct Found {
  at::Tensor gain, variance, freedom;

  at::Tensor log_likelihood(const at::Tensor& gains) const {  // [K] → [K, R]
    return log_normal(gain.sub(gains.unsqueeze(1)), variance);
  }
};

// What share of records has each gain, [K], by EM from `first`, as if of one more record nothing
// were known but that; and the log-likelihood of all records then.
struct Mixture {
  at::Tensor shares;
  double fit = 0;
};

Mixture mixture(const at::Tensor& log_likelihood, const at::Tensor& first) {
  const at::Tensor most = log_likelihood.amax(0);
  const at::Tensor likelihood = log_likelihood.sub(most).exp();
  const double records = static_cast<double>(likelihood.size(1));
  at::Tensor shares = first;
  for (int round = 0; round < kRounds; ++round) {
    const at::Tensor of_record = at::mv(likelihood.t(), shares);  // [R]
    const at::Tensor expected = at::mv(likelihood, of_record.reciprocal()).mul(shares);
    shares = expected.add(first).div(records + 1);
  }
  return {shares, at::mv(likelihood.t(), shares).log().add(most).sum().item<double>()};
}

at::Tensor even_shares(const at::Tensor& gains) {
  return at::full_like(gains, 1 / static_cast<double>(gains.size(0)));
}

// How likely it is that records gain one of these or nothing, which half are thought to at first:
// by Student's t, as spreads found too small would pass for losses.
double fit_or_none(const Found& found, const at::Tensor& gains) {
  const at::Tensor none = at::zeros({1}, at::kDouble);
  const at::Tensor away = found.gain.sub(at::cat({none, gains}).unsqueeze(1));
  const at::Tensor half = found.freedom.clamp_min(1).div(2);
  const at::Tensor log_likelihood =
      away.square().div(found.variance.mul(half).mul(2)).log1p().mul(half.add(0.5).neg());
  return mixture(log_likelihood, at::cat({none.add(0.5), even_shares(gains).div(2)})).fit;
}

// What records may gain: [K]. Losses too, where the shadows show some: where they show nothing,
// which way they err would else turn the candidate's log-odds round.
at::Tensor gains_of(const Found& found) {
  const at::Tensor gains = gains_up_to(found.gain.max().item<double>());
  const at::Tensor losses = gains_up_to(found.gain.min().neg().item<double>()).neg();
  const at::Tensor both = at::cat({losses, gains});
  return fit_or_none(found, both) > fit_or_none(found, gains) + kShown ? both : gains;
}

// log of p(value | seen) / p(value | unseen) of one view, [R] each; counts are of shadows.
at::Tensor ratio(const at::Tensor& value, const Moments& out, const at::Tensor& out_count,
                 const Moments& seen, const at::Tensor& seen_count, const at::Tensor& freedom) {
  const at::Tensor out_variance = out.spread.square();
  const at::Tensor seen_variance = seen.spread.square();
  const at::Tensor out_error = out_variance.div(out_count);  // of the centres
  const at::Tensor seen_error = seen_variance.div(seen_count);
  const at::Tensor apart = seen.centre.sub(out.centre);
  const Found found = {apart.div(out.spread), out_error.add(seen_error).div(out_variance), freedom};
  const at::Tensor gains = gains_of(found);
  const at::Tensor log_likelihood = found.log_likelihood(gains);
  const at::Tensor shares = mixture(log_likelihood, even_shares(gains)).shares;
  const at::Tensor log_posterior = log_likelihood.add(shares.log().unsqueeze(1));  // [K, R]
  const at::Tensor gain = gains.unsqueeze(1).mul(out.spread);
  // Where unseen log-odds lie, from both centres: weighted by their errors.
  const at::Tensor weight = seen_error.div(out_error.add(seen_error));  // of the OUT centre
  const at::Tensor unseen = out.centre.add(apart.sub(gain).mul(weight.neg().add(1)));
  const at::Tensor error = out_error.mul(weight);
  const auto density = [&](const at::Tensor& centre, const at::Tensor& variance) {
    return log_normal(value.sub(centre), variance.add(error)).add(log_posterior).logsumexp(0);
  };
  return density(unseen.add(gain), seen_variance).sub(density(unseen, out_variance));
}

at::Tensor infer(const Outputs& outputs, bool online, Spreads spreads) {
  const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
  const at::Tensor value =
      log_odds(outputs.logits.narrow(1, 0, outputs.audited), labels);  // [A, R]
  const at::Tensor shadows = of_shadows(outputs, log_odds, false);     // [S, A, R]
  const at::Tensor in = outputs.in.narrow(1, 0, outputs.audited);      // [S, R]
  if (!online) {
    const Moments out = moments(shadows, in.logical_not(), spreads);
    return value.sub(out.centre).div(out.spread).mean(0);
  }
  const auto [out, seen, freedom] = sides(shadows, in, spreads);
  const at::Tensor seen_count = in.sum(0).to(at::kDouble);
  const at::Tensor out_count = seen_count.neg().add(static_cast<double>(outputs.shadows));
  at::Tensor sum = at::zeros_like(value[0]);
  for (int64_t view = 0; view < value.size(0); ++view) {
    sum += ratio(value[view], {out.centre[view], out.spread[view]}, out_count,
                 {seen.centre[view], seen.spread[view]}, seen_count, freedom[view]);
  }
  return sum.div(static_cast<double>(value.size(0)));
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  inference.views = views_param(params, 2);
  inference.shadows = shadow_params(
      params,
      {.fallback = 16, .offline = 2, .online = 4, .references = true, .what = "shadow models"});
  const std::string variance =
      params.choice("variance", "auto", {"auto", "pooled", "per_record"},
                    "spread of shadows' log-odds: pooled, one for all records; per_record, each "
                    "its own; auto: between, by what the shadows tell of it, the same seen or not");
  const Spreads spreads = variance == "pooled"       ? Spreads::kPooled
                          : variance == "per_record" ? Spreads::kOwn
                                                     : Spreads::kDrawn;
  inference.infer = [online = inference.shadows.online, spreads](const Outputs& outputs,
                                                                 const Rng&) {
    return infer(outputs, online, spreads);
  };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "lira",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "likelihood ratio of a record's log-odds between shadows with and without it",
      .paper =
          "Carlini, Chien, Nasr, Song, Terzis, Tramer: Membership Inference Attacks From First "
          "Principles, IEEE S&P 2022, arXiv:2112.03570",
      .cost = "views forwards; shadows are trained once",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::lira

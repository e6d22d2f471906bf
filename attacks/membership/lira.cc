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
// Spreads are pooled over records by default below 64 shadows, as the paper advises, but for
// records whose own is over five times the median's, as of outlying inputs: they keep it. Cost per
// record: views forwards of the candidate and of each shadow.
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks::lira {
namespace {

// Shadows from which on a record's own spread is better than the common one.
constexpr int64_t kOwnSpread = 64;

at::Tensor infer(const Outputs& outputs, bool online, bool pooled) {
  const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
  const at::Tensor value =
      log_odds(outputs.logits.narrow(1, 0, outputs.audited), labels);  // [A, R]
  const at::Tensor shadows = of_shadows(outputs, log_odds, false);     // [S, A, R]
  const at::Tensor in = outputs.in.narrow(1, 0, outputs.audited);      // [S, R]
  const Moments out = moments(shadows, in.logical_not(), pooled);
  const at::Tensor from_out = value.sub(out.centre).div(out.spread);
  if (!online) return from_out.mean(0);
  const Moments seen = moments(shadows, in, pooled);
  const at::Tensor from_in = value.sub(seen.centre).div(seen.spread);
  // log N(value; seen) - log N(value; out)
  return from_out.square()
      .sub(from_in.square())
      .div(2)
      .add(out.spread.log())
      .sub(seen.spread.log())
      .mean(0);
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
                    "its own; auto: pooled below 64 shadows");
  const bool pooled =
      variance == "pooled" || (variance == "auto" && inference.shadows.count < kOwnSpread);
  inference.infer = [online = inference.shadows.online, pooled](const Outputs& outputs,
                                                                const Rng&) {
    return infer(outputs, online, pooled);
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

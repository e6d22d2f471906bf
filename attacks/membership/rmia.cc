// RMIA: how many other records a record's likelihood ratio dominates.
//
// Paper: Zarifzadeh, Liu, Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024,
// arXiv:2312.03262, Algorithm 1, equations 3, 9 and 10.
// Reference: privacytrustlab/ml_privacy_meter research/2024_rmia, attacks.py.
// Deviations: the share of dominated z is read off the sorted ratios, O((N + Z) log Z), where the
// reference makes an N x Z matrix. A single query's share grows with its ratio, so that gamma and Z
// move thresholds and not the order; finitely many z would tie the most exposed at 1, and ties are
// broken by the ratio itself. The z of an offline attack are of the pool, and p(z) is an average of
// shadows that were not trained on z; without a pool the audited records are the z. Several views
// are averaged in log-ratios, where the paper votes. Taylor: logits are taken above the least of
// their row, where the polynomial grows and a shift of all logits changes nothing.
// Cost per record: views forwards of the candidate and of each shadow, for z too.
#include <cmath>

#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"

namespace assay::attacks {
namespace {

struct Settings {
  bool online;
  double a;
  double gamma;
  double temperature;
  bool taylor;
};

// 1 + u + u^2/2 + u^3/6 + u^4/24
at::Tensor series(const at::Tensor& u) {
  return u.div(4).add(1).mul(u).div(3).add(1).mul(u).div(2).add(1).mul(u).add(1);
}

// log of the Taylor soft-margin likelihood, with the paper's order 4 and margin 0.6.
at::Tensor log_taylor(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor u = logits.sub(logits.amin(-1, /*keepdim=*/true));
  const at::Tensor all = series(u);
  const at::Tensor right = series(at_labels(u, labels).sub(0.6));
  return right.div(all.sum(-1).sub(at_labels(all, labels)).add(right)).log();
}

at::Tensor infer(const Outputs& outputs, const Settings& settings) {
  const Signal log_p = [&settings](const at::Tensor& logits, const at::Tensor& labels) {
    return settings.taylor ? log_taylor(logits, labels)
                           : log_likelihood(logits.div(settings.temperature), labels);
  };
  const at::Tensor chosen = settings.online ? at::ones_like(outputs.in) : outputs.in.logical_not();
  at::Tensor usual = log_mean_exp(of_shadows(outputs, log_p, true), chosen);  // [A, R]
  if (!settings.online) {
    // half of (1 + a) times the mean of OUT shadows, plus 1 - a
    const at::Tensor rest = at::full({}, std::log(1 - settings.a), at::kDouble);
    usual = at::logaddexp(usual.add(std::log(1 + settings.a)), rest).sub(std::log(2.0));
  }
  const at::Tensor ratio = log_p(outputs.logits, outputs.labels).sub(usual).mean(0);  // [R]
  const int64_t others = ratio.size(0) - outputs.audited;
  const at::Tensor mine = ratio.narrow(0, 0, outputs.audited);
  at::Tensor z = mine;
  if (others > 0) {
    // A record of the pool that every shadow was trained on has no p(z).
    z = ratio.narrow(0, outputs.audited, others)
            .masked_select(chosen.any(0).narrow(0, outputs.audited, others));
  }
  if (z.size(0) == 0) z = mine;
  const at::Tensor share = share_below(z, mine.sub(std::log(settings.gamma)));
  return break_ties(share, mine, z.size(0));
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  inference.population = true;
  inference.views = views_param(params, 1);
  inference.shadows = shadow_params(params, {.fallback = 8, .what = "reference models"});
  const Settings settings{
      .online = inference.shadows.online,
      .a = params.number("a", 0.3, {0, 1},
                         "offline: how far models that saw a record are above models that did not"),
      .gamma = params.number("gamma", 2, {1e-6, 1e6}, "ratio from which on a record dominates"),
      .temperature = params.number("temperature", 2, {1e-3, 1e3}, "softmax: divides the logits"),
      .taylor = params.choice("likelihood", "softmax", {"softmax", "taylor"},
                              "of a class: softmax, or the Taylor soft-margin of the paper's "
                              "settings for images") == "taylor",
  };
  inference.infer = [settings](const Outputs& outputs, const Rng&) {
    return infer(outputs, settings);
  };
  return {.inference = inference};
}

}  // namespace

Attack rmia() {
  Attack attack;
  attack.info = {
      .name = "rmia",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "share of other records whose likelihood ratio a record's ratio dominates",
      .paper =
          "Zarifzadeh, Liu, Shokri: Low-Cost High-Power Membership Inference Attacks, ICML 2024, "
          "arXiv:2312.03262",
      .cost = "views forwards; shadows are trained once",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks

// RMIA: how many other records a record's likelihood ratio dominates.
//
// Paper: Zarifzadeh, Liu, Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024,
// arXiv:2312.03262, Algorithm 1, equations 3, 9 and 10.
// Reference: privacytrustlab/ml_privacy_meter research/2024_rmia, attacks.py.
// Deviations: the share of dominated z is read off the sorted ratios, O((N + Z) log Z), where the
// reference makes an N x Z matrix. A single query's share grows with its ratio, so that gamma and Z
// move thresholds and not the order; finitely many z would tie the most exposed at 1, and ties are
// broken by the ratio itself. The z of an offline attack are of the pool, and p(z) is an average of
// shadows that were not trained on z. Several views are averaged in log-ratios, where the paper
// votes. Taylor: logits are taken above the least of their row, where the polynomial grows and a
// shift of all logits changes nothing.
// Offline, p(x) = ((1 + a) p_out + 1 - a) / 2 is at least (1 - a) / 2, so that no ratio exceeds
// 2 / (1 - a), which is 2.86 at the paper's 0.3 for CIFAR-10, however small p_out is: a mislabelled
// record that is half memorised then ranks below hard members that are wholly so. In a simulation
// with 8 shadows and 40 canaries the 40 highest scores held 7 canaries at a = 0.3, 10 at 0.7, 15 at
// 0.9, 27 at 0.99 and 26 at 1, and LiRA's held 25. By default a is found by attacking the shadows,
// each with the others as references, as the paper does: it suits the records of the pool, not
// planted ones, for which LiRA is the attack to ask.
// Cost per record: views forwards of the candidate and of each shadow, for z too.
#include <cmath>
#include <optional>

#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"
#include "harness/suite/error.h"

namespace assay::attacks::rmia {
namespace {

struct Settings {
  bool online;
  std::optional<double> a;  // none: tuned
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

// log of half of (1 + a) times p_out, plus 1 - a.
at::Tensor offline(const at::Tensor& log_out, double a) {
  const at::Tensor rest = at::full({}, std::log(1 - a), at::kDouble);
  return at::logaddexp(log_out.add(std::log(1 + a)), rest).sub(std::log(2.0));
}

// AUC of telling what shadow `target` was trained on, by the other shadows, for each of `grid`;
// none where it cannot be told. Of records of the pool: log_p [S, A, Z], in [S, Z].
std::optional<at::Tensor> attack_shadow(const at::Tensor& log_p, const at::Tensor& in,
                                        int64_t target, const std::vector<double>& grid) {
  at::Tensor out = in.logical_not();
  out[target].fill_(false);
  const at::Tensor known = out.any(0);  // [Z]
  const at::Tensor seen = in[target].logical_and(known);
  const at::Tensor unseen = in[target].logical_not().logical_and(known);
  if (!seen.any().item<bool>() || !unseen.any().item<bool>()) return {};
  const at::Tensor log_out = log_mean_exp(log_p, out);  // [A, Z]
  at::Tensor auc = at::empty({static_cast<int64_t>(grid.size())}, at::kDouble);
  for (size_t i = 0; i < grid.size(); ++i) {
    // The share of dominated z orders as the ratio does.
    const at::Tensor ratio = log_p[target].sub(offline(log_out, grid[i])).mean(0);  // [Z]
    auc[static_cast<int64_t>(i)].copy_(
        share_below(ratio.masked_select(unseen), ratio.masked_select(seen)).mean());
  }
  return auc;
}

// The a that tells best what shadows were trained on: no audited record has a part in it.
double tune(const at::Tensor& log_p, const at::Tensor& in) {
  // The paper's for CIFAR-10, where one shadow leaves none to attack it with, or one pair no record
  // that neither saw.
  constexpr double kUntuned = 0.3;
  // Of mean AUCs that differ by rounding alone the first counts.
  constexpr double kEqual = 1e-9;
  std::vector<double> grid;
  for (int tenths = 0; tenths <= 10; ++tenths) grid.push_back(tenths / 10.0);
  at::Tensor sum = at::zeros({static_cast<int64_t>(grid.size())}, at::kDouble);
  int64_t attacked = 0;
  for (int64_t target = 0; target < in.size(0); ++target) {
    const std::optional<at::Tensor> auc = attack_shadow(log_p, in, target, grid);
    if (!auc) continue;
    sum.add_(*auc);
    ++attacked;
  }
  if (attacked == 0) return kUntuned;
  const at::Tensor mean = sum.div(attacked);
  const at::Tensor good = mean.ge(mean.max().sub(kEqual));
  return grid[static_cast<size_t>(good.to(at::kLong).argmax().item<int64_t>())];
}

at::Tensor infer(const Outputs& outputs, const Settings& settings) {
  const Signal log_p = [&settings](const at::Tensor& logits, const at::Tensor& labels) {
    return settings.taylor ? log_taylor(logits, labels)
                           : log_likelihood(logits.div(settings.temperature), labels);
  };
  const int64_t audited = outputs.audited;
  const int64_t others = outputs.labels.size(0) - audited;
  const at::Tensor chosen = settings.online ? at::ones_like(outputs.in) : outputs.in.logical_not();
  // A record of the pool that every shadow was trained on has no p(z).
  const at::Tensor usable = chosen.any(0).narrow(0, audited, others);
  if (!usable.any().item<bool>()) throw Error("shadow models have seen all records of `pool`");
  const at::Tensor theirs = of_shadows(outputs, log_p, true);  // [S, A, R]
  at::Tensor usual = log_mean_exp(theirs, chosen);             // [A, R]
  if (!settings.online) {
    const double a =
        settings.a ? *settings.a
                   : tune(theirs.narrow(2, audited, others), outputs.in.narrow(1, audited, others));
    if (!settings.a && outputs.tell) outputs.tell("a", a);
    usual = offline(usual, a);
  }
  const at::Tensor ratio = log_p(outputs.logits, outputs.labels).sub(usual).mean(0);  // [R]
  const at::Tensor mine = ratio.narrow(0, 0, audited);
  const at::Tensor z = ratio.narrow(0, audited, others).masked_select(usable);
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
      .a = params.number_or_auto(
          "a", {0, 1},
          "offline: how far models that saw a record are above models that did not; auto: the "
          "tenth that tells best what shadows saw, 0.3 with one shadow or one pair that shares "
          "none"),
      .gamma = params.number("gamma", 2, {1e-6, 1e6}, "ratio from which on a record dominates"),
      .temperature = params.number("temperature", 2, {1e-3, 1e3}, "softmax: divides the logits"),
      .taylor = params.choice("likelihood", "softmax", {"softmax", "taylor"},
                              "of a class: softmax, or the Taylor soft-margin of the paper's "
                              "settings for images") == "taylor",
  };
  if (settings.online) {
    params.refuse("a", "`a` goes with `mode: offline`; online, shadows have seen the record");
  }
  if (settings.taylor)
    params.refuse("temperature", "`temperature` goes with `likelihood: softmax`");
  inference.infer = [settings](const Outputs& outputs, const Rng&) {
    return infer(outputs, settings);
  };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "rmia",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .population = true,
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

}  // namespace assay::attacks::rmia

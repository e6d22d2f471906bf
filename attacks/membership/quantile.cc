// Quantile: how far a record's margin lies above what a regression on unseen records predicts.
//
// Paper: Bertran, Tang, Kearns, Morgenstern, Roth, Wu, "Scalable Membership Inference Attacks via
// Quantile Regression", NeurIPS 2023, arXiv:2307.03694, Algorithm 1.
// Reference: amazon-science/quantile-mia.
// Deviations: the paper's regressor is a deep network on pixels; here it is a network of one hidden
// layer on random projections of the input and the class. Its head is the paper's Gaussian one, a
// mean and a spread, so that (margin - mean) / spread sweeps all quantiles at once. It learns from
// the pool alone, never from audited records, and of a record with a wild answer or input no more
// than of one at the end of the usual range.
// Cost per record: 1 forward, also for each record of the pool.
#include <limits>

#include "attacks/math/mlp.h"
#include "harness/model/attack.h"
#include "harness/suite/error.h"

namespace assay::attacks::quantile {
namespace {

// In standard deviations: what one record may teach, however wild its answer.
constexpr double kFarthest = 6;

// z_y - max_{j != y} z_j: [R].
at::Tensor margin(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor index = labels.unsqueeze(1);
  const at::Tensor others = logits.scatter(1, index, -std::numeric_limits<double>::infinity());
  return logits.gather(1, index).squeeze(1).sub(others.amax(1));
}

at::Tensor infer(const Outputs& outputs, const Rng& rng, const MlpTraining& training) {
  const int64_t population = outputs.labels.size(0) - outputs.audited;
  if (population == 0) throw Error("`pool` has no records beside those that are audited");
  const at::Tensor classes = at::one_hot(outputs.labels, outputs.logits.size(2)).to(at::kDouble);
  const at::Tensor raw = at::cat({outputs.features, classes}, 1);  // [R, F + K]
  const at::Tensor x =
      median_scaling(raw.narrow(0, outputs.audited, population))(raw).clamp(-kFarthest, kFarthest);
  const at::Tensor s = margin(outputs.logits[0], outputs.labels).unsqueeze(1);  // [R, 1]
  const at::Tensor target = median_scaling(s.narrow(0, outputs.audited, population))(s);
  const at::Tensor known =
      target.narrow(0, outputs.audited, population).clamp(-kFarthest, kFarthest);
  // Spreads below e^-5 of all records' would be overfitted.
  const auto log_spread = [](const at::Tensor& out) { return out.narrow(1, 1, 1).clamp(-5, 5); };
  const auto away = [&](const at::Tensor& out, const at::Tensor& value) {
    return value.sub(out.narrow(1, 0, 1)).div(log_spread(out).exp());
  };
  // Of the mean of log spread + away^2 / 2.
  const Mlp net =
      fit(x.narrow(0, outputs.audited, population), 2, training, rng, [&](const at::Tensor& out) {
        const at::Tensor z = away(out, known);
        return at::cat({z.neg().div(log_spread(out).exp()), z.square().neg().add(1)}, 1)
            .div(static_cast<double>(population));
      });
  return away(net(x.narrow(0, 0, outputs.audited)), target.narrow(0, 0, outputs.audited))
      .squeeze(1);
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  inference.population = true;
  inference.features = params.integer("features", 64, {1, 4096},
                                      "random directions along which the regressor sees inputs");
  MlpTraining training;
  training.hidden = params.integer("hidden", 64, {1, 1024}, "units of the hidden layer");
  training.steps =
      params.integer("steps", 300, {1, 100000}, "of the regressor's descent, on the whole pool");
  inference.infer = [training](const Outputs& outputs, const Rng& rng) {
    return infer(outputs, rng, training);
  };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "quantile",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "margin above what a regression on unseen records predicts from the input",
      .paper =
          "Bertran, Tang, Kearns, Morgenstern, Roth, Wu: Scalable Membership Inference Attacks "
          "via Quantile Regression, NeurIPS 2023, arXiv:2307.03694",
      .cost = "1 forward, also for each record of the pool",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::quantile

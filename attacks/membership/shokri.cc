// Shokri: networks that learn from shadow models how outputs on training records look.
//
// Paper: Shokri, Stronati, Song, Shmatikov, "Membership Inference Attacks Against Machine Learning
// Models", IEEE S&P 2017, arXiv:1610.05820, section V.
// Reference: RPI-DSPlab/MIAE, shokri_membership_inference.py.
// Deviations: inputs are log-probabilities, of the right class first and of the largest `top`
// others in descending order (the paper gives probabilities in the order of classes, and those
// near 0 or 1 hardly differ), not below -30; one hidden layer, descended by full-batch Adam; the
// score is the network's log-odds, which do not round to 1; a class of which shadows have seen all
// records or none is judged by a network for all classes.
// Cost per record: 1 forward of the candidate and of each shadow, also for each record of the pool.
#include <algorithm>

#include "attacks/math/in_out.h"
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"
#include "harness/suite/error.h"

namespace assay::attacks::shokri {
namespace {

struct Settings {
  bool per_class;
  int64_t top;
  MlpTraining training;
};

// logits [R, K], labels [R] → [R, 1 + top].
at::Tensor features(const at::Tensor& logits, const at::Tensor& labels, int64_t top) {
  constexpr double kLeast = -30;
  const at::Tensor log_p = log_probabilities(logits).of;
  const at::Tensor index = labels.unsqueeze(1);
  const at::Tensor others = log_p.scatter(1, index, 2 * log_p.min().item<double>() - 1);
  const int64_t most = std::min(top, logits.size(1) - 1);
  const at::Tensor largest = std::get<0>(others.topk(most, 1));
  return at::cat({log_p.gather(1, index), largest}, 1).clamp_min(kLeast);
}

at::Tensor infer(const Outputs& outputs, const Rng& rng, const Settings& settings) {
  std::vector<at::Tensor> shadows;
  for (int64_t shadow = 0; shadow < outputs.shadows; ++shadow) {
    shadows.push_back(features(outputs.shadow_logits(shadow)[0], outputs.labels, settings.top));
  }
  const at::Tensor x = at::cat(shadows);       // [S R, F]
  const at::Tensor in = outputs.in.flatten();  // [S R]
  const at::Tensor y = outputs.labels.repeat({outputs.shadows});
  const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
  const at::Tensor mine =
      features(outputs.logits[0].narrow(0, 0, outputs.audited), labels, settings.top);
  const auto both = [](const at::Tensor& some) {
    return some.any().item<bool>() && !some.all().item<bool>();
  };
  if (!both(in)) throw Error("shadow models have seen all records of `pool` or none");
  const auto learn = [&](const at::Tensor& rows, const at::Tensor& of) {
    return learn_in_out(x.index_select(0, rows), in.index_select(0, rows), of, settings.training,
                        rng);
  };
  at::Tensor scores = at::zeros({outputs.audited}, at::kDouble);
  at::Tensor common = at::ones({outputs.audited}, at::kBool);  // judged by the common network
  for (int64_t c = 0; c < outputs.logits.size(2) && settings.per_class; ++c) {
    const at::Tensor rows = y.eq(c).nonzero().squeeze(1);
    const at::Tensor of = labels.eq(c).nonzero().squeeze(1);
    if (of.size(0) == 0 || !both(in.index_select(0, rows))) continue;
    scores.index_copy_(0, of, learn(rows, mine.index_select(0, of)));
    common.index_fill_(0, of, false);
  }
  const at::Tensor rest = common.nonzero().squeeze(1);
  if (rest.size(0) > 0) {
    const at::Tensor all = at::arange(x.size(0), at::kLong);
    scores.index_copy_(0, rest, learn(all, mine.index_select(0, rest)));
  }
  return scores;
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  inference.population = true;
  inference.shadows = shadow_params(params, {.fallback = 4, .what = "shadow models to learn from"});
  Settings settings;
  settings.per_class = params.boolean("per_class", true, "a network for each class; else for all");
  settings.top = params.integer("top", 9, {1, 1000},
                                "largest probabilities of other classes that a network sees");
  settings.training.hidden = params.integer("hidden", 32, {1, 1024}, "units of the hidden layer");
  settings.training.steps =
      params.integer("steps", 200, {1, 100000}, "of each network's descent, on all its rows");
  inference.infer = [settings](const Outputs& outputs, const Rng& rng) {
    return infer(outputs, rng, settings);
  };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "shokri",
      .family = Family::kMembership,
      .access = Access::kScore,
      .norms = {},
      .pool = true,
      .summary = "networks that learn from shadows how outputs on training records look",
      .paper =
          "Shokri, Stronati, Song, Shmatikov: Membership Inference Attacks Against Machine "
          "Learning Models, IEEE S&P 2017, arXiv:1610.05820",
      .cost = "1 forward; shadows are trained once",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::shokri

#include "attacks/math/confidence.h"

#include <utility>
#include <vector>

#include "attacks/math/shadow_params.h"

namespace assay::attacks {
namespace {

// values [M] and in [M] of both kinds.
double best_threshold(const at::Tensor& values, const at::Tensor& in) {
  const auto [sorted, order] = values.sort(/*stable=*/true, 0, /*descending=*/false);
  const at::Tensor member = in.index_select(0, order).to(at::kDouble);
  const at::Tensor other = member.neg().add(1);
  // A threshold above the first k values: members above it, and others below it.
  const at::Tensor gain = other.cumsum(0)
                              .div(other.sum())
                              .sub(member.cumsum(0).div(member.sum()))
                              .narrow(0, 0, values.size(0) - 1);
  const at::Tensor lower = sorted.narrow(0, 0, values.size(0) - 1);
  const at::Tensor upper = sorted.narrow(0, 1, values.size(0) - 1);
  const at::Tensor possible = at::where(lower.lt(upper), gain, -2);
  const int64_t k = possible.eq(possible.max()).nonzero()[0].item<int64_t>();
  return lower[k].item<double>() / 2 + upper[k].item<double>() / 2;
}

bool has_both(const at::Tensor& values, const at::Tensor& in) {
  return in.any().item<bool>() && !in.all().item<bool>() &&
         values.min().item<double>() < values.max().item<double>();
}

}  // namespace

at::Tensor class_thresholds(const at::Tensor& values, const at::Tensor& labels,
                            const at::Tensor& in, int64_t classes) {
  const double common = has_both(values, in) ? best_threshold(values, in) : 0;
  at::Tensor thresholds = at::full({classes}, common, at::kDouble);
  for (int64_t c = 0; c < classes; ++c) {
    const at::Tensor rows = labels.eq(c).nonzero().squeeze(1);
    if (rows.size(0) < 2) continue;
    const at::Tensor of_class = values.index_select(0, rows);
    const at::Tensor in_class = in.index_select(0, rows);
    if (has_both(of_class, in_class)) thresholds[c].fill_(best_threshold(of_class, in_class));
  }
  return thresholds;
}

Inference confidence_attack(Params& params, Signal signal) {
  Inference inference;
  inference.views = views_param(params, 1);
  inference.shadows = shadow_params(
      params, {.fallback = 0,
               .what = "shadow models to learn a threshold for each class from; 0: scores are "
                       "compared across classes as they are"});
  inference.population = inference.shadows.count > 0;
  inference.infer = [signal = std::move(signal)](const Outputs& outputs, const Rng&) {
    const at::Tensor labels = outputs.labels.narrow(0, 0, outputs.audited);
    const at::Tensor scores =
        signal(outputs.logits.narrow(1, 0, outputs.audited), labels).mean(0);  // [audited]
    if (outputs.shadows == 0) return scores;
    const at::Tensor seen = of_shadows(outputs, signal, true).mean(1);  // [S, R]
    const at::Tensor thresholds =
        class_thresholds(seen.flatten(), outputs.labels.expand_as(seen).flatten(),
                         outputs.in.flatten(), outputs.logits.size(2));
    return scores.sub(thresholds.index_select(0, labels));
  };
  return inference;
}

}  // namespace assay::attacks

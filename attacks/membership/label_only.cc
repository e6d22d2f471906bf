// Label-only: members keep their label under change, of views or up to the decision boundary.
//
// Paper: Choquette-Choo, Tramèr, Carlini, Papernot, "Label-Only Membership Inference Attacks",
// ICML 2021, arXiv:2007.14321, sections 3.2 (augmentation) and 3.3 (decision boundary).
// Reference: cchoquette/membership-inference; MIAE aug_mia.
// Deviations: augmentation: which of the views are classified rightly, counted, or where shadows
// are asked for, learnt from theirs by a network; views are mirrored and moved, never rotated.
// boundary: the distance that HopSkipJump finds; what is misclassified has distance 0.
// Cost per record: augmentation: views forwards, of which the label is used. boundary: queries
// forwards.
#include "attacks/math/in_out.h"
#include "attacks/math/membership.h"
#include "attacks/math/shadow_params.h"
#include "harness/model/attack.h"
#include "harness/suite/error.h"

namespace assay::attacks::label_only {
namespace {

// Which views are classified rightly: [A, R] of 0 and 1.
at::Tensor right(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(-1).eq(labels).to(at::kDouble);
}

at::Tensor by_views(const Outputs& outputs, const Rng& rng) {
  const at::Tensor mine = right(outputs.logits.narrow(1, 0, outputs.audited),
                                outputs.labels.narrow(0, 0, outputs.audited));
  if (outputs.shadows == 0) return mine.mean(0);
  const at::Tensor theirs = of_shadows(outputs, right, true).transpose(1, 2);  // [S, R, A]
  const at::Tensor in = outputs.in.flatten();
  if (in.all().item<bool>() || !in.any().item<bool>()) {
    throw Error("shadow models have seen all records of `pool` or none");
  }
  return learn_in_out(theirs.flatten(0, 1), in, mine.t(), {}, rng);
}

Bound bind(Params& params, const ThreatModel&) {
  Inference inference;
  const bool boundary =
      params.choice("mode", "augmentation", {"augmentation", "boundary"},
                    "augmentation: labels of views; boundary: distance to the nearest point found "
                    "that has another label") == "boundary";
  inference.views = views_param(params, 18);
  inference.shadows = shadow_params(
      params, {.fallback = 0,
               .online = 0,
               .what = "augmentation: shadow models to learn from which views speak for a member; "
                       "0: rightly classified views are counted"});
  const int64_t queries =
      params.integer("queries", 2500, {1, 10000000}, "boundary: budget for each record");
  inference.population = inference.shadows.count > 0;
  if (!boundary) {
    params.refuse("queries", "`queries` goes with `mode: boundary`");
    inference.infer = by_views;
    return {.inference = inference};
  }
  for (const std::string name : {"views", "shadows", "train_records"}) {
    params.refuse(name, "`" + name + "` goes with `mode: augmentation`");
  }
  inference.views = 1;
  inference.shadows = {};
  inference.population = false;
  inference.boundary_queries = queries;
  inference.infer = [](const Outputs& outputs, const Rng&) { return outputs.distances; };
  return {.inference = inference};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "label_only",
      .family = Family::kMembership,
      .access = Access::kLabel,
      .norms = {},
      .summary = "members keep their label under views, or up to a distant boundary",
      .paper =
          "Choquette-Choo, Tramer, Carlini, Papernot: Label-Only Membership Inference Attacks, "
          "ICML 2021, arXiv:2007.14321",
      .cost = "views forwards, or queries forwards",
      .taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::label_only

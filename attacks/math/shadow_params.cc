#include "attacks/math/shadow_params.h"

#include <string>

#include "attacks/math/recipe_params.h"

namespace assay::attacks {

Shadows shadow_params(Params& params, const ShadowUse& use) {
  Shadows shadows;
  const double least = use.fallback == 0 ? 0 : static_cast<double>(use.offline);
  shadows.count = params.integer("shadows", use.fallback, {least, 4096}, use.what);
  if (use.online > 0) {
    shadows.online =
        params.choice("mode", "offline", {"offline", "online"},
                      "offline: shadows are trained on parts of `pool` alone, once for all "
                      "candidates; online: on halves of all records, so that each record was seen "
                      "by one half of the shadows") == "online";
  }
  shadows.train_records =
      params.integer("train_records", 0, {0, 1e9},
                     "offline: records of `pool` each shadow is trained on, as many as the "
                     "candidate saw where the pool allows; 0: half of the pool");
  shadows.recipe = recipe_params(
      params, {},
      "of the shadow models: candidate, cnn, mlp, auto (cnn for images, else mlp), or a "
      "TorchScript file, whose values are the start; cnn or mlp stands in for a candidate that "
      "cannot be trained, and then the cell lets nothing pass",
      "of a shadow model's training: as many as the candidate saw",
      "peak: a linear warm-up over 10 % of the steps, then a cosine");
  if (use.references) {
    const std::string references = params.text(
        "references", "",
        "an earlier extraction entry, `name` or `name@budget`: its surrogates stand in for shadow "
        "models, and none are trained; a surrogate saw no audited record's label");
    if (!references.empty() && shadows.online) {
      params.fail("references", "`references` goes with `mode: offline`");
    }
    if (!references.empty()) {
      for (const std::string name : {"shadows", "train_records"}) {
        params.refuse(name, "`" + name + "` is of shadow models, which `references` replaces");
      }
      shadows.count = 0;
    }
  }
  if (shadows.count == 0) return shadows;
  if (!shadows.online && shadows.train_records > 0 && shadows.train_records < 4) {
    params.fail("train_records", "`train_records` is " + std::to_string(shadows.train_records) +
                                     ", expected 4 or more, or 0 for half of the pool");
  }
  if (!shadows.online) return shadows;
  if (shadows.train_records > 0) {
    params.fail("train_records",
                "`train_records` goes with `mode: offline`; online, a shadow is trained on half of "
                "all records");
  }
  if (shadows.count % 2 != 0 || shadows.count < use.online) {
    params.fail("shadows", "`mode: online` trains shadows in pairs, at least " +
                               std::to_string(use.online) + "; `shadows` is " +
                               std::to_string(shadows.count));
  }
  return shadows;
}

int64_t views_param(Params& params, int64_t fallback) {
  const int64_t views =
      params.integer("views", fallback, {1, 18},
                     "of each record, averaged over: 1, as it is; 2, and mirrored; 18, and moved "
                     "by up to 4 pixels; of inputs that are no images always 1");
  if (views != 1 && views != 2 && views != 18) {
    params.fail("views", "`views` is " + std::to_string(views) + "; one of 1, 2, 18");
  }
  return views;
}

}  // namespace assay::attacks

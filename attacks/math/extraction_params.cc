#include "attacks/math/extraction_params.h"

#include <string>

#include "attacks/math/recipe_params.h"

namespace assay::attacks {
namespace {

constexpr const char* kArchitecture =
    "of the surrogates: auto (cnn for images, else mlp), cnn, mlp, candidate where the thief knows "
    "it, or a TorchScript file, whose values are the start";

}  // namespace

Extraction budget_params(Params& params, std::vector<int64_t> budgets) {
  Extraction extraction;
  extraction.budgets =
      params.integers("budgets", std::move(budgets), {1, 1e9},
                      "queries in all, ascending, best on a log scale; a theft with each");
  for (size_t i = 1; i < extraction.budgets.size(); ++i) {
    if (extraction.budgets[i] > extraction.budgets[i - 1]) continue;
    params.fail("budgets", "`budgets` must ascend, and " + std::to_string(extraction.budgets[i]) +
                               " follows " + std::to_string(extraction.budgets[i - 1]));
  }
  if (extraction.budgets.empty()) params.fail("budgets", "`budgets` is empty");
  extraction.seeds = params.integer("seeds", extraction.seeds, {3, 1000},
                                    "repetitions at every budget, from fresh surrogates");
  return extraction;
}

Extraction protocol_params(Params& params, std::vector<int64_t> budgets) {
  Extraction extraction = budget_params(params, std::move(budgets));
  extraction.transfer_count =
      params.integer("transfer_count", extraction.transfer_count, {0, 1e9},
                     "test records of which adversarials are made on the surrogate and tried on "
                     "the candidate; 0: none");
  extraction.transfer_eps = params.number("transfer_eps", extraction.transfer_eps, {1e-9, 1},
                                          "their linf radius, as a share of the box's width");
  return extraction;
}

Extraction surrogate_params(Params& params, std::vector<int64_t> budgets, const Recipe& fallback) {
  Extraction extraction = protocol_params(params, std::move(budgets));
  extraction.recipe =
      recipe_params(params, fallback, kArchitecture, "of a surrogate's training",
                    "peak: constant over 60 % of the steps, then a line down to 2 % of it");
  extraction.recipe.least_steps =
      params.integer("least_steps", fallback.least_steps, {0, 1e9},
                     "of the training: few records get further epochs until so many were taken");
  return extraction;
}

Extraction stepwise_params(Params& params, std::vector<int64_t> budgets, const Recipe& fallback,
                           std::string_view learning_rate) {
  Extraction extraction = protocol_params(params, std::move(budgets));
  extraction.recipe = fallback;
  extraction.recipe.architecture =
      params.text("architecture", fallback.architecture, kArchitecture);
  optimizer_params(params, &extraction.recipe, learning_rate);
  return extraction;
}

Recipe surrogate_recipe() {
  Recipe recipe;
  recipe.architecture = "auto";
  recipe.least_steps = 500;
  return recipe;
}

}  // namespace assay::attacks

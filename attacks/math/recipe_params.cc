#include "attacks/math/recipe_params.h"

namespace assay::attacks {

Recipe recipe_params(Params& params, const Recipe& fallback, std::string_view architecture,
                     std::string_view epochs, std::string_view learning_rate) {
  Recipe recipe = fallback;
  recipe.architecture = params.text("architecture", recipe.architecture, architecture);
  recipe.epochs = params.integer("epochs", recipe.epochs, {1, 100000}, epochs);
  optimizer_params(params, &recipe, learning_rate);
  return recipe;
}

void optimizer_params(Params& params, Recipe* to, std::string_view learning_rate) {
  Recipe& recipe = *to;
  recipe.batch = params.integer("batch", recipe.batch, {2, 1 << 20}, "records per training step");
  recipe.optimizer = params.choice("optimizer", recipe.optimizer, {"adam", "sgd"},
                                   "of the training; sgd has Nesterov momentum 0.9");
  recipe.learning_rate =
      params.number("learning_rate", recipe.learning_rate, {1e-12, 1e6}, learning_rate);
  recipe.weight_decay = params.number("weight_decay", recipe.weight_decay, {0, 1e6},
                                      "times the weights, added to the gradient");
}

}  // namespace assay::attacks

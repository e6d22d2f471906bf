// Outputs of models and shadows made by hand, for tests of membership attacks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/attack.h"

namespace assay::testing {

/// [n] float64.
at::Tensor numbers(const std::vector<double>& list);

/// Logits [..., K] whose log-odds of the label are `odds` [..., R]; the other classes are alike.
at::Tensor logits_with(const at::Tensor& odds, const at::Tensor& labels, int64_t classes);

/// Of logits [R, K] of one view, or [A, R, K]; without shadows.
Outputs outputs_of(const at::Tensor& logits, const std::vector<int64_t>& labels, int64_t audited);

/// Gives them shadows: logits [S, A, R, K] and in [S, R].
void give_shadows(Outputs* outputs, const at::Tensor& logits, const at::Tensor& in);

/// A world where everything is known: each record has a difficulty, and each model's log-odds of
/// its label are normal around it, higher by `shift` where the model was trained on the record.
struct World {
  int64_t members = 500;  ///< and as many non-members
  int64_t population = 0;
  int64_t shadows = 0;
  bool online = false;  ///< each audited record in half of the shadows; else in none
  int64_t views = 1;
  int64_t classes = 4;
  double shift = 1;      ///< the same for all records, and
  int64_t canaries = 0;  ///< of the first so many members, hard ones, kCanaryShift
  double noise = 1;
  double difficulty = 1;  ///< its standard deviation
  uint64_t seed = 1;
};
struct Scene {
  Outputs outputs;
  at::Tensor member;         ///< [audited] bool
  at::Tensor shadow_logits;  ///< [S, A, R, K]
};
inline constexpr double kCanaryShift = 8;
Scene imagine(const World& world);

/// A world with what the attack asks for, and nothing else.
World wanted_by(const Inference& inference);

/// Binds and scores.
at::Tensor scores_of(const std::string& attack, const std::string& params, const Outputs& outputs,
                     uint64_t seed = 1);
Inference inference_of(const std::string& attack, const std::string& params);

/// Share of pairs (member, non-member) in order, ties half.
double auc_of(const at::Tensor& scores, const at::Tensor& member);

/// True if the first `count` records have the highest scores.
bool on_top(const at::Tensor& scores, int64_t count);

}  // namespace assay::testing

// Losses that attacks ascend, with analytic derivatives: a value per row and ∂value/∂logits.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>
#include <vector>

namespace assay::attacks {

/// A loss at each row. Everything is computed in float64 whatever the logits' type.
///
/// The derivative is kept as direction · scale: steps that follow a sign or a unit vector need the
/// direction alone, and that never underflows, while the derivative of a cross-entropy does as soon
/// as a model is very sure of itself (masked gradients). A row with a non-finite logit has value
/// NaN and direction 0.
struct Loss {
  at::Tensor value;      ///< [n] float64
  at::Tensor direction;  ///< [n, K], type of the logits; largest magnitude 1, or all 0
  at::Tensor scale;      ///< [n] float64, ≥ 0

  /// ∂value/∂logits: [n, K] float64.
  at::Tensor gradient() const;
};

enum class LossKind { kCe, kMargin, kDlr };

/// The names of `loss:` in a suite, and the kind of one of them.
std::vector<std::string> loss_names();
LossKind loss_kind(std::string_view name);

/// What an untargeted attack ascends to leave label y: [n, K], [n] → rows.
///   kCe      −log softmax(z)_y
///   kMargin  max_{j≠y} z_j − z_y: positive if and only if another label wins
///   kDlr     −(z_y − max_{j≠y} z_j) / (z_(1) − z_(3)) (Croce & Hein 2020); the margin below 4
///            classes and where the denominator is 0
Loss leave_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& y);

/// What a targeted attack ascends to reach label t: [n, K], [n] → rows.
///   kCe      log softmax(z)_t
///   kMargin  z_t − max_{j≠t} z_j: positive if and only if t wins
///   kDlr     −(max_{j≠t} z_j − z_t) / (z_(1) − (z_(3) + z_(4)) / 2); the margin as above
Loss reach_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& t);

/// What an untargeted attack ascends on its way to label t, which has only to pass y: [n, K], [n],
/// [n] → rows. As reach_loss, but
///   kDlr     −(z_y − z_t) / (z_(1) − (z_(3) + z_(4)) / 2) (Croce & Hein 2020, targeted)
Loss pass_loss(LossKind kind, const at::Tensor& logits, const at::Tensor& y, const at::Tensor& t);

}  // namespace assay::attacks

// How much of a model's last layer was recovered.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "harness/model/model.h"

namespace assay {

/// ‖W − head·G‖ / ‖W‖ in the Frobenius norm at the best G [width, width], for that of the model's
/// matrices W [K, width], or these less their mean over classes, which `head` [K, width] fits best:
/// 0 where it spans the last layer, about √(1 − width / K) where it has nothing of it. None where
/// the model shows no matrix of that shape.
std::optional<double> head_misfit(const Model& model, const at::Tensor& head);

}  // namespace assay

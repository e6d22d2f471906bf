// One taped forward that serves loss, gradient and the dropping of decided samples.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "attacks/math/losses.h"
#include "harness/model/oracle.h"

namespace assay::attacks {

/// What a look at m rows found out about those k ≤ m whose sample is not decided yet.
struct Look {
  at::Tensor keep;      ///< [k] indices into the rows
  at::Tensor value;     ///< [k] float64 loss
  at::Tensor gradient;  ///< [k, ...] of the loss, up to a positive factor per row (losses.h):
  at::Tensor scale;     ///< [k] float64, this one
  at::Tensor broken;    ///< [k] bool: these logits break the sample
};

/// The loss at logits [m, K] that leaves y [m] or, where `target` [m] is defined, reaches it:
/// before all other labels for a targeted goal, before y for an untargeted one.
Loss loss_towards(const Oracle& oracle, LossKind kind, const at::Tensor& logits,
                  const at::Tensor& y, const at::Tensor& target);

/// Sends x [m, ...] for the block rows `rows` [m] and takes the gradient of loss_towards() for the
/// undecided rows only. Nothing is left: nullopt.
std::optional<Look> look(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                         const at::Tensor& y, const at::Tensor& target, LossKind loss);

/// One of several looks at the same rows: at all of them where `keep` is undefined, else at those
/// that it names.
using LookOnce = std::function<std::optional<Look>(int64_t draw, const at::Tensor& keep)>;

/// The mean of `draws` looks at the same rows: expectation over the transformations of a randomised
/// model (Athalye et al. 2018). The gradient, too, is that of the mean, up to a factor per row.
std::optional<Look> mean_look(int64_t draws, const LookOnce& once);

/// The same of look()s.
std::optional<Look> look_often(Oracle& oracle, const at::Tensor& x, const at::Tensor& rows,
                               const at::Tensor& y, const at::Tensor& target, LossKind loss,
                               int64_t draws);

/// The labels of the block's samples as `targets` takes them, by columns: the true one and then the
/// others by falling logit of the clean input, [n, K]. A randomised model may rank another first.
/// Costs a query of each sample.
at::Tensor labels_by_rank(Oracle& oracle);

/// `t` at the indices `keep`; all of it where one of them is undefined.
at::Tensor kept_of(const at::Tensor& t, const at::Tensor& keep);

/// The Rng keys of the samples behind `rows` [m].
std::vector<uint64_t> keys_of(const Block& block, const at::Tensor& rows);

}  // namespace assay::attacks

// The candidate as a thief meets it: an API that answers so much and so often.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "harness/model/model.h"
#include "harness/suite/suite.h"

namespace assay {

/// Answers what the surface grants, counts every row, and keeps all that was asked. One thread
/// only.
class Victim {
 public:
  /// `budget`: rows it answers in all. `seed` is of the noise.
  Victim(const Model& model, const Surface& surface, int64_t budget, uint64_t seed);

  /// x [m, ...shape] in the box → [m, K] float64, costs m queries; m may be 0. By surface:
  /// logits; probabilities (of logits / temperature); top_k: the k highest of these, the others 0;
  /// rounded: these with so many decimals; label: 1 for one class, 0 for the others. Noise, where
  /// there is some, comes before cutting and rounding; noisy probabilities are clamped at 0 and sum
  /// to 1. The same query has the same answer. Asking for more than is left is a bug and aborts.
  /// Throws ModelFailure where the candidate fails, or gives a logit that is no number.
  at::Tensor query(const at::Tensor& x);

  int64_t left() const { return budget_ - spent_; }
  int64_t spent() const { return spent_; }
  /// Rows of each query, in order.
  const std::vector<int64_t>& batches() const { return batches_; }
  const Surface& surface() const { return surface_; }
  int64_t classes() const { return model_.classes(); }
  const ModelSpec& spec() const { return model_.spec(); }
  at::ScalarType dtype() const { return model_.dtype(); }

  /// All that was asked, in order: [spent, ...shape], in the model's dtype, and the labels that
  /// the answers came to, [spent] int64: the class of the highest answer, and of equals (a row that
  /// was rounded to 0 is one of equals) one drawn by the query, so that no class gains by its
  /// place.
  at::Tensor asked() const;
  at::Tensor labels() const;
  /// Where one of several equal answers was drawn: [spent] bool. No training gives these labels
  /// back.
  at::Tensor drawn() const;

 private:
  at::Tensor answer(const at::Tensor& x) const;  // [m, K] float64

  const Model& model_;
  const Surface surface_;
  const int64_t budget_;
  const uint64_t seed_;
  int64_t spent_ = 0;
  std::vector<int64_t> batches_;
  std::vector<at::Tensor> asked_, labels_, drawn_;
};

/// A thief's training targets [m, K], rows of probabilities, from answers [m, K] of that surface:
/// logits through a softmax; what a top-k answer leaves out, spread evenly over its other classes;
/// rounded ones rescaled to sum to 1 (evenly where all were rounded to 0).
at::Tensor targets_of(const at::Tensor& answers, const Surface& surface);

/// The power, 1 or more, to which targets [n, K] must be raised before a network can learn them in
/// a few steps. Flat answers (of a high temperature, or a last layer scaled down) rank classes as
/// sharp ones do, and their gradient is next to nothing. 1 where the highest probability of a row
/// stands, on average, a quarter of the way from 1 / K to 1 or higher; else what brings it there,
/// as far as equal probabilities allow.
double sharpness_of(const at::Tensor& targets);

/// Targets [n, K] to that power, each row rescaled to sum to 1; the same tensor for 1.
at::Tensor sharpened(const at::Tensor& targets, double sharpness);

}  // namespace assay

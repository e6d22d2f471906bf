// What an API's answers tell of the logits behind them.
#pragma once

#include <ATen/ATen.h>

#include "harness/suite/suite.h"

namespace assay::attacks {

/// log p [m, K] lies between `least` and `most`; they are equal where the answer is exact, and
/// `least` is −∞ where it may be 0.
struct Brackets {
  at::Tensor least, most;  ///< [m, K] float64

  /// The point between them that is nearest to the log-probabilities of `logits` [m, K].
  at::Tensor nearest(const at::Tensor& logits) const;
  /// True where every answer is exact.
  bool exact() const;
  /// [m] bool: true where one class is the highest wherever log p lies. It has the highest `least`.
  at::Tensor decided() const;
};

/// By surface: logits and probabilities are exact; rounded ones are off by half a unit at most;
/// what a top-k answer leaves out is at most its smallest. A probability of 0 is at most the
/// smallest normal float64. Noise on probabilities widens by two standard deviations.
Brackets brackets_of(const at::Tensor& answers, const Surface& surface);

/// The logits in the midst of the answers, each row less its mean, since no answer but `logits`
/// tells it: [m, K] → [m, K]. In place of 0 stands half of the most that it may be.
at::Tensor centred_logits(const at::Tensor& answers, const Surface& surface);

/// Rows less their mean.
at::Tensor centred(const at::Tensor& rows);

}  // namespace assay::attacks

// What membership scores are made of: confidences that do not round to 0 or 1, shares that do not
// tie, and shadows' statistics of each record. All in float64.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

#include "harness/model/membership.h"

namespace assay::attacks {

/// log(p_y / (1 − p_y)) = z_y − log Σ_{j≠y} e^{z_j}, exactly (Carlini et al. 2022 take the
/// difference of two rounded probabilities): logits [..., R, K], labels [R] → [..., R].
at::Tensor log_odds(const at::Tensor& logits, const at::Tensor& labels);

/// log p_y: small losses keep their digits, where 1 − 1e-20 would be 1.
at::Tensor log_likelihood(const at::Tensor& logits, const at::Tensor& labels);

/// log p_i and log(1 − p_i) of every class, both with all their digits: [..., K] each.
struct LogProbabilities {
  at::Tensor of;          ///< log p_i
  at::Tensor complement;  ///< log(1 − p_i)
};
LogProbabilities log_probabilities(const at::Tensor& logits);

/// Of values [..., R, K] those of the labels [R]: [..., R].
at::Tensor at_labels(const at::Tensor& values, const at::Tensor& labels);

/// The share of `reference` [Z] below each value [N]; one that is equal counts a half. Sorts once.
at::Tensor share_below(const at::Tensor& reference, const at::Tensor& values);

/// Shares out of `count` have few values, and tied records would stand or fall together: a false
/// positive rate below that of the largest tie could not be asked for. Adds less than half of what
/// two shares differ by, in the order of `by` [N], so that the order of shares stays.
at::Tensor break_ties(const at::Tensor& share, const at::Tensor& by, int64_t count);

/// A statistic of outputs [A, R, K] with labels [R]: [A, R].
using Signal = std::function<at::Tensor(const at::Tensor& logits, const at::Tensor& labels)>;

/// A signal of every shadow: [S, A, R]; with_population: of all records, else of the audited.
at::Tensor of_shadows(const Outputs& outputs, const Signal& signal, bool with_population);

/// log of the mean of e^v over those of values [S, A, R] where `chosen` [S, R]: [A, R]; −infinity
/// where none is.
at::Tensor log_mean_exp(const at::Tensor& values, const at::Tensor& chosen);

/// Centre and standard deviation over chosen shadows: [A, R] each.
struct Moments {
  at::Tensor centre, spread;
};

/// Whose spread a record has.
enum class Spreads {
  kPooled,  ///< one for all records of a view, but those of another order
  kOwn,     ///< each its own
  /// Its own, drawn towards the common one as far as so few shadows say little of it and records
  /// hardly differ (Smyth, SAGMB 3 (2004) 3): the common one of few shadows where records are
  /// alike, its own of many.
  kDrawn,
};

/// Of values [S, A, R] where `chosen` [S, R]. The centre is the median, of an even number the mean
/// of the middle two. The spread is taken of residuals from each record's mean, unbiased, and at
/// least kLeastSpread.
Moments moments(const at::Tensor& values, const at::Tensor& chosen, Spreads spreads);

/// Of shadows that have not seen a record and of those that have, `in` [S, R]. Centres are means,
/// whose error is that of normal values, the variance over the shadows of the side. kDrawn: a
/// record has one spread, found from both sides; else one of each.
struct Sides {
  Moments out, seen;
  at::Tensor freedom;  ///< degrees of, with which a record's spreads are known: [A, R]
};
Sides sides(const at::Tensor& values, const at::Tensor& in, Spreads spreads);

/// float32 logits do not tell smaller differences.
inline constexpr double kLeastSpread = 1e-6;

}  // namespace assay::attacks

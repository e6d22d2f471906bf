// By how much a candidate favours classes that its shadows do not favour.
#pragma once

#include <ATen/ATen.h>

namespace assay {

/// Of values [n] the places [m] int64 that lie within five standard deviations of the median, as
/// the median absolute deviation has them; all where that is 0. What is normal stays.
at::Tensor near_median(const at::Tensor& values);

/// For each class, from which offsets are found.
inline constexpr int64_t kRecordsOfClass = 10;

/// [K] float64: what must be added to a candidate's `logits` [n, K] so that it favours no class
/// more than the `mean` of its shadows [n, K] does, on records of these `labels` [n] that neither
/// saw.
///
/// Margins, the logit of the label less that of the class that comes next in the mean, are fitted
/// by least squares as the mean's times one number plus the difference of two offsets, without
/// records whose margin in the mean, or whose residual, lies far from the others'. An offset is
/// 0 unless it is clear at confidence 0.999, and all are where there are fewer than
/// kRecordsOfClass records for each class: so the few that it goes by do not pass for one set that
/// is known better.
at::Tensor offset_of(const at::Tensor& logits, const at::Tensor& mean, const at::Tensor& labels);

}  // namespace assay

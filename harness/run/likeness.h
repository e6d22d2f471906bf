// Whether shadows behave as the candidate does where neither was trained, and as models do that
// know nothing of the members.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>

namespace assay {

struct Likeness {
  /// What the candidate's logits are multiplied by, so that they are as decided as its shadows': a
  /// model's labels say nothing of its scale, and what compares log-odds with those of shadows sees
  /// nothing in a candidate of another one.
  double scale = 1;
  std::string unlike;  ///< what the candidate's answers differ in even then; "" if in nothing
};

/// Compares the candidate's `logits` [R, K] with those of each shadow [R, K], on the records that
/// `unseen` [S, R] bool says neither has seen: there a candidate is one model more. `scale` is one
/// by the slope of its label margins in the shadows' mean, fitted through 0 by least absolute
/// deviations, which a few wild answers do not move. Unlike is a candidate whose margins, its
/// highest logit less the next, are at the 10th, 25th, 75th or 90th percentile more than
/// kMarginTolerance times as large or as small as every shadow's, once the medians are equal,
/// beyond what sampling explains; or that rounds them.
Likeness likeness_of(const at::Tensor& logits, const at::Tensor& labels, int64_t shadows,
                     const std::function<at::Tensor(int64_t shadow)>& shadow_logits,
                     const at::Tensor& unseen);

inline constexpr double kMarginTolerance = 1.25;

/// The logit of the label less the highest of the others: logits [R, K], labels [R] -> [R].
at::Tensor label_margin(const at::Tensor& logits, const at::Tensor& labels);

/// "" unless `values` [R] tell members [R] bool from the others at confidence 0.999, which those
/// of models that saw neither do not; `whose` begins the text.
std::string apart_text(const std::string& whose, const at::Tensor& values,
                       const at::Tensor& members);

}  // namespace assay

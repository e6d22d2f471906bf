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
  /// [K] float64, undefined if 0: what is then added to them, so that no class is favoured that the
  /// shadows do not favour.
  at::Tensor offset;
  bool scaled = false;    ///< `scale` was fitted
  bool levelled = false;  ///< `offset` was, be it 0
  int64_t ranked = 0;     ///< records on which rankings were compared, of the pair with fewest
  std::string unlike;     ///< what the candidate's answers differ in even then; "" if in nothing
};

/// Compares the candidate's `logits` [R, K] with those of each shadow [R, K], on the records that
/// `unseen` [S, R] bool says neither has seen: there a candidate is one model more.
///
/// `offset` is what offset_of (offset.h) finds. `scale` is then one by the slope of its label
/// margins in the mean of its shadows', fitted through 0 by least absolute deviations, which a
/// few wild answers do not move, on records whose mean lies near the others' (near_median). Of
/// fewer than kScaleRecords it stays 1: the slope through two points is chance.
///
/// Unlike is a candidate whose margins, its highest logit less the next, are at the 10th, 25th,
/// 75th or 90th percentile more than kMarginTolerance times as large or as small as every shadow's,
/// once the medians are equal, beyond what sampling explains; or that rounds them by more than a
/// quarter of the spread of theirs; or whose label margins rank the records less as a shadow's do
/// than those of two shadows rank them as each other's, of shadows 0 and 1, 2 and 3 and so on, or 0
/// and 2 where 0 and 1 saw all records between them. Two that have the share `shared` of their
/// training records in common are more alike for it; what they would be without is found as if all
/// that models differ in came from their records. Less is a Fisher's z that is lower by
/// kAgreementTolerance at confidence 0.99. This takes two shadows, 60 records that neither saw, and
/// a share below 1.
Likeness likeness_of(const at::Tensor& logits, const at::Tensor& labels, int64_t shadows,
                     const std::function<at::Tensor(int64_t shadow)>& shadow_logits,
                     const at::Tensor& unseen, double shared);

inline constexpr int64_t kScaleRecords = 10;

inline constexpr double kMarginTolerance = 1.25;

/// More than models of one recipe differ that were trained for half or for twice as many epochs.
inline constexpr double kAgreementTolerance = 0.1;

/// The logit of the label less the highest of the others: logits [R, K], labels [R] -> [R].
at::Tensor label_margin(const at::Tensor& logits, const at::Tensor& labels);

/// "" unless `values` [R] tell members [R] bool from the others at confidence 0.999, which those
/// of models that saw neither do not; `whose` begins the text.
std::string apart_text(const std::string& whose, const at::Tensor& values,
                       const at::Tensor& members);

}  // namespace assay

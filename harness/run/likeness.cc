#include "harness/run/likeness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "harness/gate/membership.h"
#include "harness/gate/roc.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> to_vector(const at::Tensor& values) {
  const at::Tensor plain = values.to(at::kDouble).contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

// Ascending: of the rows [n] of logits [R, K].
std::vector<double> margins_of(const at::Tensor& logits, const at::Tensor& rows) {
  const at::Tensor top = std::get<0>(logits.index_select(0, rows).topk(2, 1));
  std::vector<double> margins = to_vector(top.select(1, 0).sub(top.select(1, 1)));
  std::sort(margins.begin(), margins.end());
  return margins;
}

double quantile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * last))];
}

int64_t distinct(const std::vector<double>& sorted) {
  int64_t count = sorted.empty() ? 0 : 1;
  for (size_t i = 1; i < sorted.size(); ++i) count += sorted[i] > sorted[i - 1] ? 1 : 0;
  return count;
}

// Of y in x, both [n], through 0, with the least sum of absolute deviations: the median of y / x,
// each weighing |x|. NaN where all x are 0.
double slope_of(const at::Tensor& y, const at::Tensor& x) {
  const at::Tensor used = x.ne(0).nonzero().squeeze(1);
  if (used.size(0) == 0) return std::nan("");
  const at::Tensor weight = x.index_select(0, used).abs();
  const at::Tensor slopes = y.index_select(0, used).div(x.index_select(0, used));
  const at::Tensor order = slopes.argsort();
  const at::Tensor below = weight.index_select(0, order).cumsum(0);
  const auto middle = below.lt(below[-1].div(2)).sum().item<int64_t>();
  return slopes[order[middle].item<int64_t>()].item<double>();
}

// Margins of the candidate and of one shadow on the same records, each ascending.
struct Pair {
  std::vector<double> candidate, shadow;

  /// Of the medians.
  double ratio() const { return quantile(shadow, 0.5) / quantile(candidate, 0.5); }
};

// How many times as large the candidate's margins are at one percentile, of all shadows the least
// and the most that sampling leaves.
struct Ratio {
  double least = kInfinity;
  double most = 0;
};

Ratio ratio_at(double share, const std::vector<Pair>& pairs) {
  Ratio all;
  for (const Pair& pair : pairs) {
    const double scale = pair.ratio();
    const auto n = static_cast<double>(pair.candidate.size());
    // Both are sampled: half of the variance of the difference for each.
    const double apart =
        normal_quantile(kReversedConfidence) * std::sqrt(share * (1 - share) / n / 2) + 1 / n;
    const double below = quantile(pair.shadow, share - apart);
    const double above = quantile(pair.shadow, share + apart);
    if (above > 0) {
      all.least = std::min(all.least, scale * quantile(pair.candidate, share - apart) / above);
    }
    all.most = std::max(
        all.most, below > 0 ? scale * quantile(pair.candidate, share + apart) / below : kInfinity);
  }
  return all;
}

std::string shape_text(const std::vector<Pair>& pairs) {
  for (const double share : {0.1, 0.25, 0.75, 0.9}) {
    const Ratio ratio = ratio_at(share, pairs);
    if (ratio.least <= kMarginTolerance && ratio.most >= 1 / kMarginTolerance) continue;
    const bool wide = ratio.least > kMarginTolerance;
    return "with medians made equal, the margin between the candidate's two highest logits is at "
           "the " +
           figure(100 * share) + "th percentile of non-members " +
           (wide ? "at least " : "at most ") + figure(wide ? ratio.least : ratio.most) +
           " times that of any of them: its answers are not those of a model trained so";
  }
  return "";
}

}  // namespace

Likeness likeness_of(const at::Tensor& logits, const at::Tensor& labels, int64_t shadows,
                     const std::function<at::Tensor(int64_t shadow)>& shadow_logits,
                     const at::Tensor& unseen) {
  std::vector<Pair> pairs;
  at::Tensor sum = at::zeros({labels.size(0)}, at::kDouble);
  for (int64_t shadow = 0; shadow < shadows; ++shadow) {
    const at::Tensor rows = unseen[shadow].nonzero().squeeze(1);
    if (rows.size(0) == 0) continue;
    const at::Tensor theirs = shadow_logits(shadow);
    pairs.push_back({margins_of(logits, rows), margins_of(theirs, rows)});
    sum.add_(at::where(unseen[shadow], label_margin(theirs, labels), 0));
  }
  Likeness likeness;
  if (pairs.empty()) return likeness;
  const at::Tensor counts = unseen.narrow(0, 0, shadows).sum(0);
  const at::Tensor rows = counts.gt(0).nonzero().squeeze(1);
  const double slope = slope_of(label_margin(logits, labels).index_select(0, rows),
                                sum.div(counts).index_select(0, rows));
  const bool flat = std::all_of(pairs.begin(), pairs.end(), [](const Pair& pair) {
    return !std::isfinite(pair.ratio()) || pair.ratio() <= 0;
  });
  if (flat || !std::isnormal(slope) || slope < 0) {
    likeness.unlike =
        "the candidate's margin between its two highest logits does not grow with "
        "that of its shadows on non-members";
    return likeness;
  }
  likeness.scale = 1 / slope;
  const bool rounds = std::all_of(pairs.begin(), pairs.end(), [](const Pair& pair) {
    return 2 * distinct(pair.candidate) < distinct(pair.shadow);
  });
  if (rounds) {
    likeness.unlike = "the margins between the candidate's two highest logits take " +
                      count(distinct(pairs[0].candidate), "value") + " on " +
                      count(static_cast<int64_t>(pairs[0].candidate.size()), "non-member") +
                      ", those of its shadows " + std::to_string(distinct(pairs[0].shadow)) +
                      ": it rounds its answers";
  } else {
    likeness.unlike = shape_text(pairs);
  }
  return likeness;
}

at::Tensor label_margin(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor index = labels.unsqueeze(1);
  return logits.gather(1, index).squeeze(1).sub(logits.scatter(1, index, -kInfinity).amax(1));
}

std::string apart_text(const std::string& whose, const at::Tensor& values,
                       const at::Tensor& members) {
  const at::Tensor known = values.isfinite();
  const ScoreSets sets = {to_vector(values.masked_select(members.logical_and(known))),
                          to_vector(values.masked_select(members.logical_not().logical_and(known))),
                          {},
                          {}};
  if (sets.members.size() < 2 || sets.non_members.size() < 2) return "";
  const Bounded auc = auc_with_bounds(sets, kReversedConfidence);
  if (auc.lower <= 0.5 && auc.upper >= 0.5) return "";
  return whose + " tell members from non-members, though neither taught them anything: auc " +
         figure(auc.value) + ", at " +
         (auc.lower > 0.5 ? "least " + figure(auc.lower) : "most " + figure(auc.upper)) +
         " at confidence " + figure(kReversedConfidence);
}

}  // namespace assay

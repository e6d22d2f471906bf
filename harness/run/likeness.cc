#include "harness/run/likeness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "harness/gate/membership.h"
#include "harness/gate/roc.h"
#include "harness/gate/text.h"
#include "harness/run/offset.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kCoarse = 0.25;  // steps in quartile ranges that move no verdict
constexpr double kAgreementConfidence = 0.99;

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

// The width of most gaps between neighbours that differ; infinite where none do.
double step_of(const std::vector<double>& sorted) {
  std::vector<double> gaps;
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] > sorted[i - 1]) gaps.push_back(sorted[i] - sorted[i - 1]);
  }
  if (gaps.empty()) return kInfinity;
  std::sort(gaps.begin(), gaps.end());
  return quantile(gaps, 0.5);
}

int64_t count_distinct(const std::vector<double>& sorted) {
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
  at::Tensor rows;
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

// Steps that the margins take, if there are half as many values as of shadows'.
bool is_coarse(const Pair& pair) {
  const double spread = quantile(pair.shadow, 0.75) - quantile(pair.shadow, 0.25);
  return 2 * count_distinct(pair.candidate) < count_distinct(pair.shadow) &&
         step_of(pair.candidate) * pair.ratio() > kCoarse * spread;
}

// Ranks of values [n], of mean 0 and variance 1; 0 where all are equal.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  const auto n = static_cast<double>(values.size());
  double squares = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin + end) - n) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    squares += static_cast<double>(end - begin) * rank * rank;
    begin = end;
  }
  for (double& rank : ranks) rank /= std::sqrt(std::max(squares / n, 1e-12));
  return ranks;
}

double mean_product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum / static_cast<double>(a.size());
}

// What the rank correlation of two shadows would be, had they no training records in common, if all
// that models differ in came from their records.
double apart_from(double correlation, double shared) {
  return std::max(0.0, 1 - (1 - correlation) / (1 - shared));
}

// Fisher's z of a rank correlation, and what each record adds to its error.
struct Correlation {
  double value = 0;
  std::vector<double> influence;

  double z() const { return std::atanh(value); }
};

Correlation correlation_of(const std::vector<double>& a, const std::vector<double>& b,
                           double shared) {
  constexpr double kMost = 0.9999;
  const double found = std::clamp(mean_product(a, b), -kMost, kMost);
  Correlation correlation{apart_from(found, shared), {}};
  if (shared == 0) correlation.value = found;
  const double slope = correlation.value == 0 && shared > 0
                           ? 0
                           : 1 / (1 - shared) / (1 - correlation.value * correlation.value);
  for (size_t i = 0; i < a.size(); ++i) {
    const double here = a[i] * b[i] - found * (a[i] * a[i] + b[i] * b[i]) / 2;
    correlation.influence.push_back(slope * here / static_cast<double>(a.size()));
  }
  return correlation;
}

// How much more alike shadows are than the candidate is to them.
class Agreement {
 public:
  explicit Agreement(int64_t records) : influence_(static_cast<size_t>(records), 0) {}

  /// Margins of the candidate and of two shadows on records that neither has seen.
  void add(const at::Tensor& rows, const std::array<std::vector<double>, 3>& margins,
           double shared) {
    const std::vector<double> c = ranks_of(margins[0]);
    const std::vector<double> a = ranks_of(margins[1]), b = ranks_of(margins[2]);
    const Correlation with_a = correlation_of(c, a, 0), with_b = correlation_of(c, b, 0);
    const Correlation theirs = correlation_of(a, b, shared);
    ranked_ = pairs_ == 0 ? rows.size(0) : std::min(ranked_, rows.size(0));
    ++pairs_;
    difference_ += theirs.z() - (with_a.z() + with_b.z()) / 2;
    candidate_ += (with_a.value + with_b.value) / 2;
    shadows_ += theirs.value;
    for (size_t i = 0; i < c.size(); ++i) {
      influence_[static_cast<size_t>(rows[static_cast<int64_t>(i)].item<int64_t>())] +=
          theirs.influence[i] - (with_a.influence[i] + with_b.influence[i]) / 2;
    }
  }

  int64_t ranked() const { return ranked_; }

  std::string text() const {
    if (pairs_ == 0) return "";
    const double pairs = pairs_;
    double variance = 0;
    for (const double record : influence_) variance += record * record / pairs / pairs;
    const double error = normal_quantile(kAgreementConfidence) * std::sqrt(variance);
    if (!(difference_ / pairs - error > kAgreementTolerance)) return "";
    return "the label margins of the candidate rank non-members as those of a shadow do with a "
           "correlation of only " +
           figure(candidate_ / pairs) + ", those of shadows as each other's with " +
           figure(shadows_ / pairs) + ": its answers hold what no model trained so adds";
  }

 private:
  std::vector<double> influence_;
  int pairs_ = 0;
  int64_t ranked_ = 0;  // records, of the pair with fewest
  double difference_ = 0, candidate_ = 0, shadows_ = 0;
};

// Margins [R] of the candidate, and of each shadow [S, R], on what each has not seen [S, R].
Agreement agreement_of(const at::Tensor& candidate, const at::Tensor& margins,
                       const at::Tensor& unseen, double shared) {
  Agreement agreement(candidate.size(0));
  if (shared >= 1) return agreement;
  const auto pair = [&](int64_t a, int64_t b) {
    const at::Tensor rows = unseen[a].logical_and(unseen[b]).nonzero().squeeze(1);
    if (rows.size(0) < kRankedRecords) return;
    agreement.add(
        rows,
        {to_vector(candidate.index_select(0, rows)), to_vector(margins[a].index_select(0, rows)),
         to_vector(margins[b].index_select(0, rows))},
        shared);
  };
  // Neighbours share the fewest records, or none, unless they halve all that there are.
  const bool halves =
      !unseen[0].logical_and(unseen[std::min<int64_t>(1, margins.size(0) - 1)]).any().item<bool>();
  const int64_t step = halves ? 2 : 1;
  for (int64_t shadow = 0; shadow + step < margins.size(0); ++shadow) {
    if (shadow / step % 2 == 0) pair(shadow, shadow + step);
  }
  return agreement;
}

std::string coarse_text(const std::vector<Pair>& pairs) {
  if (!std::all_of(pairs.begin(), pairs.end(), is_coarse)) return "";
  return "the margins between the candidate's two highest logits take " +
         count(count_distinct(pairs[0].candidate), "value") + " on " +
         count(static_cast<int64_t>(pairs[0].candidate.size()), "non-member") +
         ", those of its shadows " + std::to_string(count_distinct(pairs[0].shadow)) +
         ": it rounds its answers";
}

}  // namespace

Likeness likeness_of(const at::Tensor& logits, const at::Tensor& labels, int64_t shadows,
                     const std::function<at::Tensor(int64_t shadow)>& shadow_logits,
                     const at::Tensor& unseen, double shared) {
  Likeness likeness;
  const at::Tensor sees = unseen.narrow(0, 0, shadows);
  const at::Tensor counts = sees.sum(0);
  const at::Tensor rows = counts.gt(0).nonzero().squeeze(1);
  if (rows.size(0) == 0) return likeness;
  const at::Tensor sum = at::zeros_like(logits);
  const at::Tensor margins = at::zeros({shadows, labels.size(0)}, at::kDouble);
  std::vector<Pair> pairs;
  for (int64_t shadow = 0; shadow < shadows; ++shadow) {
    const at::Tensor theirs = shadow_logits(shadow);
    sum.add_(at::where(sees[shadow].unsqueeze(1), theirs, 0));
    margins[shadow].copy_(label_margin(theirs, labels));
    const at::Tensor here = sees[shadow].nonzero().squeeze(1);
    if (here.size(0) > 0)
      pairs.push_back({here, margins_of(logits, here), margins_of(theirs, here)});
  }
  const std::string coarse = coarse_text(pairs);
  const at::Tensor mean = sum.index_select(0, rows).div(counts.index_select(0, rows).unsqueeze(1));
  const at::Tensor truth = labels.index_select(0, rows);
  const at::Tensor offset = offset_of(logits.index_select(0, rows), mean, truth);
  const at::Tensor level = logits.add(offset);
  const at::Tensor usual = at::where(sees, margins, 0).sum(0).div(counts).index_select(0, rows);
  // Through 0, a few records of huge margins would weigh more than all others.
  const at::Tensor near = near_median(usual);
  likeness.scaled = near.size(0) >= kScaleRecords;
  const double slope =
      !likeness.scaled
          ? 1
          : slope_of(label_margin(level.index_select(0, rows), truth).index_select(0, near),
                     usual.index_select(0, near));
  for (Pair& pair : pairs) pair.candidate = margins_of(level, pair.rows);
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
  likeness.levelled = rows.size(0) >= kRecordsOfClass * logits.size(1);
  if (offset.any().item<bool>()) likeness.offset = offset.mul(likeness.scale);
  likeness.unlike = coarse.empty() ? shape_text(pairs) : coarse;
  const Agreement agreement = agreement_of(label_margin(level, labels), margins, sees, shared);
  likeness.ranked = agreement.ranked();
  if (likeness.unlike.empty()) likeness.unlike = agreement.text();
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

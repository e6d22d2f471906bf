// What reports show of a membership cell: curves, slices, the most exposed records, and power.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "harness/gate/membership.h"
#include "harness/gate/roc_internal.h"

namespace assay {
namespace {

/// At 0, and evenly on a log scale from what one non-member is, 1e-5 at least, to all of them.
std::vector<RocPoint> roc_points(const Roc& roc, double confidence) {
  constexpr int kPerDecade = 12;
  std::vector<RocPoint> points;
  const auto add = [&](double fpr) {
    const Bounded tpr = tpr_at_fpr(roc, fpr, confidence);
    points.push_back({fpr, tpr.value, tpr.lower, tpr.upper});
  };
  add(0);
  const double least = std::max(1e-5, 1 / static_cast<double>(roc.non_members));
  const int first = static_cast<int>(std::ceil(std::log10(least) * kPerDecade));
  for (int i = first; i <= 0; ++i) add(std::pow(10.0, static_cast<double>(i) / kPerDecade));
  return points;
}

ScoreHistogram histogram_of(const ScoreSets& scores) {
  constexpr size_t kBins = 40;
  std::vector<double> all = scores.members;
  all.insert(all.end(), scores.non_members.begin(), scores.non_members.end());
  std::sort(all.begin(), all.end());
  // A few wild scores must not press all others into one bin.
  const size_t tail = all.size() / 200;
  ScoreHistogram histogram = {all[tail], all[all.size() - 1 - tail], {}, {}};
  const double width = histogram.most - histogram.least;
  const auto count = [&](const std::vector<double>& set) {
    std::vector<int64_t> bins(width > 0 ? kBins : 1);
    for (const double score : set) {
      const double at = width > 0 ? (score - histogram.least) / width : 0;
      const double bin =
          std::clamp(std::floor(at * kBins), 0.0, static_cast<double>(bins.size() - 1));
      ++bins[static_cast<size_t>(bin)];
    }
    return bins;
  };
  histogram.members = count(scores.members);
  histogram.non_members = count(scores.non_members);
  return histogram;
}

Estimate slice_auc(const ScoreSets& scores, double confidence) {
  Estimate auc;
  auc.n = static_cast<int64_t>(scores.members.size() + scores.non_members.size());
  if (scores.members.size() < 2 || scores.non_members.size() < 2) {
    auc.reason = "fewer than two members or two non-members";
    return auc;
  }
  const Bounded bounded = auc_with_bounds(scores, confidence);
  auc.value = bounded.value;
  auc.lower = bounded.lower;
  auc.upper = bounded.upper;
  return auc;
}

/// TPR of one class at the threshold of all, `whole` being the TPR of all; both sets from the side
/// of the metric, as the threshold is.
Estimate slice_tpr(const ScoreSets& scores, double threshold, const Estimate& whole,
                   double confidence) {
  Estimate tpr;
  tpr.n = static_cast<int64_t>(scores.members.size());
  tpr.reason = whole.reason;
  if (!whole.value) return tpr;
  if (tpr.n == 0) {
    tpr.reason = "no record of this class";
    return tpr;
  }
  const auto above = std::count_if(scores.members.begin(), scores.members.end(),
                                   [&](double score) { return score >= threshold; });
  const Interval bounds = clopper_pearson(above, tpr.n, confidence);
  tpr.value = static_cast<double>(above) / static_cast<double>(tpr.n);
  tpr.lower = bounds.lower;
  tpr.upper = bounds.upper;
  return tpr;
}

std::vector<MembershipSlice> slices_of(const EvidenceView& view, const CellView& cell,
                                       const AuditedScores& found, double confidence) {
  constexpr const char* kTpr = "tpr_at_fpr_0.01";
  const Estimate whole = measure_membership(kTpr, view, cell, confidence);
  const Roc roc = make_roc(from_its_side(kTpr, *cell.header, found.scores));
  const double threshold = threshold_at(roc, fpr_of(kTpr));
  std::vector<MembershipSlice> slices;
  for (const auto& [label, scores] : scores_by_label(found)) {
    MembershipSlice slice;
    slice.label = label;
    slice.members = static_cast<int64_t>(scores.members.size());
    slice.non_members = static_cast<int64_t>(scores.non_members.size());
    slice.auc = slice_auc(scores, confidence);
    slice.tpr = slice_tpr(from_its_side(kTpr, *cell.header, scores), threshold, whole, confidence);
    slices.push_back(slice);
  }
  return slices;
}

WorstSlice worst_slice(const Roc& roc, double confidence) {
  const int64_t all = roc.members + roc.non_members;
  const auto enough = [&](const OperatingPoint& at) {
    return at.members + at.non_members >= (all + 99) / 100;
  };
  const OperatingPoint at = *std::find_if(roc.points.begin(), roc.points.end(), enough);
  WorstSlice worst;
  worst.records = at.members + at.non_members;
  worst.members = at.members;
  const Interval bounds = clopper_pearson(worst.members, worst.records, confidence);
  worst.share = {static_cast<double>(worst.members) / static_cast<double>(worst.records),
                 bounds.lower, bounds.upper};
  worst.base_rate = static_cast<double>(roc.members) / static_cast<double>(all);
  return worst;
}

std::vector<ExposedRecord> exposed_records(const AuditedScores& found) {
  constexpr size_t kMost = 1000;
  const std::vector<double>& scores = found.scores.members;
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t left, size_t right) { return scores[left] > scores[right]; });
  order.resize(std::min(kMost, (order.size() + 99) / 100));
  std::vector<double> members = scores;
  std::vector<double> others = found.scores.non_members;
  std::sort(members.begin(), members.end(), std::greater<>());
  std::sort(others.begin(), others.end(), std::greater<>());
  std::vector<ExposedRecord> exposed;
  for (const size_t i : order) {
    // Sorted downwards: what comes before the lower bound scores more, before the upper as much.
    const auto more = [&](const std::vector<double>& set) {
      return std::lower_bound(set.begin(), set.end(), scores[i], std::greater<>()) - set.begin();
    };
    const auto as_much =
        std::upper_bound(others.begin(), others.end(), scores[i], std::greater<>()) -
        others.begin();
    const auto tied =
        std::upper_bound(members.begin(), members.end(), scores[i], std::greater<>()) -
        members.begin() - more(members);
    exposed.push_back({found.members[i]->id, found.members[i]->label, scores[i],
                       1 + more(members) + more(others),
                       static_cast<double>(as_much) / static_cast<double>(others.size()), tied});
  }
  return exposed;
}

/// The smallest TPR from which chance is excluded with m positives and n negatives.
double smallest_tpr(double fpr, double m, double n, double z, double z_power) {
  const double spread = fpr * (1 - fpr);
  double tpr = fpr;
  for (int i = 0; i < 100; ++i) {  // a contraction
    tpr = std::min(1.0, fpr + z * std::sqrt(spread * (1 / m + 1 / n)) +
                            z_power * std::sqrt(tpr * (1 - tpr) / m + spread / n));
  }
  return tpr;
}

/// Normal approximations, which planning may use: the bound lies above chance in four of five runs.
MembershipPower membership_power(const CellView& cell, const EvidenceView& view,
                                 const ScoreSets& scores, double confidence) {
  MembershipPower power;
  const int64_t members = static_cast<int64_t>(scores.members.size());
  const int64_t non_members = static_cast<int64_t>(scores.non_members.size());
  const double m = static_cast<double>(members);
  const double n = static_cast<double>(non_members);
  const double z = normal_quantile(confidence);
  const double z_power = normal_quantile(kPower);
  // Without ties; with them the variance is less, and AUC takes few values.
  const double auc = 0.5 + (z + z_power) * std::sqrt((m + n + 1) / (12 * m * n));
  power.auc.n = members + non_members;
  if (tie_much(scores)) {
    power.auc.reason = "the scores tie too much for a figure";
  } else if (auc < 1) {
    power.auc.value = auc;
  } else {
    power.auc.reason = "no AUC under 1 is told from chance";
  }
  for (const char* metric : {"tpr_at_fpr_0.01", "tpr_at_fpr_0.001"}) {
    const Estimate measured = measure_membership(metric, view, cell, confidence);
    Estimate& smallest = power.tpr[metric];
    smallest.n = members + non_members;
    smallest.reason = measured.reason;
    if (!measured.value) continue;
    if (tie_much(scores)) {
      smallest.reason = power.auc.reason;
      continue;
    }
    const bool turned = negatives_of(metric, *cell.header) == "members";
    smallest.value = smallest_tpr(fpr_of(metric), turned ? n : m, turned ? m : n, z, z_power);
  }
  const EpsilonAudit audit = epsilon_audit(*cell.header, confidence);
  if (measure_membership("epsilon_lower", view, cell, confidence).value) {
    power.epsilon_reach = epsilon_reach(audit, members, non_members);
    power.epsilon_detectable = epsilon_detectable(audit, resolution_of(scores), 0, 20);
  }
  return power;
}

}  // namespace

MembershipResult describe_membership(const EvidenceView& view, const CellView& cell,
                                     double confidence) {
  MembershipResult result;
  if (cell.scored == nullptr) return result;
  result.fidelity = cell.scored->fidelity;
  result.tuned = cell.scored->tuned;
  result.not_comparable = not_comparable(cell);
  result.copies = copies_of(view, cell);
  const AuditedScores found = audited_scores(view, cell);
  result.members = static_cast<int64_t>(found.members.size());
  result.non_members = static_cast<int64_t>(found.non_members.size());
  if (result.members < 2 || result.non_members < 2) return result;
  const Roc roc = make_roc(found.scores);
  // The curve that TPR at an FPR is read from, whichever side that is.
  result.roc = roc_points(make_roc(from_its_side("tpr_at_fpr_0.01", *cell.header, found.scores)),
                          confidence);
  result.histogram = histogram_of(found.scores);
  result.slices = slices_of(view, cell, found, confidence);
  result.worst = worst_slice(roc, confidence);
  result.exposed = exposed_records(found);
  result.power = membership_power(cell, view, found.scores, confidence);
  return result;
}

}  // namespace assay

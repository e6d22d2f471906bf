// What reports show of a membership cell: curves, slices, the most exposed records, and power.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "harness/gate/membership.h"

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

std::vector<MembershipSlice> slices_of(const AuditedScores& found, const Roc& roc,
                                       double confidence) {
  constexpr double kFpr = 0.01;
  const bool estimable = roc.non_members >= non_members_needed(kFpr);
  double threshold = 0;
  for (const OperatingPoint& at : roc.points) {
    if (static_cast<double>(at.non_members) <= kFpr * static_cast<double>(roc.non_members) + 1e-9) {
      threshold = at.threshold;
    }
  }
  std::map<int64_t, ScoreSets> by_label;
  for (size_t i = 0; i < found.members.size(); ++i) {
    by_label[found.members[i]->label].members.push_back(found.scores.members[i]);
  }
  for (size_t i = 0; i < found.non_members.size(); ++i) {
    by_label[found.non_members[i]->label].non_members.push_back(found.scores.non_members[i]);
  }
  std::vector<MembershipSlice> slices;
  for (const auto& [label, scores] : by_label) {
    MembershipSlice slice;
    slice.label = label;
    slice.members = static_cast<int64_t>(scores.members.size());
    slice.non_members = static_cast<int64_t>(scores.non_members.size());
    slice.auc = slice_auc(scores, confidence);
    slice.tpr.n = slice.members;
    if (!estimable || slice.members == 0) {
      slice.tpr.reason =
          estimable ? "no member of this class" : "too few non-members for a threshold at this FPR";
    } else {
      const auto above = std::count_if(scores.members.begin(), scores.members.end(),
                                       [&](double score) { return score >= threshold; });
      const Interval bounds = clopper_pearson(above, slice.members, confidence);
      slice.tpr.value = static_cast<double>(above) / static_cast<double>(slice.members);
      slice.tpr.lower = bounds.lower;
      slice.tpr.upper = bounds.upper;
    }
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
    exposed.push_back({found.members[i]->id, found.members[i]->label, scores[i],
                       1 + more(members) + more(others),
                       static_cast<double>(as_much) / static_cast<double>(others.size())});
  }
  return exposed;
}

/// Normal approximations, which planning may use: the bound lies above chance in four of five runs.
MembershipPower power_of(const CellView& cell, const EvidenceView& view, const ScoreSets& scores,
                         double confidence) {
  MembershipPower power;
  const int64_t members = static_cast<int64_t>(scores.members.size());
  const int64_t non_members = static_cast<int64_t>(scores.non_members.size());
  const double m = static_cast<double>(members);
  const double n = static_cast<double>(non_members);
  const double z = normal_quantile(confidence);
  const double z_power = normal_quantile(kPower);
  const double auc = 0.5 + (z + z_power) * std::sqrt((m + n + 1) / (12 * m * n));
  if (auc < 1) power.auc = auc;
  for (const char* metric : {"tpr_at_fpr_0.01", "tpr_at_fpr_0.001"}) {
    const Estimate measured = measure_membership(metric, view, cell, confidence);
    Estimate& smallest = power.tpr[metric];
    smallest.n = members + non_members;
    smallest.reason = measured.reason;
    if (!measured.value) continue;
    const double fpr = fpr_of(metric);
    const double spread = fpr * (1 - fpr);
    double tpr = fpr;
    for (int i = 0; i < 100;
         ++i) {  // a contraction: the smallest TPR from which chance is excluded
      tpr = std::min(1.0, fpr + z * std::sqrt(spread * (1 / m + 1 / n)) +
                              z_power * std::sqrt(tpr * (1 - tpr) / m + spread / n));
    }
    smallest.value = tpr;
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
  result.not_comparable = not_comparable(cell);
  const AuditedScores found = audited_scores(view, cell);
  result.members = static_cast<int64_t>(found.members.size());
  result.non_members = static_cast<int64_t>(found.non_members.size());
  if (result.members < 2 || result.non_members < 2) return result;
  const Roc roc = make_roc(found.scores);
  result.roc = roc_points(roc, confidence);
  result.histogram = histogram_of(found.scores);
  result.slices = slices_of(found, roc, confidence);
  result.worst = worst_slice(roc, confidence);
  result.exposed = exposed_records(found);
  result.power = power_of(cell, view, found.scores, confidence);
  return result;
}

}  // namespace assay
  result.tuned = cell.scored->tuned;

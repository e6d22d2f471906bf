#include "harness/gate/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "harness/gate/extraction.h"
#include "harness/gate/membership.h"
#include "harness/gate/statistics.h"

namespace assay {
namespace {

Estimate proportion(int64_t k, int64_t n, double confidence, std::string_view none) {
  Estimate estimate;
  estimate.n = n;
  if (n == 0) {
    estimate.reason = none;
    return estimate;
  }
  const Interval bounds = clopper_pearson(k, n, confidence);
  estimate.value = static_cast<double>(k) / static_cast<double>(n);
  estimate.lower = bounds.lower;
  estimate.upper = bounds.upper;
  return estimate;
}

constexpr std::string_view kAllAimed = "the label of every sample is the target";

int64_t counted(const CellView& cell) {
  int64_t n = 0;
  for (size_t i = 0; i < cell.rows.size(); ++i) n += counts(cell, i) ? 1 : 0;
  return n;
}

// Why nothing can be told of the rightly classified samples of a cell that has none.
std::string_view none_right(const CellView& cell) {
  if (cell.judged == 0) return "no sample has a verdict";
  return counted(cell) == 0 ? kAllAimed : "no sample is rightly classified";
}

Estimate attack_success(const EvidenceView& view, const CellView& cell, double confidence) {
  int64_t right = 0;
  int64_t broken = 0;
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    const std::optional<Verdict>& row = cell.rows[i];
    if (!counts(cell, i)) continue;
    if (!rightly_classified(*row, view.evidence->header.samples[i].label)) continue;
    ++right;
    broken += counts_as_broken(*row) ? 1 : 0;
  }
  return proportion(broken, right, confidence, none_right(cell));
}

Estimate median_distance(const EvidenceView& view, const CellView& cell, double confidence) {
  std::vector<double> values;
  for (const std::optional<double>& distance : distances(view, cell)) {
    if (distance) values.push_back(*distance);
  }
  Estimate estimate;
  estimate.n = static_cast<int64_t>(values.size());
  if (values.empty()) {
    estimate.reason = none_right(cell);
    return estimate;
  }
  const MedianBounds bounds = median_bounds(std::move(values), confidence);
  estimate.value = bounds.value;
  estimate.lower = bounds.lower;
  estimate.upper = bounds.upper;
  return estimate;
}

/// The entry's name: `pgd` of `pgd@0.1`.
std::string_view entry_of(std::string_view cell) { return cell.substr(0, cell.find('@')); }

CurvePoint point(double eps, int64_t robust, int64_t n, double confidence) {
  const Interval bounds = clopper_pearson(robust, n, confidence);
  return {eps, static_cast<double>(robust) / static_cast<double>(n), bounds.lower, bounds.upper};
}

/// Radii at which a minimum-norm curve is drawn: evenly up to the largest distance found, and where
/// the suite reads it.
std::set<double> curve_radii(const EvidenceView& view, const CellView& cell,
                             const std::vector<double>& found) {
  constexpr int kPoints = 40;
  double most = 0;
  for (const double distance : found) {
    if (std::isfinite(distance)) most = std::max(most, distance);
  }
  std::set<double> radii = {0};
  for (int i = 1; i < kPoints && most > 0; ++i) radii.insert(most * i / (kPoints - 1));
  for (const CellView& other : view.cells) {
    const CellHeader& header = *other.header;
    if (header.minimum_norm && header.threat.eps && header.attack == cell.header->attack &&
        entry_of(header.name) == entry_of(cell.header->name)) {
      radii.insert(*header.threat.eps);
    }
  }
  return radii;
}

std::vector<CurvePoint> minimum_norm_curve(const EvidenceView& view, const CellView& cell,
                                           double confidence) {
  std::vector<CurvePoint> curve;
  const int64_t n = counted(cell);
  if (n == 0) return curve;
  std::vector<double> found;
  for (const std::optional<double>& distance : distances(view, cell)) {
    if (distance) found.push_back(*distance);
  }
  const Header& header = view.evidence->header;
  const int64_t d = std::accumulate(header.shape.begin(), header.shape.end(), int64_t{1},
                                    std::multiplies<int64_t>());
  for (const double eps : curve_radii(view, cell, found)) {
    ThreatModel threat = cell.header->threat;
    threat.eps = eps;
    const double radius = ball_radius(threat, d, header.float64);
    const auto robust = std::count_if(found.begin(), found.end(),
                                      [&](double distance) { return distance > radius; });
    curve.push_back(point(eps, robust, n, confidence));
  }
  return curve;
}

}  // namespace

std::vector<std::string> metrics_of(const CellHeader& cell) {
  if (cell.family == Family::kMembership) {
    return {"auc", "advantage", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001", "epsilon_lower"};
  }
  if (cell.family == Family::kExtraction) return extraction_metrics(cell.params);
  std::vector<std::string> names = {"clean_accuracy", "attack_success"};
  if (!cell.minimum_norm || cell.threat.eps) names.emplace_back("robust_accuracy");
  if (cell.minimum_norm) names.emplace_back("median_distance");
  return names;
}

Estimate share(const std::vector<Fact>& facts, double confidence) {
  const auto yes = std::count(facts.begin(), facts.end(), Fact::kYes);
  const auto no = std::count(facts.begin(), facts.end(), Fact::kNo);
  return proportion(yes, yes + no, confidence, "no sample has a verdict");
}

std::optional<Estimate> measure(std::string_view metric, const EvidenceView& view,
                                const CellView& cell, double confidence) {
  const std::vector<std::string> names = metrics_of(*cell.header);
  if (std::find(names.begin(), names.end(), metric) == names.end()) return std::nullopt;
  if (cell.header->family == Family::kMembership) {
    return measure_membership(metric, view, cell, confidence);
  }
  if (cell.header->family == Family::kExtraction) {
    return estimate_of(extraction_figure(extraction_metric(metric), cell, confidence));
  }
  if (metric == "clean_accuracy") return share(view.clean, confidence);
  if (metric == "robust_accuracy") {
    Estimate robust = share(robust_facts(cell), confidence);
    if (robust.n == 0) robust.reason = none_right(cell);
    return robust;
  }
  if (metric == "attack_success") return attack_success(view, cell, confidence);
  return median_distance(view, cell, confidence);
}

Estimate reportable(Estimate estimate) {
  if (estimate.value && !std::isfinite(*estimate.value)) {
    estimate.value.reset();
    estimate.reason = "half or more of the rightly classified samples were never broken";
  }
  if (estimate.lower && !std::isfinite(*estimate.lower)) estimate.lower.reset();
  if (estimate.upper && !std::isfinite(*estimate.upper)) estimate.upper.reset();
  return estimate;
}

std::vector<CurvePoint> security_curve(const EvidenceView& view, const CellView& cell,
                                       double confidence) {
  if (cell.header->family != Family::kEvasion) return {};
  if (cell.header->minimum_norm) return minimum_norm_curve(view, cell, confidence);
  std::map<double, CurvePoint> points;
  for (const CellView& other : view.cells) {
    const CellHeader& header = *other.header;
    if (header.family != Family::kEvasion || header.minimum_norm || !header.threat.eps) continue;
    if (entry_of(header.name) != entry_of(cell.header->name)) continue;
    const Estimate robust = share(robust_facts(other), confidence);
    if (!robust.value) continue;
    points[*header.threat.eps] = {*header.threat.eps, *robust.value, *robust.lower, *robust.upper};
  }
  if (points.size() < 2) return {};
  std::vector<Fact> unattacked = view.clean;
  for (size_t i = 0; i < unattacked.size(); ++i) {
    if (cell.aimed[i]) unattacked[i] = Fact::kUnknown;
  }
  const Estimate clean = share(unattacked, confidence);
  if (clean.value && !points.contains(0)) {
    points[0] = {0, *clean.value, *clean.lower, *clean.upper};
  }
  std::vector<CurvePoint> curve;
  for (const auto& [eps, at] : points) curve.push_back(at);
  return curve;
}

std::vector<StageCount> stage_counts(const EvidenceView& view, const CellView& cell) {
  std::vector<StageCount> stages;
  int64_t survivors = 0;
  std::map<std::string_view, int64_t> broken;
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    const std::optional<Verdict>& row = cell.rows[i];
    if (!counts(cell, i)) continue;
    if (!rightly_classified(*row, view.evidence->header.samples[i].label)) continue;
    ++survivors;
    if (counts_as_broken(*row)) ++broken[breaking_stage(*row)];
  }
  for (const std::string& name : cell.header->stages) {
    stages.push_back({name, survivors, broken[name]});
    survivors -= broken[name];
  }
  return stages;
}

std::vector<ClassRow> class_rows(const EvidenceView& view, const CellView& cell) {
  std::map<int64_t, ClassRow> rows;
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    const std::optional<Verdict>& row = cell.rows[i];
    if (!counts(cell, i)) continue;
    const int64_t label = view.evidence->header.samples[i].label;
    ClassRow& of_class = rows[label];
    of_class.label = label;
    ++of_class.n;
    of_class.clean += rightly_classified(*row, label) ? 1 : 0;
    of_class.robust += row->status == Status::kRobust ? 1 : 0;
  }
  std::vector<ClassRow> table;
  for (const auto& [label, row] : rows) table.push_back(row);
  return table;
}

Cost total_cost(const EvidenceView& view, const CellView& cell) {
  Cost total;
  for (const std::string& key : cell.header->units) {
    const auto unit = view.units.find(key);
    if (unit == view.units.end()) continue;
    const Cost& cost = unit->second->cost;
    total.time_s += cost.time_s;
    total.forwards += cost.forwards;
    total.gradients += cost.gradients;
    total.judged += cost.judged;
  }
  return total;
}

}  // namespace assay

// What bounds of one model's ROC and of two models' share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "harness/gate/roc.h"
#include "harness/gate/statistics.h"

namespace assay {

/// The largest region with at most k non-members, as its place among the points. k >= 0.
size_t region(const Roc& roc, int64_t k);

/// False positives that an FPR of at most `fpr` allows.
int64_t allowed_positives(const Roc& roc, double fpr);

/// The threshold of the region that TPR at this FPR claims.
inline double threshold_at(const Roc& roc, double fpr) {
  return roc.points[region(roc, allowed_positives(roc, fpr))].threshold;
}

/// TPR at the region that the point at this place claims.
double tpr_of(const Roc& roc, size_t at);

/// The regions that an FPR may mean, as places among the points: the largest whose FPR is certainly
/// no more than that (the first point, which claims none, if none is certain), the largest of these
/// records, and the largest whose FPR is possibly no more; inner <= claimed <= outer. `down` and
/// `up` are the shares of the members by which one step between them is higher than a continuous
/// ROC's, as where members tie or crowd between two non-members as its slope does not explain; else
/// 0.
struct Regions {
  size_t inner = 0;
  size_t claimed = 0;
  size_t outer = 0;
  double down = 0;
  double up = 0;
};
Regions regions_at(const Roc& roc, double fpr, double confidence);

/// Under so many records of a set, variances are found too small too often for Student's t.
inline constexpr double kFewRecords = 20;

/// The least factor of the number of records, of 1 and more, that decides; infinite if none does.
double growth_until(const std::function<bool(double factor)>& decides);

/// mean_bounds, were there `factor` times as many of these values: of so many copies, and beyond
/// 200 values as bounds close in, as the root of their number.
Interval grown_mean_bounds(const std::vector<double>& values, double confidence, double factor);

/// True if scores take few values, at most three quarters as many as there are records. Variances
/// are then found too small, and 0 where all tie.
bool tie_much(const ScoreSets& scores);

}  // namespace assay

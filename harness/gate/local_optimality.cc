// How near the nearest points that an attack found are to the nearest that the run knows.
#include <algorithm>
#include <cmath>

#include "harness/gate/diagnosis.h"
#include "harness/gate/metrics.h"
#include "harness/gate/pairing.h"

namespace assay {
namespace {

/// Lowers `best` to the distances of the cell's points; without a point a sample keeps what it has.
void take_nearer(const CellView& cell, std::vector<double>& best) {
  for (size_t i = 0; i < best.size() && i < cell.rows.size(); ++i) {
    const std::optional<Verdict>& row = cell.rows[i];
    if (!row || (row->status != Status::kBroken && row->status != Status::kRobust)) continue;
    if (row->distance < best[i]) best[i] = row->distance;
  }
}

}  // namespace

std::optional<Estimate> local_optimality(const EvidenceView& view, const CellView& cell) {
  if (!cell.header->minimum_norm) return std::nullopt;
  Estimate estimate;
  const std::vector<std::optional<double>> found = distances(view, cell);
  std::vector<double> best(found.size(), std::numeric_limits<double>::infinity());
  bool rivals = false;
  for (const CellView& other : view.cells) {
    if (other.header->family != Family::kEvasion || other.header->threat.unbounded) continue;
    if (!same_threat(*other.header, *cell.header)) continue;
    take_nearer(other, best);
    rivals = rivals || entry_of(*other.header) != entry_of(*cell.header);
  }
  double most = 0;  // the largest of the best known distances
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) continue;
    ++estimate.n;
    if (std::isfinite(best[i])) most = std::max(most, best[i]);
  }
  double excess = 0, room = 0;  // areas over the number of samples
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) continue;
    const double nearest = std::min(best[i], most);
    excess += std::max(std::min(*found[i], most) - nearest, 0.0);
    room += most - nearest;
  }
  if (!rivals) {
    estimate.reason = "no other attack of the run has this threat model";
  } else if (room == 0) {
    estimate.reason = "the best known distances do not differ";
  } else {
    estimate.value = 1 - excess / room;
  }
  return estimate;
}

}  // namespace assay

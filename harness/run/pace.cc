#include "harness/run/pace.h"

#include <algorithm>

namespace assay {

double work_of(const Plan& plan, const Unit& unit) {
  const auto rows = static_cast<double>(unit.end - unit.begin);
  const auto budget = [&] {
    const std::vector<Steal>& steals = plan.audits[unit.audit].steals;
    const auto place = static_cast<size_t>(std::max<int64_t>(unit.shadow, 0));
    return place < steals.size() ? static_cast<double>(steals[place].budget) : 1000.0;
  };
  switch (unit.kind) {
    case Unit::Kind::kClean:
    case Unit::Kind::kOutputs:
      return rows;
    case Unit::Kind::kBlock:
      return 100 * rows;
    case Unit::Kind::kTrain: {
      // A step costs about three forwards.
      const Audit& audit = plan.audits[unit.audit];
      const auto half = static_cast<double>(audit.training.size()) / 2;
      const auto wanted = static_cast<double>(audit.shadows.train_records);
      return 3 * (wanted > 0 ? wanted : half) * static_cast<double>(audit.shadows.recipe.epochs);
    }
    case Unit::Kind::kSteal:
      return 3 * 30 * budget();
    case Unit::Kind::kReplay:
      return budget();
    case Unit::Kind::kBoundary:
      return 2500 * rows;
    case Unit::Kind::kFeatures:
      return 0.1 * rows;
    case Unit::Kind::kTransfer:
      return 60 * rows;
    case Unit::Kind::kScore:
      return 0.1 * static_cast<double>(plan.audits[unit.audit].records.size());
  }
  return rows;
}

void Pace::expect(const Unit& unit, double work) {
  Sum& sum = sums_[{unit.kind, unit.entry}];
  sum.left += work;
  ++sum.units;
}

void Pace::finish(const Unit& unit, double work, double time_s) {
  Sum& sum = sums_[{unit.kind, unit.entry}];
  sum.left -= work;
  --sum.units;
  sum.done += work;
  sum.time_s += time_s;
}

double Pace::left_s(int workers) const {
  // Seconds per work: of the entry's units of the kind, else of the kind, else of all.
  std::map<Unit::Kind, Sum> kinds;
  Sum all;
  for (const auto& [key, sum] : sums_) {
    for (Sum* to : {&kinds[key.first], &all}) {
      to->done += sum.done;
      to->time_s += sum.time_s;
    }
  }
  double left = 0;
  for (const auto& [key, sum] : sums_) {
    if (sum.units == 0) continue;
    const Sum& kind = kinds.at(key.first);
    const Sum& known = sum.done > 0 ? sum : kind.done > 0 ? kind : all;
    if (known.done <= 0) continue;
    const auto busy = static_cast<double>(std::clamp<int64_t>(workers, 1, sum.units));
    left += sum.left * known.time_s / known.done / busy;
  }
  return left;
}

}  // namespace assay

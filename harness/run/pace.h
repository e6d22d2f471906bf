// How long the rest of a run takes, from what its finished units took. Private to this room.
#pragma once

#include <map>
#include <utility>

#include "harness/run/plan.h"

namespace assay {

/// Forwards of one row that a unit costs, roughly: by a fixed formula, since a training takes a
/// hundred times as long as outputs do. Only ratios count, and only until units of the kind are
/// done.
double work_of(const Plan& plan, const Unit& unit);

/// Adds up what is left. Units of one kind and entry take time in proportion to their work.
class Pace {
 public:
  void expect(const Unit& unit, double work);
  /// One of the expected units took so long.
  void finish(const Unit& unit, double work, double time_s);
  /// Seconds until all expected units are done; 0 as long as none is.
  double left_s(int workers) const;

 private:
  struct Sum {
    double done = 0;  // work
    double time_s = 0;
    double left = 0;    // work
    int64_t units = 0;  // left
  };
  std::map<std::pair<Unit::Kind, size_t>, Sum> sums_;
};

}  // namespace assay

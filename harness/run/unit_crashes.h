// What crashed earlier attempts at a unit. Private to this room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/model/crash.h"

namespace assay {

/// Crashes of earlier attempts at one unit. It then goes row by row: a row's result does not depend
/// on the others.
class UnitCrashes {
 public:
  UnitCrashes(const std::vector<Crash>& crashes, const std::string& unit)
      : enough_(crashes.size() >= kMost) {
    for (const Crash& crash : crashes) {
      if (crash.work == unit) mine_.push_back(crash);
    }
  }
  bool any() const { return !mine_.empty(); }
  // Why this row of the unit is not tried again, or "".
  std::string reason(int64_t row) const {
    for (const Crash& crash : mine_) {
      if (crash.row == row) return "the model crashed the process (" + crash.signal + ")";
    }
    if (enough_ && any()) {
      return "not tried: the model had crashed the process " + std::to_string(kMost) + " times";
    }
    return "";
  }

 private:
  static constexpr size_t kMost = 32;  // each costs a start of the process
  std::vector<Crash> mine_;
  bool enough_;
};

}  // namespace assay

#include "harness/record/early_end.h"

#include <unordered_set>

namespace assay {

void end_at_clean_pass(Evidence* evidence, const std::string& reason) {
  const std::vector<std::string>& keys = evidence->header.clean_units;
  const std::unordered_set<std::string> clean(keys.begin(), keys.end());
  std::erase_if(evidence->units,
                [&clean](const UnitResult& unit) { return !clean.contains(unit.key); });
  evidence->ended_early = reason;
  evidence->interrupted.clear();
}

}  // namespace assay

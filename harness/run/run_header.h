// What a run says of itself before it looks into the model.
#pragma once

#include <vector>

#include "harness/model/model.h"
#include "harness/record/evidence.h"
#include "harness/run/audit.h"
#include "harness/suite/suite.h"

namespace assay {

/// The header of a run but for cells, units and flags. `sets` may be null.
Header run_header(const Suite& suite, const FileIdentity& model,
                  const std::vector<SampleInfo>& samples, const Platform& platform,
                  const RecordSets* sets);

}  // namespace assay

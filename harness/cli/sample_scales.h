// The files that `sample_scale:` names, read and held against the attacks they are for.
#pragma once

#include <vector>

#include "harness/model/attack.h"
#include "harness/record/evidence.h"
#include "harness/run/plan.h"
#include "harness/suite/suite.h"

namespace assay {

/// The shares of eps of all `samples`, by `sample_scale:` as spelt. Throws Error (kUsage) with the
/// place in the suite for a file that does not exist, and with the place in the file for shares
/// that are not in order, leave a sample less than one entry (l0), or an eps that an attack's
/// parameters do not go with.
SampleScales read_sample_scales(const Suite& suite, const std::vector<SampleInfo>& samples,
                                const std::vector<Attack>& attacks);

}  // namespace assay

// Training of shadow models, each in a process of its own. Private to this room.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/model/rng.h"
#include "harness/record/store.h"
#include "harness/run/plan.h"
#include "harness/run/run.h"

namespace assay {

/// The seed of one training of many.
uint64_t training_seed(const Rng& seeds, int64_t training);
/// The seed of a shadow's.
uint64_t shadow_seed(const Suite& suite, int64_t shadow);

/// Trains the shadows of these kTrain units, up to options.workers at once, and calls `done` with
/// each result as it comes; the shadow itself goes to the store's blobs. Training draws from the
/// process's generator, so that each has a fork of this process; no other thread of it may be at
/// work meanwhile. Returns why it stopped before the end, or "". Throws Error where training itself
/// fails.
std::string train_shadows(const Suite& suite, const Plan& plan,
                          const std::vector<const Unit*>& units, const RunOptions& options,
                          Store* store, const std::function<void(UnitResult)>& done);

}  // namespace assay

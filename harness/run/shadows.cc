#include "harness/run/shadows.h"

#include <chrono>
#include <csignal>
#include <cstring>

#include "harness/run/forks.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

Told train_one(const Suite& suite, const Plan& plan, const Unit& unit) {
  const Clock::time_point start = Clock::now();
  const Audit& audit = plan.audits[unit.audit];
  const ReadRecords read = [&audit](std::span<const int64_t> rows) {
    std::vector<RecordRef> records;
    for (const int64_t row : rows) records.push_back(audit.training[static_cast<size_t>(row)]);
    return read_records(records);
  };
  Shadow shadow = train_shadow(*audit.architecture, suite.model, audit.shadows.recipe, read,
                               trained_on(audit, unit.shadow), shadow_seed(suite, unit.shadow));
  const double time_s = std::chrono::duration<double>(Clock::now() - start).count();
  return {{"accuracy", number_text(shadow.accuracy)},
          {"time_s", number_text(time_s)},
          {"shadow", std::move(shadow.bytes)}};
}

std::string shadow_name(const Unit& unit) {
  return "training shadow " + std::to_string(unit.shadow) + " of " + unit.cell;
}

UnitResult shadow_result(const Suite& suite, const Unit& unit, const Ended& ended, Store* store) {
  if (ended.signal != 0) {
    throw Error(suite.attacks[unit.entry].where,
                shadow_name(unit) + " was ended by SIG" + sigabbrev_np(ended.signal) +
                    "; say `architecture: cnn` to train a network of ours instead");
  }
  UnitResult result;
  result.key = unit.key;
  result.cell = unit.cell;
  Fidelity fidelity;
  fidelity.shadows = 1;
  fidelity.shadow_members = std::stod(ended.told.at("accuracy"));
  result.fidelity = fidelity;
  result.cost.time_s = std::stod(ended.told.at("time_s"));
  result.tensors = store->put_blob(ended.told.at("shadow"));
  return result;
}

}  // namespace

uint64_t training_seed(const Rng& seeds, int64_t training) {
  return static_cast<uint64_t>(seeds.uniform(static_cast<uint64_t>(training), 0, 0) * 0x1.0p53);
}

uint64_t shadow_seed(const Suite& suite, int64_t shadow) {
  return training_seed(Rng(suite.seed, "train", 0), shadow);
}

std::string train_shadows(const Suite& suite, const Plan& plan,
                          const std::vector<const Unit*>& units, const RunOptions& options,
                          Store* store, const std::function<void(UnitResult)>& done) {
  return run_forked(
      suite, units, options, shadow_name,
      [&](const Unit& unit) { return train_one(suite, plan, unit); },
      [&](const Unit& unit, const Ended& ended) {
        done(shadow_result(suite, unit, ended, store));
      });
}

}  // namespace assay

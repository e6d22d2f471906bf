// A run's adversarials: saved, united and shown.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/model/dataset.h"
#include "harness/record/evidence.h"
#include "harness/record/safetensors.h"
#include "harness/record/store.h"
#include "reports/report.h"

namespace assay {

/// Points by `cell/sample`, each read when it is asked for: there may be more of them than memory
/// holds.
struct Adversarials {
  std::vector<ArrayInfo> arrays;
  std::function<std::string(size_t)> bytes_of;  ///< the values of arrays[i]; throws Error
};

enum class Save { kRegressed, kAll, kNone };

/// What a run is to save, in its store, which must outlive it.
Adversarials adversarials_of(const Evidence& evidence, const Decision& decision, const Store& store,
                             Save save);

/// The name of a run folder's.
inline constexpr const char* kAdversarialsFile = "adversarials.safetensors";
/// Those of such a file by name; its header is read at once. None where there is no file. Throws
/// Error (kUsage) for one that is damaged.
Adversarials read_adversarials(const std::filesystem::path& file);
/// Each of these once, the first of those of one name.
Adversarials unite(std::vector<Adversarials> parts);
/// Writes such a file, of those that one file holds; says on stderr how many it leaves out.
void write_adversarials(const std::filesystem::path& file, Adversarials adversarials);

/// The values of arrays[i], which must be F32 or F64.
std::vector<double> values_of(const Adversarials& adversarials, size_t i);

/// Where these samples are in the data set, by id.
std::map<std::string, int64_t> places_of(const Dataset& dataset, const std::set<std::string>& ids);

/// Pictures for the report, of 12 samples at most: regressed ones first, then others that broke.
/// Samples whose adversarial is not at hand, or whose clean input is not what it was, are left out.
std::vector<Picture> choose_pictures(const Evidence& evidence, const Decision& decision,
                                     const Adversarials& adversarials, const Dataset& dataset);

}  // namespace assay

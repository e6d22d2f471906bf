// The files of a run folder. Verdicts and what only the host knows are kept in separate files, so
// that equal verdicts have equal bytes.
#include <system_error>

#include "harness/record/encoding.h"
#include "harness/record/evidence.h"
#include "harness/record/files.h"
#include "harness/record/unmeasured.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Names {
  const char* evidence;
  const char* costs;
};
constexpr Names kCandidate{"evidence.jsonl", "costs.json"};
constexpr Names kBaseline{"baseline.jsonl", "baseline_costs.json"};
constexpr Names kUnmeasured{"unmeasured.jsonl", "unmeasured_costs.json"};

void write_pair(const fs::path& folder, const Names& names, const Evidence& evidence) {
  HostFacts facts;
  facts.suite_folder = evidence.header.suite_folder;
  facts.model_path = evidence.header.model.path;
  for (const UnitResult& unit : evidence.units) facts.costs[unit.key] = unit.cost;
  make_folder(folder);
  // Line by line, since a run may be large. Both texts are on the disk before the first file has
  // its name; the evidence is last because it counts.
  DurableFile file(folder / names.evidence);
  each_line(evidence, [&file](std::string_view line) { file.append(line); });
  write_durably(folder / names.costs, host_text(facts) + "\n");
  file.commit();
}

/// False too where it cannot be looked at: reading it then says why.
bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::exists(file, error);
}

void read_costs(const fs::path& file, Evidence* evidence) {
  if (!is_there(file)) return;
  HostFacts facts;
  try {
    facts = parse_host(read_bytes(file));
  } catch (const Error& error) {
    throw Error(Where{file.string(), 0, 0},
                std::string(error.what()) + "; delete it to read the evidence without costs");
  }
  evidence->header.suite_folder = facts.suite_folder;
  evidence->header.model.path = facts.model_path;
  for (UnitResult& unit : evidence->units) {
    const auto cost = facts.costs.find(unit.key);
    if (cost != facts.costs.end()) unit.cost = cost->second;
  }
}

Evidence read_pair(const fs::path& file, const char* costs) {
  Evidence evidence = parse_evidence(read_bytes(file), file.string());
  if (costs != nullptr) read_costs(file.parent_path() / costs, &evidence);
  return evidence;
}

}  // namespace

void write_evidence(const fs::path& folder, const Evidence& evidence) {
  write_pair(folder, kCandidate, evidence);
}

void write_baseline(const fs::path& folder, const Evidence& baseline) {
  write_pair(folder, kBaseline, baseline);
}

Evidence read_evidence(const fs::path& folder_or_file) {
  std::error_code error;
  if (fs::is_directory(folder_or_file, error)) {
    const fs::path file = folder_or_file / kCandidate.evidence;
    if (is_there(folder_or_file / kUnmeasured.evidence)) {
      throw Error("the run in the folder " + folder_or_file.string() +
                  " measured nothing (assay report shows why); name another");
    }
    if (!is_there(file)) {
      throw Error("the folder " + folder_or_file.string() + " is not a run: it has no " +
                  kCandidate.evidence);
    }
    return read_pair(file, kCandidate.costs);
  }
  const fs::path name = folder_or_file.filename();
  const char* costs = name == kCandidate.evidence  ? kCandidate.costs
                      : name == kBaseline.evidence ? kBaseline.costs
                                                   : nullptr;
  return read_pair(folder_or_file, costs);
}

void remove_baseline(const fs::path& folder) {
  std::error_code absent;
  fs::remove(folder / kBaseline.evidence, absent);
  fs::remove(folder / kBaseline.costs, absent);
}

void write_unmeasured(const fs::path& folder, const Evidence& evidence) {
  write_pair(folder, kUnmeasured, evidence);
}

std::optional<Evidence> read_unmeasured(const fs::path& folder) {
  const fs::path file = folder / kUnmeasured.evidence;
  if (!is_there(file)) return std::nullopt;
  return read_pair(file, kUnmeasured.costs);
}

void remove_unmeasured(const fs::path& folder) {
  std::error_code absent;
  fs::remove(folder / kUnmeasured.evidence, absent);
  fs::remove(folder / kUnmeasured.costs, absent);
}

std::optional<Evidence> read_baseline(const fs::path& folder) {
  const fs::path file = folder / kBaseline.evidence;
  if (!is_there(file)) return std::nullopt;
  return read_pair(file, kBaseline.costs);
}

}  // namespace assay

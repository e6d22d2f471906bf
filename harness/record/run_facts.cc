#include "harness/record/run_facts.h"

#include <nlohmann/json.hpp>

#include "harness/record/files.h"
#include "harness/suite/error.h"

namespace assay {

namespace fs = std::filesystem;

void write_run_facts(const fs::path& folder, const RunFacts& facts) {
  const nlohmann::ordered_json json = {
      {"baseline", facts.baseline}, {"baseline_sha256", facts.baseline_sha256},
      {"started", facts.started},   {"wall_s", facts.wall_s},
      {"workers", facts.workers},   {"suite", facts.suite},
      {"shard", facts.shard},       {"set", facts.set},
      {"unsaved", facts.unsaved},   {"unreported", facts.unreported}};
  // Paths need not be UTF-8.
  const std::string text = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  write_durably(folder / "run.json", text + "\n");
}

RunFacts read_run_facts(const fs::path& folder) {
  RunFacts facts;
  const fs::path file = folder / "run.json";
  if (!fs::exists(file)) return facts;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_bytes(file));
    facts.baseline = json.value("baseline", "");
    facts.baseline_sha256 = json.value("baseline_sha256", "");
    facts.started = json.value("started", "");
    facts.wall_s = json.value("wall_s", 0.0);
    facts.workers = json.value("workers", 0);
    facts.suite = json.value("suite", "");
    facts.shard = json.value("shard", "");
    facts.set = json.value("set", facts.set);
    facts.unsaved = json.value("unsaved", facts.unsaved);
    facts.unreported = json.value("unreported", "");
  } catch (const nlohmann::json::exception& error) {
    throw Error(file.string() + " is damaged: " + error.what() +
                "; delete it to go on without what it tells");
  }
  return facts;
}

std::string told_of_baseline(const RunFacts& facts) {
  if (facts.baseline.empty()) return "without a baseline";
  return facts.baseline == "none" ? "with --baseline none" : "against a baseline";
}

}  // namespace assay

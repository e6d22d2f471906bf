#include "harness/cli/shard.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "harness/record/files.h"
#include "harness/record/scoring.h"
#include "harness/run/score.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

fs::path scoring_file(const fs::path& folder, const std::string& side) {
  return folder / (side + "scoring.json");
}

// The bytes of a tensor that one of the shards has.
std::string find_tensor(const std::vector<std::string>& folders, const std::string& sha) {
  for (const std::string& folder : folders) {
    const fs::path file = fs::path(folder) / "outputs" / sha;
    if (!fs::exists(file)) continue;
    std::string bytes = read_bytes(file);
    if (sha256(bytes) != sha) {
      throw Error(file.string() + " is damaged: its content has another SHA-256 than its name; " +
                  "run that shard again");
    }
    return bytes;
  }
  throw Error("no shard has the logits `" + sha + "` in its folder `outputs`; copy whole folders",
              ExitCode::kIncomplete);
}

}  // namespace

Shard parse_shard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const char* end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, shard.index);
  if (first == std::errc() && slash != end && *slash == '/') {
    const auto [last, second] = std::from_chars(slash + 1, end, shard.count);
    if (second == std::errc() && last == end && shard.count >= 1 && shard.count <= 1000 &&
        shard.index >= 0 && shard.index < shard.count) {
      shard.is_part = true;
      return shard;
    }
  }
  throw Error("--shard is `" + text + "`; write i/n with 0 <= i < n <= 1000, e.g. 0/4");
}

std::string to_text(const Shard& shard) {
  if (!shard.is_part) return "";
  return std::to_string(shard.index) + "/" + std::to_string(shard.count);
}

void keep_for_merge(const fs::path& folder, const std::string& side, const Suite& suite,
                    const Plan& plan, const Evidence& evidence, const Store& store) {
  const std::vector<Scoring> scorings = scorings_of(suite, plan);
  if (scorings.empty()) return;
  write_scoring(scoring_file(folder, side), scorings);
  make_folder(folder / "outputs");
  for (const Scoring& scoring : scorings) {
    for (const Scoring::Part& part : scoring.parts) {
      const UnitResult* unit = evidence.find(part.key);
      if (unit == nullptr) continue;
      const fs::path file = folder / "outputs" / unit->tensors;
      if (!fs::exists(file)) write_durably(file, store.get_blob(unit->tensors));
    }
  }
}

void score_merged(const std::vector<std::string>& folders, const std::string& side,
                  const Suite& suite, const std::vector<Attack>& attacks, Evidence* evidence) {
  std::set<std::string> scored;
  for (const std::string& folder : folders) {
    for (const Scoring& scoring : read_scoring(scoring_file(folder, side))) {
      if (!scored.insert(scoring.cell).second || evidence->find(scoring.key) != nullptr) continue;
      const auto known = [evidence](const std::string& key) {
        return evidence->find(key) != nullptr;
      };
      const bool whole = std::all_of(scoring.trained.begin(), scoring.trained.end(), known) &&
                         std::all_of(scoring.parts.begin(), scoring.parts.end(),
                                     [&](const Scoring::Part& part) { return known(part.key); });
      if (!whole) continue;
      UnitResult result;
      try {
        result = run_score(
            suite, scoring, attacks,
            [evidence](const std::string& key) -> const UnitResult& {
              return *evidence->find(key);
            },
            [&folders](const std::string& sha) { return find_tensor(folders, sha); });
      } catch (const Error& error) {
        if (error.code() != ExitCode::kIncomplete) throw;
        evidence->interrupted = error.what();
        continue;
      }
      for (const CellHeader& cell : evidence->header.cells) {
        if (cell.name != scoring.cell) continue;
        result.index = static_cast<int64_t>(cell.units.size()) - 1;
      }
      evidence->units.push_back(std::move(result));
    }
  }
}

}  // namespace assay

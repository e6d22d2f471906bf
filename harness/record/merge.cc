// Shards → one run: a set union by unit key, so that order and repetition do not matter.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "harness/record/encoding.h"
#include "harness/record/evidence.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr std::string_view kBetween = "; ";
constexpr std::string_view kMissing = "units are missing";

/// Splits what an earlier merge joined, so that merging in steps gives the same text.
void add_reasons(std::set<std::string>* reasons, std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(kBetween), text.size());
    if (end > 0) reasons->emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + kBetween.size(), text.size()));
  }
}

std::string join(const std::set<std::string>& reasons) {
  std::string text;
  for (const std::string& reason : reasons) {
    if (!text.empty()) text += kBetween;
    text += reason;
  }
  return text;
}

auto as_tuple(const Cost& cost) {
  return std::tuple(cost.time_s, cost.forwards, cost.gradients, cost.judged);
}

void add_unit(std::map<std::string, UnitResult>* units, const UnitResult& unit) {
  const auto [place, added] = units->emplace(unit.key, unit);
  if (added) return;
  UnitResult& known = place->second;
  std::string difference = rows_difference(known.rows, unit.rows);
  if (difference.empty() && unit_text(known) != unit_text(unit))
    difference = "cell, diagnosis, scores, extraction or flags";
  if (!difference.empty()) {
    throw Error("nondeterminism: two shards differ in unit " + std::to_string(unit.index) + " of " +
                    (unit.cell.empty() ? "the clean pass" : "cell " + unit.cell) + " (" +
                    unit.key.substr(0, 16) + "), " + difference +
                    "; run the shards again on one kind of machine",
                ExitCode::kIncomplete);
  }
  // Both did the work; any fixed choice keeps the merge independent of order.
  if (as_tuple(known.cost) < as_tuple(unit.cost)) known.cost = unit.cost;
}

/// The lesser of two facts that may differ between shards, where both are known.
void choose(std::string* known, const std::string& other) {
  if (known->empty() || (!other.empty() && other < *known)) *known = other;
}

/// Units in the order of the header.
std::vector<UnitResult> in_order(const Header& header, std::map<std::string, UnitResult> by_key) {
  std::vector<UnitResult> units;
  const auto take = [&](const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      const auto found = by_key.find(key);
      if (found == by_key.end()) continue;
      units.push_back(std::move(found->second));
      by_key.erase(found);
    }
  };
  take(header.clean_units);
  for (const CellHeader& cell : header.cells) take(cell.units);
  ASSAY_CHECK(by_key.empty(), "a shard holds a unit that its header does not list");
  return units;
}

bool clean_pass_is_whole(const Evidence& evidence) {
  return std::all_of(evidence.header.clean_units.begin(), evidence.header.clean_units.end(),
                     [&](const std::string& key) { return evidence.find(key) != nullptr; });
}

}  // namespace

Evidence merge(const std::vector<Evidence>& shards) {
  if (shards.empty()) throw Error("nothing to merge; name the folders of the shards");
  Evidence merged;
  merged.header = shards.front().header;
  std::map<std::string, UnitResult> units;
  std::set<std::string> interrupted;
  std::set<std::string> ended_early;
  for (const Evidence& shard : shards) {
    const std::string difference = header_difference(merged.header, shard.header);
    if (!difference.empty()) throw Error("the shards are not of one run: " + difference);
    choose(&merged.header.suite, shard.header.suite);
    choose(&merged.header.suite_folder, shard.header.suite_folder);
    choose(&merged.header.model.path, shard.header.model.path);
    for (const UnitResult& unit : shard.units) add_unit(&units, unit);
    add_reasons(&interrupted, shard.interrupted);
    add_reasons(&ended_early, shard.ended_early);
  }
  merged.units = in_order(merged.header, std::move(units));
  if (merged.complete()) return merged;

  merged.ended_early = join(ended_early);
  // A run that ended by itself is final once its clean pass is whole; what stopped a shard before
  // it came to the same end no longer matters.
  if (!merged.ended_early.empty() && clean_pass_is_whole(merged)) return merged;
  interrupted.erase(std::string(kMissing));
  merged.interrupted = interrupted.empty() ? kMissing : join(interrupted);
  return merged;
}

}  // namespace assay

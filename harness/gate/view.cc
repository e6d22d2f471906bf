#include "harness/gate/view.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

bool host_fault(const Verdict& row) {
  return row.status == Status::kError && row.cause != Cause::kCandidate;
}

void view_clean(EvidenceView& view) {
  const std::vector<SampleInfo>& samples = view.evidence->header.samples;
  view.clean.assign(samples.size(), Fact::kUnknown);
  for (const std::string& key : view.evidence->header.clean_units) {
    const auto unit = view.units.find(key);
    if (unit == view.units.end()) continue;
    for (const Verdict& row : unit->second->rows) {
      if (row.sample < 0 || row.sample >= static_cast<int64_t>(samples.size())) continue;
      if (host_fault(row)) continue;
      const size_t at = static_cast<size_t>(row.sample);
      const bool fault = row.status == Status::kError;
      if (fault) view.faults.push_back({"", "", row.sample, "", "", row.detail});
      view.clean[at] = !fault && row.clean == samples[at].label ? Fact::kYes : Fact::kNo;
    }
  }
  view.clean_complete = std::none_of(view.clean.begin(), view.clean.end(),
                                     [](Fact fact) { return fact == Fact::kUnknown; });
}

/// The sets hold the most that any cell audits, so that a cell's records are those it scored.
void view_scores(const CellHeader& header, EvidenceView& view, CellView& cell) {
  const Header& run = view.evidence->header;
  for (const std::string& key : header.units) {
    const auto unit = view.units.find(key);
    if (unit != view.units.end() && !unit->second->scores.empty()) cell.scored = unit->second;
  }
  cell.complete = cell.complete && cell.scored != nullptr;
  cell.counts.total =
      static_cast<int64_t>(audited(run, header, true).size() + audited(run, header, false).size());
  if (cell.scored == nullptr) return;
  cell.counts.total = static_cast<int64_t>(cell.scored->scores.size());
  for (const Score& score : cell.scored->scores) {
    const auto records = static_cast<int64_t>(audited(run, header, score.member).size());
    if (score.record < 0 || score.record >= records) continue;  // of no record: it is missing
    ++cell.judged;
    const bool usable = !score.failed && std::isfinite(score.score);
    ++(usable ? cell.counts.ok : cell.counts.error);
    if (usable) continue;
    view.faults.push_back({header.name, header.sets.at(score.member ? "members" : "non_members"),
                           score.record, "", "", "no finite output"});
  }
  cell.complete = cell.complete && cell.judged == cell.counts.total;
  const auto pool = header.sets.find("pool");
  const std::string name = pool == header.sets.end() ? "pool" : pool->second;
  for (const std::string& id : cell.scored->failed_pool) {
    view.faults.push_back({header.name, name, 0, id, "", "no finite output"});
    ++cell.counts.total;
    ++cell.counts.error;
    ++cell.judged;
  }
}

void view_extraction(const CellHeader& header, EvidenceView& view, CellView& cell) {
  for (const std::string& key : header.units) {
    const auto unit = view.units.find(key);
    if (unit == view.units.end()) continue;
    // A unit that steals knows nothing of the test set yet.
    const std::optional<Extracted>& extracted = unit->second->extracted;
    if (extracted && !extracted->candidate.empty()) cell.scored = unit->second;
    for (const Monitored& monitored : unit->second->monitored) {
      if (monitored.failure.empty()) continue;
      view.faults.push_back({header.name, "", 0, "",
                             "monitors, seed " + std::to_string(monitored.seed),
                             monitored.failure});
      ++cell.counts.error;
    }
  }
  cell.complete = cell.complete && cell.scored != nullptr;
  const auto name = header.sets.find("test");
  const auto set = name == header.sets.end() ? view.evidence->header.sets.end()
                                             : view.evidence->header.sets.find(name->second);
  if (set != view.evidence->header.sets.end()) {
    cell.counts.total = static_cast<int64_t>(set->second.size());
  }
  if (cell.scored == nullptr) return;
  const Extracted& extracted = *cell.scored->extracted;
  cell.counts.total = static_cast<int64_t>(extracted.candidate.size());
  cell.counts.ok = cell.counts.total;
  cell.judged = cell.counts.total;
  for (const Stolen& stolen : extracted.stolen) {
    if (stolen.failure.empty()) continue;
    ++cell.counts.error;
    view.faults.push_back(
        {header.name, "", 0, "",
         "budget " + std::to_string(stolen.budget) + ", seed " + std::to_string(stolen.seed),
         stolen.failure});
  }
}

std::vector<bool> aimed_samples(const ThreatModel& threat, const std::vector<SampleInfo>& samples) {
  std::vector<bool> aimed(samples.size(), false);
  if (threat.goal != Goal::kTargeted || threat.target.kind != Target::Kind::kLabel) return aimed;
  for (size_t i = 0; i < aimed.size(); ++i) aimed[i] = samples[i].label == threat.target.label;
  return aimed;
}

CellView view_cell(const CellHeader& header, EvidenceView& view) {
  CellView cell;
  cell.header = &header;
  cell.counts.total = static_cast<int64_t>(view.evidence->header.samples.size());
  cell.complete = std::all_of(header.units.begin(), header.units.end(),
                              [&](const auto& key) { return view.units.contains(key); });
  if (header.family == Family::kMembership) view_scores(header, view, cell);
  if (header.family == Family::kExtraction) view_extraction(header, view, cell);
  if (header.family != Family::kEvasion) return cell;
  cell.rows = view.evidence->rows(header);
  cell.rows.resize(view.evidence->header.samples.size());
  cell.aimed = aimed_samples(header.threat, view.evidence->header.samples);
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    std::optional<Verdict>& row = cell.rows[i];
    if (row && host_fault(*row)) row.reset();
    if (!row) continue;
    ++cell.judged;
    switch (row->status) {
      case Status::kRobust:
      case Status::kBroken:
      case Status::kMisclassified:
        ++cell.counts.ok;
        break;
      case Status::kInvalid:
        ++cell.counts.invalid;
        break;
      case Status::kUnconfirmed:
        ++cell.counts.unconfirmed;
        break;
      case Status::kError:
        ++cell.counts.error;
        view.faults.push_back({header.name, "", static_cast<int64_t>(i), "", "", row->detail});
        break;
    }
  }
  cell.complete = cell.complete && cell.judged == cell.counts.total;
  return cell;
}

}  // namespace

const CellView* EvidenceView::find(std::string_view name) const {
  const auto at = std::find_if(cells.begin(), cells.end(),
                               [&](const CellView& cell) { return cell.header->name == name; });
  return at == cells.end() ? nullptr : &*at;
}

EvidenceView view_evidence(const Evidence& evidence) {
  EvidenceView view;
  view.evidence = &evidence;
  for (const UnitResult& unit : evidence.units) view.units.emplace(unit.key, &unit);
  view_clean(view);
  for (const CellHeader& header : evidence.header.cells) {
    view.cells.push_back(view_cell(header, view));
  }
  return view;
}

const std::vector<SampleInfo>& audited(const Header& header, const CellHeader& cell, bool member) {
  static const std::vector<SampleInfo> none;
  const auto name = cell.sets.find(member ? "members" : "non_members");
  if (name == cell.sets.end()) return none;
  const auto set = header.sets.find(name->second);
  return set == header.sets.end() ? none : set->second;
}

bool counts(const CellView& cell, size_t sample) {
  return cell.rows[sample] && !cell.aimed[sample];
}

bool rightly_classified(const Verdict& row, int64_t label) {
  switch (row.status) {
    case Status::kMisclassified:
      return false;
    case Status::kError:
      return row.clean < 0 || row.clean == label;
    default:
      return true;
  }
}

bool counts_as_broken(const Verdict& row) {
  return row.status == Status::kBroken || row.status == Status::kError;
}

bool untried(const CellView& cell, size_t sample) {
  const std::optional<Verdict>& row = cell.rows[sample];
  return row && row->status == Status::kRobust && row->queries == 0 && !cell.aimed[sample];
}

int64_t count_untried(const CellView& cell) {
  int64_t count = 0;
  for (size_t i = 0; i < cell.rows.size(); ++i) count += untried(cell, i) ? 1 : 0;
  return count;
}

std::vector<Fact> robust_facts(const CellView& cell) {
  std::vector<Fact> facts(cell.rows.size(), Fact::kUnknown);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (!counts(cell, i)) continue;
    facts[i] = cell.rows[i]->status == Status::kRobust ? Fact::kYes : Fact::kNo;
  }
  return facts;
}

std::vector<std::optional<double>> distances(const EvidenceView& view, const CellView& cell) {
  std::vector<std::optional<double>> found(cell.rows.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const std::optional<Verdict>& row = cell.rows[i];
    if (!counts(cell, i)) continue;
    if (!rightly_classified(*row, view.evidence->header.samples[i].label)) continue;
    const bool measured = row->status == Status::kRobust || row->status == Status::kBroken;
    found[i] = measured && !std::isnan(row->distance) ? row->distance : 0;
  }
  return found;
}

}  // namespace assay

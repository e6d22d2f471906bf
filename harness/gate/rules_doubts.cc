// Rules that passed, judged once more with what a pass must not rest on: samples that no query
// tried or to which no gradient led, and samples that count as broken because the baseline failed
// on them.
#include <algorithm>
#include <limits>

#include "harness/gate/rules_internal.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

/// Names of what the cell's points come from; "" among them for the corpus.
std::vector<std::string> sources_of(const CellHeader& cell) {
  std::vector<std::string> sources;
  for (const auto& [name, value] : cell.params) {
    const auto* source = std::get_if<std::string>(&value);
    if (source == nullptr || (name != "source" && !name.ends_with(".source"))) continue;
    sources.push_back(*source);
  }
  // Stages that name none have the corpus.
  sources.resize(std::max({sources.size(), cell.stages.size(), size_t{1}}));
  return sources;
}

/// Attacked, at this radius or to its nearest point, by gradients each of which held NaN or
/// infinity: its row says so.
bool blind(const std::optional<Verdict>& row) {
  const bool measured = row && (row->status == Status::kRobust || row->status == Status::kBroken);
  return measured && row->queries > 0 && !row->detail.empty();
}

/// True if every source is a cell of this run that tried the sample and left it standing: then
/// there was nothing to try, which is an answer.
bool withstood_sources(const EvidenceView& view, const CellView& cell, size_t sample) {
  const std::vector<std::string> sources = sources_of(*cell.header);
  return std::all_of(sources.begin(), sources.end(), [&](const std::string& name) {
    const CellView* source = view.find(name);
    if (source == nullptr || source == &cell || sample >= source->rows.size()) return false;
    const std::optional<Verdict>& row = source->rows[sample];
    return row && row->status == Status::kRobust && !untried(row) && !blind(row);
  });
}

RuleResult::Verdict judged_again(const RuleSpec& rule, const Trial& trial) {
  Judgement again;
  if (is_paired(rule.kind)) {
    judge_paired(rule, trial, again);
  } else {
    judge_absolute(rule, trial, again.result);
  }
  return again.result.verdict;
}

}  // namespace

void doubt_standing(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  if (result.verdict != Outcomes::kPass || trial.cell->header->family != Family::kEvasion) return;
  CellView cell = *trial.cell;
  int64_t unsent = 0, unled = 0;
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    std::optional<Verdict>& row = cell.rows[i];
    const bool no_way = blind(row);
    const bool no_query = !is_paired(rule.kind) && untried(row) &&
                          !withstood_sources(*trial.candidate, *trial.cell, i);
    if (!no_way && !no_query) continue;
    row->status = Status::kBroken;
    row->distance = 0;
    ++(no_way ? unled : unsent);
  }
  Trial strict = trial;
  strict.cell = &cell;
  if (unsent + unled == 0 || judged_again(rule, strict) == Outcomes::kPass) return;
  const std::string of = " of " + std::to_string(cell.rows.size());
  const std::string broken = "; " + limit_text(rule) + " does not hold if they break";
  if (unled > 0) {
    settle(
        result, Outcomes::kInconclusive,
        "every gradient of the attack held NaN or infinity at " + count(unled, "sample") + of +
            (unsent > 0 ? ", and sent no query at " + std::to_string(unsent) : "") + broken,
        "look for log, sqrt or division at 0 and for a NaN that torch.where hides, or gate on an "
        "attack with score access");
    return;
  }
  settle(result, Outcomes::kInconclusive,
         count(unsent, "sample") + of +
             " stand that no query tried, for want of a point in the corpus or the source" + broken,
         "give the source points of these samples, draw those that it has (`sample: {ids: …}`), or "
         "gate on an attack that needs none");
}

void doubt_failed_baseline(const RuleSpec& rule, const Trial& trial, Judgement& judgement) {
  if (judgement.result.verdict != Outcomes::kPass) return;
  const bool of_clean = rule.metric == "clean_accuracy";
  if (!of_clean && trial.cell->header->family != Family::kEvasion) return;
  EvidenceView baseline = *trial.baseline;
  CellView cell = *trial.pairing->cell;
  const std::vector<SampleInfo>& samples = baseline.evidence->header.samples;
  const std::vector<int64_t> labels = baseline.evidence->clean_labels();
  int64_t failed = 0;
  std::string ids;
  for (size_t i = 0; i < samples.size(); ++i) {
    const bool in_cell = !of_clean && i < cell.rows.size() && cell.rows[i] &&
                         cell.rows[i]->status == Status::kError &&
                         cell.rows[i]->cause == Cause::kCandidate;
    const bool clean = baseline.clean[i] == Fact::kNo && labels[i] < 0;
    if (!in_cell && !clean) continue;
    if (in_cell) {
      cell.rows[i]->status = Status::kRobust;
      cell.rows[i]->distance = std::numeric_limits<double>::infinity();
    }
    if (clean) baseline.clean[i] = Fact::kYes;
    if (++failed <= 3) ids += (failed > 1 ? ", " : "") + samples[i].id;
  }
  if (failed == 0) return;
  const std::string detail = "the baseline failed on " + count(failed, "sample") + " (" + ids +
                             (failed > 3 ? ", …" : "") +
                             "), which count as broken there and lower the bar";
  Trial strict = trial;
  const Pairing pairing{&cell, ""};
  strict.baseline = &baseline;
  strict.pairing = &pairing;
  if (judged_again(rule, strict) == Outcomes::kPass) {
    judgement.result.hint = detail + "; the rule holds if they stand, too";
    return;
  }
  settle(judgement.result, Outcomes::kInconclusive,
         detail + ": " + limit_text(rule) + " does not hold if they stand",
         "mend the baseline, or draw samples that it answers; see the causes with `assay run` of "
         "the suite on it");
}

}  // namespace assay

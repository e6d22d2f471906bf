// Rules that passed, judged once more without all that a pass must not rest on: samples that no
// query tried, to which no gradient led or that points tried in their balls break, and samples that
// count as broken because the baseline failed on them.
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

/// True if every source is a cell of this run that tried the sample and left it standing: then
/// there was nothing to try, which is an answer.
bool withstood_sources(const EvidenceView& view, const CellView& cell, size_t sample) {
  const std::vector<std::string> sources = sources_of(*cell.header);
  return std::all_of(sources.begin(), sources.end(), [&](const std::string& name) {
    const CellView* source = view.find(name);
    if (source == nullptr || source == &cell || sample >= source->rows.size()) return false;
    const std::optional<Verdict>& row = source->rows[sample];
    return row && row->status == Status::kRobust && !untried(*source, sample) &&
           row->doubt == Doubt::kNone;
  });
}

/// The two sides of a trial, changed to the worst that the doubts leave open, and how many samples
/// that concerns.
struct Worst {
  CellView cell;
  int64_t blind = 0, chance = 0, unsent = 0;
  EvidenceView baseline;
  Pairing pairing;
  CellView baseline_cell;
  int64_t failed = 0;
  std::string failed_ids;

  int64_t standing() const { return blind + chance + unsent; }
};

void doubt_candidate(const RuleSpec& rule, const Trial& trial, Worst& worst) {
  worst.cell = *trial.cell;
  if (worst.cell.header->family != Family::kEvasion || rule.metric == "clean_accuracy") return;
  for (size_t i = 0; i < worst.cell.rows.size(); ++i) {
    if (!worst.cell.rows[i]) continue;
    Verdict& row = *worst.cell.rows[i];
    // A median concerns what lies beyond the cell's radius, too.
    const bool nearer = rule.metric == "median_distance" && row.doubt_distance < row.distance;
    if (row.doubt != Doubt::kNone || nearer) {
      ++(row.doubt == Doubt::kBlind ? worst.blind : worst.chance);
      row.distance = std::min(row.distance, row.doubt_distance);
    } else if (!is_paired(rule.kind) && untried(*trial.cell, i) &&
               !withstood_sources(*trial.candidate, *trial.cell, i)) {
      ++worst.unsent;
      row.distance = 0;
    } else {
      continue;
    }
    row.status = Status::kBroken;
  }
}

void doubt_baseline(const RuleSpec& rule, const Trial& trial, Worst& worst) {
  const bool of_clean = rule.metric == "clean_accuracy";
  if (!is_paired(rule.kind)) return;
  if (!of_clean && trial.cell->header->family != Family::kEvasion) return;
  worst.baseline = *trial.baseline;
  worst.baseline_cell = *trial.pairing->cell;
  CellView& cell = worst.baseline_cell;
  const std::vector<SampleInfo>& samples = worst.baseline.evidence->header.samples;
  const std::vector<int64_t> labels = worst.baseline.evidence->clean_labels();
  for (size_t i = 0; i < samples.size(); ++i) {
    const bool in_cell =
        !of_clean && i < cell.rows.size() && cell.rows[i] && cell.rows[i]->status == Status::kError;
    const bool clean = worst.baseline.clean[i] == Fact::kNo && labels[i] < 0;
    if (!in_cell && !clean) continue;
    if (in_cell) {
      cell.rows[i]->status = Status::kRobust;
      cell.rows[i]->distance = std::numeric_limits<double>::infinity();
    }
    if (clean) worst.baseline.clean[i] = Fact::kYes;
    if (++worst.failed <= 3) worst.failed_ids += (worst.failed > 1 ? ", " : "") + samples[i].id;
  }
}

bool holds_at_worst(const RuleSpec& rule, const Trial& trial, Worst& worst) {
  Trial strict = trial;
  strict.cell = &worst.cell;
  Judgement again;
  if (!is_paired(rule.kind)) {
    judge_absolute(rule, strict, again.result);
    return again.result.verdict == Outcomes::kPass;
  }
  if (worst.failed > 0) {
    worst.pairing.cell = &worst.baseline_cell;
    strict.baseline = &worst.baseline;
    strict.pairing = &worst.pairing;
  }
  judge_paired(rule, strict, again);
  return again.result.verdict == Outcomes::kPass;
}

std::string joined(const std::vector<std::string>& parts, const std::string& between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

/// What the doubts are, with figures.
std::string doubts_text(const Worst& worst, bool of_distance) {
  const std::string of = " of " + std::to_string(worst.cell.rows.size());
  std::vector<std::string> parts;
  if (worst.blind > 0) {
    parts.push_back("more than half of the attack's gradients held NaN or infinity at " +
                    count(worst.blind, "sample") + of);
  }
  if (worst.chance > 0) {
    parts.push_back(std::string("points that were tried of the ") +
                    (worst.cell.header->threat.eps && !of_distance ? "ball" : "box") + " break " +
                    count(worst.chance, "sample") + of + " that the attack left standing");
  }
  if (worst.unsent > 0) {
    parts.push_back(count(worst.unsent, "sample") + of +
                    " stand that no query tried, for want of a point in the corpus or the source");
  }
  if (worst.failed > 0) {
    parts.push_back("the baseline failed on " + count(worst.failed, "sample") + " (" +
                    worst.failed_ids + (worst.failed > 3 ? ", …" : "") +
                    "), which count as broken there and lower the bar");
  }
  return joined(parts, ", and ");
}

std::string cures_text(const Worst& worst) {
  std::vector<std::string> parts;
  if (worst.blind > 0) {
    parts.push_back(
        "look for log, sqrt or division at 0 and for a NaN that torch.where hides, or gate on an "
        "attack with score access");
  }
  if (worst.chance > 0) {
    parts.push_back(
        "the gradients (or scores) lead astray there: look for layers that round, saturate, draw "
        "or replace their gradient, and gate on an attack that does not follow them, such as "
        "square or hop_skip_jump");
  }
  if (worst.unsent > 0) {
    parts.push_back(
        "give the source points of these samples, draw those that it has (`sample: {ids: …}`), or "
        "gate on an attack that needs none");
  }
  if (worst.failed > 0) {
    parts.push_back(
        "mend the baseline, or draw samples that it answers; see the causes with `assay run` of "
        "the suite on it");
  }
  return joined(parts, "; ");
}

}  // namespace

void doubt_rows(const RuleSpec& rule, const Trial& trial, RuleResult& result) {
  if (result.verdict != Outcomes::kPass) return;
  Worst worst;
  doubt_candidate(rule, trial, worst);
  doubt_baseline(rule, trial, worst);
  if (worst.standing() == 0 && worst.failed == 0) return;
  const std::string if_so = worst.failed == 0      ? "if they break"
                            : worst.standing() > 0 ? "if those break and the baseline's stand"
                                                   : "if they stand";
  if (holds_at_worst(rule, trial, worst)) {
    result.hint = doubts_text(worst, rule.metric == "median_distance") + "; the rule holds " +
                  if_so + ", too";
    return;
  }
  settle(result, Outcomes::kInconclusive,
         doubts_text(worst, rule.metric == "median_distance") + "; " + limit_text(rule) +
             " does not hold " + if_so,
         cures_text(worst));
}

}  // namespace assay

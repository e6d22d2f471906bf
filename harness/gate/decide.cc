// Evidence → Decision (contracts §2 to §5): views, one judgement per rule and cell, and what they
// add up to.
#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "harness/gate/decision.h"
#include "harness/gate/diagnosis.h"
#include "harness/gate/extraction.h"
#include "harness/gate/membership.h"
#include "harness/gate/metrics.h"
#include "harness/gate/pairing.h"
#include "harness/gate/rules.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

using Outcomes = RuleResult::Verdict;

/// Why evidence is not the whole of its run; "" if it is. Evidence that ended early by itself is.
std::string why_incomplete(const EvidenceView& view) {
  const Evidence& evidence = *view.evidence;
  if (!evidence.interrupted.empty()) return evidence.interrupted;
  if (!evidence.ended_early.empty()) {
    return view.clean_complete ? "" : "the clean pass has samples without a verdict";
  }
  std::set<std::string_view> expected(evidence.header.clean_units.begin(),
                                      evidence.header.clean_units.end());
  for (const CellHeader& cell : evidence.header.cells) {
    expected.insert(cell.units.begin(), cell.units.end());
  }
  const auto missing = std::count_if(expected.begin(), expected.end(), [&](std::string_view key) {
    return !view.units.contains(key);
  });
  if (missing > 0) {
    return std::to_string(missing) + " of " + count(static_cast<int64_t>(expected.size()), "unit") +
           " missing";
  }
  if (!view.clean_complete) return "the clean pass has samples without a verdict";
  for (const CellView& cell : view.cells) {
    if (!cell.complete) return "cell " + cell.header->name + " has samples without a verdict";
  }
  return "";
}

/// Throws unless the baseline is the whole of its run.
void check_baseline(const EvidenceView& view) {
  std::string why = why_incomplete(view);
  if (why.empty() && !view.evidence->ended_early.empty()) {
    why = "it ended early: " + view.evidence->ended_early;
  }
  if (why.empty()) return;
  throw Error("the baseline is an incomplete run (" + why +
              "); finish it with --resume, or name another baseline");
}

/// Everything that judging cells and rules shares.
struct Case {
  const Suite* suite = nullptr;
  EvidenceView candidate;
  std::optional<EvidenceView> baseline;
  std::vector<Pairing> pairings;  ///< by the candidate's cells
  std::vector<int64_t> partners;
  std::vector<Flag> diagnosis;
  bool first_run = false;
};

/// True if a paired rule covers the cell of the suite.
bool is_compared(const Suite& suite, size_t cell) {
  return std::any_of(suite.rules.begin(), suite.rules.end(), [cell](const RuleSpec& rule) {
    return is_paired(rule.kind) && std::ranges::count(rule.cells, cell) > 0;
  });
}

/// Cells whose paired rules hold for a part of the samples only. Without a common sample they say
/// so themselves.
void flag_partial_pairing(Case* open) {
  const auto alone = std::count(open->partners.begin(), open->partners.end(), -1);
  const auto all = static_cast<int64_t>(open->partners.size());
  if (alone == 0 || alone == all) return;
  for (size_t i = 0; i < open->pairings.size(); ++i) {
    const CellHeader& cell = *open->candidate.cells[i].header;
    if (open->pairings[i].cell == nullptr || cell.family != Family::kEvasion) continue;
    if (!is_compared(*open->suite, i)) continue;
    open->diagnosis.push_back(
        {"partial_pairing", cell.name,
         std::to_string(alone) + " of " + count(all, "sample") + " are not in the baseline",
         "paired rules used the common samples; look for content, labels, `rows` or `ids` that "
         "changed since, and draw the same samples for both"});
  }
}

Case open_case(const Suite& suite, const Evidence& candidate, const Evidence* baseline) {
  Case open;
  open.suite = &suite;
  open.candidate = view_evidence(candidate);
  open.diagnosis = diagnose(open.candidate);
  open.first_run = suite.baseline == "none";
  if (baseline != nullptr && !open.first_run) {
    open.baseline = view_evidence(*baseline);
    check_baseline(*open.baseline);
    open.partners = pair_samples(candidate.header.samples, baseline->header.samples);
  }
  for (const CellView& cell : open.candidate.cells) {
    open.pairings.push_back(pair_cell(*cell.header, open.baseline ? &*open.baseline : nullptr));
    if (open.baseline && candidate.header.float64 != baseline->header.float64) {
      // The same cells on other samples: a sample's digest is of its bytes.
      const auto dtype = [](const Header& of) { return of.float64 ? "float64" : "float32"; };
      open.pairings.back() = {nullptr, std::string("dtype ") + dtype(baseline->header) +
                                           " in the baseline, " + dtype(candidate.header) +
                                           " here"};
    }
    if (open.first_run) open.pairings.back().reason = "first run: the baseline is declared none";
  }
  flag_partial_pairing(&open);
  return open;
}

void fill_metrics(const EvidenceView& view, const CellView& cell, double confidence,
                  std::map<std::string, Estimate>& metrics) {
  for (const std::string& name : metrics_of(*cell.header)) {
    metrics[name] = reportable(*measure(name, view, cell, confidence));
  }
}

/// What the baseline adds to a cell that pairs with one of its own.
void compare_cell(const Case& open, const CellView& cell, const CellView& there,
                  CellResult& result) {
  const double confidence = open.suite->confidence;
  fill_metrics(*open.baseline, there, confidence, result.baseline_metrics);
  result.baseline_curve = security_curve(*open.baseline, there, confidence);
  const std::vector<Fact> robust_there = robust_facts(there);
  const PairedCounts pairs = count_pairs(robust_facts(cell), robust_there, open.partners);
  result.regressed = pairs.regressed;
  result.repaired = pairs.repaired;
  std::map<int64_t, int64_t> robust_by_label;
  for (size_t i = 0; i < cell.rows.size(); ++i) {
    if (open.partners[i] < 0) continue;
    const size_t partner = static_cast<size_t>(open.partners[i]);
    if (robust_there[partner] != Fact::kYes) continue;
    ++robust_by_label[open.candidate.evidence->header.samples[i].label];
  }
  for (ClassRow& row : result.classes) row.baseline_robust = robust_by_label[row.label];
}

CellResult describe_cell(const Case& open, size_t index) {
  const CellView& cell = open.candidate.cells[index];
  const double confidence = open.suite->confidence;
  CellResult result;
  result.name = cell.header->name;
  result.key = cell.header->key;
  result.complete = cell.complete;
  result.samples = cell.counts;
  fill_metrics(open.candidate, cell, confidence, result.metrics);
  result.curve = security_curve(open.candidate, cell, confidence);
  result.local_optimality = local_optimality(open.candidate, cell);
  result.stages = stage_counts(open.candidate, cell);
  result.classes = class_rows(open.candidate, cell);
  result.cost = total_cost(open.candidate, cell);
  result.baseline_reason = open.pairings[index].reason;
  const CellView* there = open.pairings[index].cell;
  if (cell.header->family == Family::kMembership) {
    result.membership = describe_membership(open.candidate, cell, confidence);
    if (there == nullptr) return result;
    fill_metrics(*open.baseline, *there, confidence, result.baseline_metrics);
    result.baseline_membership = describe_membership(*open.baseline, *there, confidence);
  }
  if (cell.header->family == Family::kExtraction) {
    result.extraction = describe_extraction(open.candidate, cell, confidence);
    if (there == nullptr) return result;
    fill_metrics(*open.baseline, *there, confidence, result.baseline_metrics);
    result.baseline_extraction = describe_extraction(*open.baseline, *there, confidence);
  }
  if (there != nullptr && cell.header->family == Family::kEvasion) {
    compare_cell(open, cell, *there, result);
  }
  return result;
}

Judgement judge_in(const Case& open, const RuleSpec& rule, const std::string& cell) {
  const CellView* view = open.candidate.find(cell);
  if (view == nullptr) {
    Judgement judgement;
    judgement.result = blank_result(rule, cell);
    judgement.result.reason = "the evidence has no cell of this name";
    judgement.result.hint = "judge with the suite that the run was made with";
    return judgement;
  }
  Trial trial;
  trial.candidate = &open.candidate;
  trial.cell = view;
  trial.baseline = open.baseline ? &*open.baseline : nullptr;
  trial.pairing = &open.pairings[static_cast<size_t>(view - open.candidate.cells.data())];
  trial.partners = &open.partners;
  trial.diagnosis = &open.diagnosis;
  trial.first_run = open.first_run;
  return judge(rule, trial);
}

/// One flag per id and cell: blocks of one cell often see the same thing.
void add_flag(std::vector<Flag>& flags, const Flag& flag) {
  const bool known = std::any_of(flags.begin(), flags.end(), [&](const Flag& other) {
    return other.id == flag.id && other.cell == flag.cell;
  });
  if (!known) flags.push_back(flag);
}

std::vector<Flag> all_flags(const Case& open, const std::vector<Flag>& raised) {
  const Evidence& evidence = *open.candidate.evidence;
  std::vector<Flag> flags;
  for (const Flag& flag : evidence.header.flags) add_flag(flags, flag);
  for (const UnitResult& unit : evidence.units) {
    for (Flag flag : unit.flags) {
      if (flag.cell.empty()) flag.cell = unit.cell;
      add_flag(flags, flag);
    }
  }
  for (const Flag& flag : open.diagnosis) add_flag(flags, flag);
  for (const Flag& flag : raised) add_flag(flags, flag);
  return flags;
}

/// `sample a.png in pgd (non-finite output)`
std::string fault_text(const Header& header, const Fault& fault) {
  std::string text;
  if (!fault.theft.empty()) {
    text = "queries of " + fault.cell + ", " + fault.theft;
  } else {
    std::string id = fault.pooled;
    if (id.empty()) {
      const std::vector<SampleInfo>& set =
          fault.set.empty() ? header.samples : header.sets.at(fault.set);
      id = set[static_cast<size_t>(fault.sample)].id;
    }
    text = (fault.set.empty() ? "sample " : "record ") + id +
           (fault.set.empty() ? "" : " of " + fault.set) + " in " +
           (fault.cell.empty() ? "the clean pass" : fault.cell);
  }
  return fault.detail.empty() ? text : text + " (" + fault.detail + ")";
}

/// `the candidate failed on 3 samples: sample a.png in pgd (non-finite output), …`
std::string faults_text(const EvidenceView& view) {
  constexpr size_t kNamed = 3;
  std::set<std::tuple<std::string_view, int64_t, std::string_view>> samples;
  int64_t thefts = 0;
  for (const Fault& fault : view.faults) {
    if (fault.theft.empty()) samples.insert({fault.set, fault.sample, fault.pooled});
    thefts += fault.theft.empty() ? 0 : 1;
  }
  std::string text = "the candidate failed ";
  if (!samples.empty()) text += "on " + count(static_cast<int64_t>(samples.size()), "sample");
  if (!samples.empty() && thefts > 0) text += " and ";
  if (thefts > 0) text += "under the queries of " + count(thefts, "extraction");
  for (size_t i = 0; i < view.faults.size() && i < kNamed; ++i) {
    text += (i > 0 ? ", " : ": ") + fault_text(view.evidence->header, view.faults[i]);
  }
  if (view.faults.size() > kNamed) text += ", …";
  return text;
}

std::string name_of(const RuleResult& result) {
  std::string text = result.cell + " " + result.metric;
  if (result.kind != RuleSpec::Kind::kFlagsClear) text += " " + std::string(to_string(result.kind));
  return text;
}

/// `2 of 6 rules fail; first pgd robust_accuracy max_drop: …`
std::string first_text(const std::vector<RuleResult>& rules, Outcomes verdict,
                       const std::string& verb) {
  const auto is = [&](const RuleResult& rule) { return rule.verdict == verdict; };
  const auto n = std::count_if(rules.begin(), rules.end(), is);
  const auto first = std::find_if(rules.begin(), rules.end(), is);
  return std::to_string(n) + " of " + count(static_cast<int64_t>(rules.size()), "rule") + " " +
         verb + (n > 1 ? "; the first, " : ": ") + name_of(*first) + ": " + first->reason;
}

/// Precedence of contracts §5: incomplete, fail, inconclusive, pass.
void conclude(const EvidenceView& view, Decision& decision) {
  const std::vector<RuleResult>& rules = decision.rules;
  const auto some = [&](Outcomes verdict) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](const RuleResult& rule) { return rule.verdict == verdict; });
  };
  const auto end = [&](Outcome outcome, std::string reason) {
    decision.outcome = outcome;
    decision.reason = std::move(reason);
  };
  const std::string incomplete = why_incomplete(view);
  if (!incomplete.empty()) {
    end(Outcome::kIncomplete, "the run is incomplete: " + incomplete);
  } else if (!view.faults.empty()) {
    end(Outcome::kFail, faults_text(view));
  } else if (some(Outcomes::kFail)) {
    end(Outcome::kFail, first_text(rules, Outcomes::kFail, "failed"));
  } else if (rules.empty()) {
    end(Outcome::kInconclusive, "there are no rules, and a gate that checks nothing never passes");
  } else if (some(Outcomes::kInconclusive)) {
    end(Outcome::kInconclusive, first_text(rules, Outcomes::kInconclusive, "inconclusive"));
  } else if (decision.rules_decided == 0) {
    end(Outcome::kInconclusive,
        "no rule decided: " + std::to_string(decision.rules_not_applicable) + " of " +
            count(static_cast<int64_t>(rules.size()), "rule") + " not applicable");
  } else if (!view.evidence->ended_early.empty()) {
    end(Outcome::kInconclusive, "the run ended early: " + view.evidence->ended_early);
  } else {
    end(Outcome::kPass, count(decision.rules_decided, "rule") + " passed");
  }
}

// A paired rule passes over cells whose points favour one of the two models, and says so.
std::vector<RuleResult> passed_over(const Suite& suite, const RuleSpec& rule) {
  std::vector<RuleResult> results;
  if (!is_paired(rule.kind)) return results;
  for (size_t i = 0; i < suite.cells.size(); ++i) {
    const bool covered = std::find(rule.cells.begin(), rule.cells.end(), i) != rule.cells.end();
    if (covered || !selects(rule.selector, suite.cells[i].name)) continue;
    const AttackSpec& spec = suite.attacks.at(suite.cells[i].spec);
    if (spec.family != Family::kEvasion || !favours_one(suite, spec)) continue;
    RuleResult result = blank_result(rule, suite.cells[i].name);
    result.verdict = Outcomes::kNotApplicable;
    result.reason =
        "its points come from the corpus, the baseline or a file, and compare no two models fairly";
    result.hint = "write at_least on this cell";
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

Decision decide(const Suite& suite, const Evidence& candidate, const Evidence* baseline) {
  const Case open = open_case(suite, candidate, baseline);
  Decision decision;
  for (size_t i = 0; i < open.candidate.cells.size(); ++i) {
    decision.cells.push_back(describe_cell(open, i));
  }
  std::vector<Flag> raised;
  for (const RuleSpec& rule : suite.rules) {
    for (const size_t cell : rule.cells) {
      Judgement judgement = judge_in(open, rule, suite.cells.at(cell).name);
      const Outcomes verdict = judgement.result.verdict;
      decision.rules_decided += verdict == Outcomes::kPass || verdict == Outcomes::kFail ? 1 : 0;
      decision.rules_not_applicable += verdict == Outcomes::kNotApplicable ? 1 : 0;
      if (judgement.flag) raised.push_back(*judgement.flag);
      decision.rules.push_back(std::move(judgement.result));
    }
    for (RuleResult& result : passed_over(suite, rule)) {
      ++decision.rules_not_applicable;
      decision.rules.push_back(std::move(result));
    }
  }
  decision.flags = all_flags(open, raised);
  decision.clean_accuracy = share(open.candidate.clean, suite.confidence).value;
  if (open.baseline) {
    decision.baseline_clean_accuracy = share(open.baseline->clean, suite.confidence).value;
  }
  conclude(open.candidate, decision);
  return decision;
}

std::string clean_pass_failure(const Suite& suite, const Evidence& candidate,
                               const Evidence* baseline) {
  const Case open = open_case(suite, candidate, baseline);
  if (!open.candidate.clean_complete) return "";
  for (const RuleSpec& rule : suite.rules) {
    if (rule.metric != "clean_accuracy") continue;
    for (const size_t cell : rule.cells) {
      const RuleResult result = judge_in(open, rule, suite.cells.at(cell).name).result;
      if (result.verdict == Outcomes::kFail) return result.reason + "; " + result.hint;
    }
  }
  return "";
}

Decision refuse(const std::string& reason, std::vector<Flag> flags) {
  Decision decision;
  decision.outcome = Outcome::kRefused;
  decision.reason = reason;
  decision.flags = std::move(flags);
  return decision;
}

}  // namespace assay

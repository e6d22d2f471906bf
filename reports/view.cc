// Headlines, cells and names.
#include "reports/view.h"

#include <algorithm>

#include "harness/suite/error.h"

namespace assay::reports {
namespace {

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (!text.empty() && std::find(list.begin(), list.end(), text) == list.end()) {
    list.push_back(text);
  }
}

/// Hints of the rules with this verdict, the worst first, at most `most`.
void add_hints(const Decision& decision, RuleVerdict verdict, size_t most,
               std::vector<std::string>& steps) {
  for (const RuleResult* rule : by_severity(decision)) {
    if (steps.size() >= most) return;
    if (rule->verdict == verdict) add_once(steps, rule->hint);
  }
}

void add_flag_advice(const Decision& decision, size_t most, std::vector<std::string>& steps) {
  for (const Flag& flag : decision.flags) {
    if (steps.size() >= most) return;
    add_once(steps, flag.advice);
  }
}

bool has_regressed(const Decision& decision) {
  return std::any_of(decision.cells.begin(), decision.cells.end(),
                     [](const CellResult& cell) { return !cell.regressed.empty(); });
}

std::string join(const RuleResult& rule) {
  std::string line = condition(rule) + ": ";
  line += rule.reason.empty() ? measured_words(rule) : rule.reason;
  if (!rule.hint.empty()) line += "; " + rule.hint;
  return line;
}

bool has_failed(const Decision& decision, std::string_view cell) {
  return std::any_of(decision.rules.begin(), decision.rules.end(), [&](const RuleResult& rule) {
    return rule.cell == cell && rule.verdict == RuleVerdict::kFail;
  });
}

/// The gate's reason in figures as people read them, where a rule's bounds decided the failure;
/// else the gate's own words.
std::string what_decided(const Decision& decision) {
  const std::vector<const RuleResult*> rules = by_severity(decision);
  const bool by_rule = std::any_of(rules.begin(), rules.end(), [&](const RuleResult* rule) {
    return rule->verdict == RuleVerdict::kFail && !rule->reason.empty() &&
           decision.reason.find(rule->reason) != std::string::npos;
  });
  if (decision.outcome != Outcome::kFail || !by_rule) return decision.reason;
  const auto worst = std::find_if(rules.begin(), rules.end(), [](const RuleResult* rule) {
    return rule->verdict == RuleVerdict::kFail && margin(*rule);
  });
  if (worst == rules.end()) return decision.reason;
  const RuleResult& rule = **worst;
  const int64_t failed = count(decision, RuleVerdict::kFail);
  const std::string total = show_plural(static_cast<int64_t>(rules.size()), "rule");
  std::string text = show_count(failed) + " of " + total + " failed";
  text += failed > 1 ? "; the worst, " : ": ";
  return text + sentence(rule);
}

/// Samples on which the candidate itself failed: they count as broken and fail the gate.
int64_t candidate_faults(const Report& report, const CellResult& cell) {
  const CellHeader* header = header_of(report.evidence, cell.name);
  if (!header) return 0;
  if (header->family == Family::kMembership) return cell.samples.error;
  int64_t faults = 0;
  for (const auto& row : report.evidence->rows(*header)) {
    if (row && row->status == Status::kError && row->cause == Cause::kCandidate) ++faults;
  }
  return faults;
}

}  // namespace

Headline headline(const Report& report) {
  const Decision& decision = *report.decision;
  Headline head{.title = "", .sentence = what_decided(decision), .steps = {}};
  switch (decision.outcome) {
    case Outcome::kPass:
      head.title = "Promote";
      head.steps.push_back("Promote " + base_name(model_path(report)) +
                           ": every rule passes on every cell it covers.");
      break;
    case Outcome::kFail:
      head.title = "Do not promote";
      head.steps.push_back("Keep the model that is in production; a retry will not change this.");
      if (has_regressed(decision)) {
        head.steps.push_back("Look at the samples that regressed, then mend the candidate.");
      }
      add_hints(decision, RuleVerdict::kFail, 5, head.steps);
      break;
    case Outcome::kInconclusive:
      head.title = "Undecided, do not promote yet";
      head.steps.push_back(
          "Keep the model that is in production until a run with more evidence decides.");
      add_hints(decision, RuleVerdict::kInconclusive, 4, head.steps);
      break;
    case Outcome::kIncomplete:
      head.title = "Unfinished, run it again";
      head.steps.push_back(
          "Run the same command again with --resume, or where shards are missing from a merge, run "
          "those and merge whole folders of all into a new one; what was computed is kept and not "
          "paid for twice.");
      head.steps.push_back("This is the only outcome that a retry can mend.");
      break;
    case Outcome::kRefused:
      head.title = "Refused before it ran";
      head.steps.push_back(
          "Keep the model that is in production; the candidate's file must change first.");
      add_flag_advice(decision, 4, head.steps);
      break;
  }
  if (head.sentence.empty()) head.sentence = "no reason was recorded";
  return head;
}

CellSummary summarise(const Report& report, const CellResult& cell) {
  CellSummary summary;
  const Evidence* evidence = report.evidence;
  // A run that ended early by itself is final: what failed before the end has failed.
  const bool settled =
      evidence && !evidence->ended_early.empty() && has_failed(*report.decision, cell.name);
  if (!cell.complete && !settled) {
    // Trying again would end there again.
    const bool final = evidence && !evidence->ended_early.empty() &&
                       report.decision->outcome != Outcome::kIncomplete;
    summary.verdict = final ? CellVerdict::kInconclusive : CellVerdict::kIncomplete;
    const std::string why = !evidence                        ? ""
                            : !evidence->ended_early.empty() ? evidence->ended_early
                                                             : evidence->interrupted;
    summary.lines.push_back(why.empty() ? "units of this cell are missing" : "not run: " + why);
    return summary;
  }
  bool failed = false, inconclusive = false, decided = false, covered = false;
  if (const int64_t faults = candidate_faults(report, cell); faults > 0) {
    failed = true;
    summary.lines.push_back("the candidate itself failed on " + show_plural(faults, "sample"));
  }
  if (cell.extraction && cell.samples.error > 0) {
    failed = true;
    summary.lines.push_back("the candidate itself failed under the queries of " +
                            show_plural(cell.samples.error, "extraction"));
  }
  for (const RuleResult* rule : by_severity(*report.decision)) {
    if (rule->cell != cell.name) continue;
    failed = failed || rule->verdict == RuleVerdict::kFail;
    inconclusive = inconclusive || rule->verdict == RuleVerdict::kInconclusive;
    decided = decided || rule->verdict != RuleVerdict::kNotApplicable;
    covered = true;
    if (rule->verdict != RuleVerdict::kPass) summary.lines.push_back(join(*rule));
  }
  summary.verdict = failed         ? CellVerdict::kFail
                    : inconclusive ? CellVerdict::kInconclusive
                    : decided      ? CellVerdict::kPass
                    : covered      ? CellVerdict::kNotApplicable
                                   : CellVerdict::kUncovered;
  if (summary.verdict == CellVerdict::kUncovered) {
    summary.lines.push_back("no rule covers this cell");
  }
  return summary;
}

const CellHeader* header_of(const Evidence* evidence, std::string_view cell) {
  if (!evidence) return nullptr;
  for (const CellHeader& header : evidence->header.cells) {
    if (header.name == cell) return &header;
  }
  return nullptr;
}

const CellHeader* baseline_of(const Report& report, const CellHeader& cell) {
  if (!report.baseline) return nullptr;
  for (const CellHeader& header : report.baseline->header.cells) {
    if (header.key == cell.key) return &header;
  }
  return nullptr;
}

std::string class_name(const Report& report, int64_t label) {
  if (label < 0) return "none";
  const auto index = static_cast<size_t>(label);
  const auto* names = report.evidence ? &report.evidence->header.class_names : nullptr;
  if (!names || names->empty()) names = &report.suite->model.class_names;
  return index < names->size() ? (*names)[index] : std::to_string(label);
}

std::string surface_words(const Surface& surface) {
  std::string words(to_string(surface.kind));
  if (surface.kind == Surface::Kind::kLabel) words = "labels";
  if (surface.kind == Surface::Kind::kTopK) {
    words = "top " + show_count(surface.top_k) + (surface.top_k == 1 ? " class" : " classes");
  }
  if (surface.kind == Surface::Kind::kRounded) {
    words = "probabilities to " + show_plural(surface.decimals, "decimal");
  }
  if (surface.temperature != 1) {
    words += ", temperature " + show_limit(surface.temperature, Unit::kNumber);
  }
  if (surface.noise != 0) words += ", noise " + show_limit(surface.noise, Unit::kNumber);
  return words;
}

std::string headline_metric(const CellResult& cell) {
  std::vector<std::string> names = {"robust_accuracy", "median_distance", "auc"};
  if (cell.extraction && !cell.extraction->budgets.empty()) {
    names.push_back("agreement@" + std::to_string(cell.extraction->budgets.back().budget));
  }
  for (const std::string& name : names) {
    const auto metric = cell.metrics.find(name);
    if (metric != cell.metrics.end() && metric->second.value) {
      return metric_words(name) + " " + show(metric->second.value, value_unit(name));
    }
  }
  return "";
}

std::string base_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string model_path(const Report& report) {
  if (report.evidence && !report.evidence->header.model.path.empty()) {
    return report.evidence->header.model.path;
  }
  return report.suite->model.path.string();
}

std::string model_sha256(const Report& report) {
  return report.evidence ? report.evidence->header.model.sha256 : "";
}

bool has_baseline(const Report& report) {
  return report.baseline || (!report.baseline_path.empty() && report.baseline_path != "none");
}

}  // namespace assay::reports

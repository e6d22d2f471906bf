// gate: confidence and rules, each resolved to the cells it covers.
#include <algorithm>
#include <set>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"

namespace assay {
namespace {

using Kind = RuleSpec::Kind;

constexpr Kind kKinds[] = {Kind::kAtLeast, Kind::kAtMost, Kind::kMaxDrop, Kind::kMaxRise,
                           Kind::kFlagsClear};

// Metrics that are no shares: at_least and at_most may name more than 1.
bool goes_beyond_one(const std::string& metric) {
  return metric == "median_distance" || metric == "epsilon_lower";
}

bool is_minimum_norm(const AttackSpec& spec, std::span<const AttackInfo> attacks) {
  const AttackInfo& info = find_attack(spec.attack, spec.where, attacks);
  return info.minimum_norm || (spec.eps.empty() && info.nearest_without_eps);
}

std::vector<std::string> metrics_of(const Suite& suite, const Cell& cell,
                                    std::span<const AttackInfo> attacks) {
  const AttackSpec& spec = suite.attacks[cell.spec];
  return metric_names(spec, is_minimum_norm(spec, attacks));
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Kind kind_of(const Value& rule) {
  std::vector<Kind> found;
  for (const Kind kind : kKinds) {
    if (rule.find(to_string(kind)) != nullptr) found.push_back(kind);
  }
  if (found.size() == 1) return found[0];
  std::string message =
      "a rule has exactly one of at_least, at_most, max_drop, max_rise and flags; this one has ";
  if (found.empty()) message += "none";
  for (size_t i = 0; i < found.size(); ++i) {
    if (i > 0) message += " and ";
    message += to_string(found[i]);
  }
  throw Error(rule.where, message);
}

// Keys that mean something to one kind of rule only.
void refuse_foreign_keys(const Value& rule, Kind kind) {
  const bool flags = kind == Kind::kFlagsClear;
  for (const auto& [key, value] : rule.map) {
    const std::string& name = key.scalar;
    if (flags && (name == "metric" || name == "confidence")) {
      throw Error(key.where, "`" + name + "` has no meaning on a `flags` rule; remove it");
    }
    if (!flags && name == "except") {
      throw Error(key.where, "`except` goes with `flags: clear` only");
    }
    if (!is_paired(kind) && name == "vacuous") {
      throw Error(key.where, "`vacuous` goes with `max_drop` and `max_rise` only");
    }
  }
}

void load_limit(const Value& value, RuleSpec& rule) {
  const std::string key(to_string(rule.kind));
  const std::string& text = value.scalar;
  rule.relative = text.ends_with('%');
  const std::string_view number =
      std::string_view(text).substr(0, text.size() - (rule.relative ? 1 : 0));
  ASSAY_CHECK(parse_number(number, &rule.limit), "checked against its key");
  if (rule.relative) rule.limit /= 100;
  if (is_paired(rule.kind) && rule.metric == "attack_success") {
    throw Error(value.where,
                "`" + key +
                    "` on attack_success is refused: candidate and baseline have different "
                    "denominators; use robust_accuracy");
  }
  if (is_paired(rule.kind) && rule.metric == "epsilon_lower") {
    throw Error(value.where, "`" + key +
                                 "` on epsilon_lower is refused: the difference of two lower "
                                 "bounds bounds nothing; use auc, advantage or a TPR");
  }
  if (is_paired(rule.kind) && rule.metric == "median_distance" && !rule.relative) {
    throw Error(value.where, "`" + key + "` is `" + text +
                                 "`, expected a percentage: on median_distance it is relative; "
                                 "write e.g. 5%");
  }
  if (rule.relative && rule.metric != "median_distance") {
    throw Error(value.where, "`" + key + "` is `" + text +
                                 "`, and a percentage goes with median_distance only; write " +
                                 number_text(rule.limit));
  }
  if (rule.relative && rule.kind == RuleSpec::Kind::kMaxDrop && rule.limit > 1) {
    throw Error(value.where, "`" + key + "` is `" + text +
                                 "`, expected a percentage from 0% to 100%: a distance cannot fall "
                                 "by more than it is");
  }
  if (rule.limit > 1 && !goes_beyond_one(rule.metric)) {
    throw Error(value.where, "`" + key + "` is `" + text + "`, expected a number from 0 to 1");
  }
}

// Why a selector covers no cell at all.
[[noreturn]] void refuse_selector(const Value& value, const Suite& suite) {
  std::vector<std::string> names;
  for (const Cell& cell : suite.cells) names.push_back(cell.name);
  for (const AttackSpec& spec : suite.attacks) {
    if (!spec.eps_list || spec.name != value.scalar) continue;
    throw Error(value.where, "no cell is named `" + spec.name + "`: its eps is a list; write " +
                                 spec.name + "@" + spec.eps[0].text + " or \"" + spec.name +
                                 "@*\"");
  }
  // No character of a name, and part of other globs.
  const bool other = value.scalar.find_first_of("[]{}!,") != std::string::npos;
  throw Error(value.where, "no cell matches `" + value.scalar + "`" +
                               (other ? "; of a glob, only `*` and `?` stand for others" : "") +
                               suggest(value.scalar, names));
}

// Why the matched cells lack a metric.
[[noreturn]] void refuse_metric(const Value& rule, const std::vector<size_t>& matched,
                                const Suite& suite, std::span<const AttackInfo> attacks) {
  const Value& value = *rule.find("metric");
  std::set<std::string> all;
  for (const Cell& cell : suite.cells) {
    for (const std::string& name : metrics_of(suite, cell, attacks)) all.insert(name);
  }
  for (const char* name :
       {"clean_accuracy", "robust_accuracy", "attack_success", "median_distance", "auc",
        "advantage", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001", "epsilon_lower"}) {
    all.insert(name);
  }
  const Cell& cell = suite.cells[matched[0]];
  const AttackSpec& spec = suite.attacks[cell.spec];
  if (value.scalar == "robust_accuracy" && spec.family == Family::kEvasion) {
    throw Error(value.where, "cell `" + cell.name + "` has no robust_accuracy: `" + spec.attack +
                                 "` finds distances; give the entry an `eps` to read it at, or "
                                 "write a rule on median_distance");
  }
  const std::vector<std::string> here = metrics_of(suite, cell, attacks);
  if (all.count(value.scalar) == 0) {
    throw Error(value.where, "unknown metric `" + value.scalar + "`" + suggest(value.scalar, here));
  }
  throw Error(value.where,
              "cell `" + cell.name + "` has no metric `" + value.scalar + "`" + suggest("", here));
}

std::vector<size_t> covered(const Value& rule, const RuleSpec& spec, const Suite& suite,
                            std::span<const AttackInfo> attacks) {
  const Value& selector = *rule.find("cell");
  std::vector<size_t> matched;
  for (size_t i = 0; i < suite.cells.size(); ++i) {
    if (selects(spec.selector, suite.cells[i].name)) matched.push_back(i);
  }
  if (matched.empty()) refuse_selector(selector, suite);
  if (spec.kind == Kind::kFlagsClear) return matched;
  std::vector<size_t> cells;
  bool refused = false;
  for (const size_t cell : matched) {
    if (!has(metrics_of(suite, suite.cells[cell], attacks), spec.metric)) continue;
    if (is_paired(spec.kind) && favours_one(suite, suite.attacks[suite.cells[cell].spec])) {
      refused = true;
    } else {
      cells.push_back(cell);
    }
  }
  if (refused && cells.empty()) {
    throw Error(selector.where, "`" + std::string(to_string(spec.kind)) + "` on `" + spec.selector +
                                    "` is refused: its points come from the corpus, " +
                                    "the baseline or a file of adversarials, and do not compare " +
                                    "two models fairly; " + "write at_least");
  }
  if (cells.empty()) refuse_metric(rule, matched, suite, attacks);
  return cells;
}

// The flags that `except` allows all the same.
std::vector<std::string> flags_at(const Value& rule) {
  std::vector<std::string> flags;
  const Value* except = rule.find("except");
  if (except == nullptr) return flags;
  for (const Value& id : except->list) flags.push_back(id.scalar);
  return flags;
}

RuleSpec load_rule(Value& value, const Suite& suite, std::span<const AttackInfo> attacks) {
  check_section(value, rule_keys(), "a rule");
  RuleSpec rule;
  rule.where = value.where;
  rule.kind = kind_of(value);
  refuse_foreign_keys(value, rule.kind);
  rule.selector = text_at(value, "cell");
  rule.confidence = suite.confidence;
  if (rule.kind == Kind::kFlagsClear) {
    rule.metric = "flags";
    rule.except = flags_at(value);
  } else {
    if (value.find("metric") == nullptr) {
      throw Error(value.where, "a rule lacks `metric`: what is measured, e.g. robust_accuracy");
    }
    rule.metric = text_at(value, "metric");
  }
  if (const Value* confidence = value.find("confidence")) {
    rule.confidence = as_number(*confidence, "confidence", Limits{});
  }
  rule.vacuous_ok = value.find("vacuous") != nullptr;
  rule.cells = covered(value, rule, suite, attacks);
  if (rule.kind != Kind::kFlagsClear) load_limit(*value.find(to_string(rule.kind)), rule);
  return rule;
}

}  // namespace

bool is_paired(RuleSpec::Kind kind) {
  return kind == RuleSpec::Kind::kMaxDrop || kind == RuleSpec::Kind::kMaxRise;
}

void load_gate(Value& section, Suite& suite, std::span<const AttackInfo> attacks) {
  check_section(section, gate_keys(), "`gate`");
  if (const Value* confidence = section.find("confidence")) {
    suite.confidence = as_number(*confidence, "confidence", Limits{});
  }
  Value* rules = section.find("rules");
  if (rules == nullptr) return;
  for (Value& rule : rules->list) suite.rules.push_back(load_rule(rule, suite, attacks));
}

}  // namespace assay

// What the reports that people read share: words for decisions and rules, numbers as people read
// them, and the way from a name to its header.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/report.h"

namespace assay::reports {

using RuleVerdict = RuleResult::Verdict;

/// How a number is shown.
enum class Unit { kPercent, kPoints, kNumber };

/// Of the metric's own value.
Unit value_unit(std::string_view metric);
/// Of what a rule bounds: a paired rule bounds a difference, on median_distance a relative one.
Unit rule_unit(const RuleResult& rule);
bool is_paired(const RuleResult& rule);

/// "33.4 %", "2.1 points", "0.0312". `decimals` counts for kPercent and kPoints.
std::string show(double value, Unit unit, int decimals = 1);
/// `value` with as many decimals as it takes to differ from `limit` where it does differ.
std::string show_against(double value, double limit, Unit unit);
/// A limit as the suite means it: "40 %", "3 points".
std::string show_limit(double limit, Unit unit);
/// "—" where there is none.
std::string show(const std::optional<double>& value, Unit unit);
/// 1234567 → "1,234,567".
std::string show_count(int64_t count);
/// "420 ms", "3.2 s", "4 min 10 s", "2 h 5 min".
std::string show_time(double seconds);
/// "2026-01-02T02:03:04Z" → "2026-01-02 02:03 UTC"; other text stays as it is.
std::string show_moment(const std::string& text);
/// "1 sample", "2 samples", "3 queries".
std::string show_plural(int64_t count, std::string_view noun);

/// "robust accuracy at least 40 %", "robust accuracy drops by at most 3 points", "no flags".
std::string condition(const RuleResult& rule);
/// robust_accuracy → "robust accuracy", agreement@1000 → "agreement after 1,000 queries".
std::string metric_words(std::string_view metric);

/// What a rule bounds: the value, or for a paired rule the difference.
std::optional<double> measured(const RuleResult& rule);
/// The bound that decides for or against, signed so that positive passes: how far inside the
/// limit the evidence certainly is; negative: how far outside (for a rule that passes or fails).
std::optional<double> margin(const RuleResult& rule);
/// "beyond the limit by at least 2.1 points", "inside the limit by at least 1 point", or "".
std::string margin_words(const RuleResult& rule);
/// "robust accuracy of pgd fell by 46.0 points against the baseline (at least 44.1 points at 95 %
/// confidence); the suite allows 3 points", for a rule that failed by its bounds.
std::string sentence(const RuleResult& rule);
/// "measured 33.4 %, lower bound 31.0 %, upper bound 35.9 %, limit 40 %", or "".
std::string measured_words(const RuleResult& rule);

/// Failed rules first (the furthest outside before others), then inconclusive, waived, passed and
/// not applicable ones, each in the suite's order.
std::vector<const RuleResult*> by_severity(const Decision& decision);
/// The passed rule that is nearest to its limit, or nullptr.
const RuleResult* tightest(const Decision& decision);
int64_t count(const Decision& decision, RuleVerdict verdict);

/// What the rules and the evidence say of one cell by itself.
enum class CellVerdict { kPass, kFail, kInconclusive, kIncomplete, kNotApplicable, kUncovered };
struct CellSummary {
  CellVerdict verdict = CellVerdict::kUncovered;  ///< no rule says anything of it
  std::vector<std::string> lines;                 ///< why, one sentence each
};
CellSummary summarise(const Report& report, const CellResult& cell);

/// The headline of a report.
struct Headline {
  std::string title;               ///< "Do not promote"
  std::string sentence;            ///< what decided
  std::vector<std::string> steps;  ///< what to do next
};
Headline headline(const Report& report);

/// nullptr where the evidence does not know the cell.
const CellHeader* header_of(const Evidence* evidence, std::string_view cell);
/// The baseline's cell with the same key, or nullptr.
const CellHeader* baseline_of(const Report& report, const CellHeader& cell);
/// Class name, or the number where there is none; "none" for -1.
std::string class_name(const Report& report, int64_t label);
/// What an API answers: "probabilities to 2 decimals, temperature 2, noise 0.1".
std::string surface_words(const Surface& surface);
/// The metric that stands for a cell, in words with its value; "" where none has a value.
std::string headline_metric(const CellResult& cell);
/// File name of a path, for titles.
std::string base_name(std::string_view path);
std::string model_path(const Report& report);
std::string model_sha256(const Report& report);
/// True if the report speaks of a baseline.
bool has_baseline(const Report& report);

}  // namespace assay::reports

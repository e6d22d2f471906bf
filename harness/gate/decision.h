// Evidence → Decision: metrics with bounds, rules, and why.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// A share with one-sided bounds, Clopper–Pearson.
struct BoundedShare {
  double value = 0;
  double lower = 0;
  double upper = 0;
};

/// A metric with one-sided bounds, each at the given confidence. Never NaN: what cannot be
/// estimated has no value and a reason.
struct Estimate {
  std::optional<double> value;
  std::optional<double> lower;
  std::optional<double> upper;
  int64_t n = 0;
  std::string reason;  ///< set exactly when `value` is absent
  /// TPR at an FPR: the share of non-members that its threshold claims, at most that FPR.
  std::optional<BoundedShare> realised_fpr;
};

struct CurvePoint {
  double eps = 0;
  double robust_accuracy = 0;
  double lower = 0;
  double upper = 0;
};

struct StageCount {
  std::string name;
  int64_t entered = 0;
  int64_t broken = 0;
};

struct SampleCounts {
  int64_t total = 0;
  int64_t ok = 0;
  int64_t invalid = 0;
  int64_t unconfirmed = 0;
  int64_t error = 0;  ///< extraction: thefts whose queries the candidate failed on
};

/// One row of the per-class table.
struct ClassRow {
  int64_t label = 0;
  int64_t n = 0;
  int64_t clean = 0;   ///< rightly classified clean
  int64_t robust = 0;  ///< right clean and under attack
  std::optional<int64_t> baseline_robust;
};

/// TPR at an FPR with pointwise bounds.
struct RocPoint {
  double fpr = 0;
  double tpr = 0;
  double lower = 0;
  double upper = 0;
};

/// Counts of scores in bins of equal width from `least` to `most`; what lies outside is counted in
/// the bin at that end.
struct ScoreHistogram {
  double least = 0;
  double most = 0;
  std::vector<int64_t> members;
  std::vector<int64_t> non_members;
};

/// Membership within one class. `tpr` is the share of its members above the threshold that has FPR
/// 0.01 over all classes.
struct MembershipSlice {
  int64_t label = 0;
  int64_t members = 0;
  int64_t non_members = 0;
  Estimate auc;
  Estimate tpr;
};

/// A member that the attack gives away, by name only.
struct ExposedRecord {
  std::string id;
  int64_t label = 0;
  double score = 0;
  int64_t rank = 0;  ///< 1: the highest score of all records, members or not
  double fpr = 0;    ///< share of non-members that score as high
  int64_t tied = 1;  ///< members with this very score, it included
};

/// The records of both sets that score highest: 1 % of them, rounded up, and those that tie with
/// the last of these.
struct WorstSlice {
  int64_t records = 0;
  int64_t members = 0;
  BoundedShare share;    ///< members among `records`
  double base_rate = 0;  ///< members among all records: what guessing finds
};

/// What these numbers of records could have told from chance, with probability 0.8.
struct MembershipPower {
  Estimate auc;                              ///< the smallest AUC; only `value`, `reason`
  std::map<std::string, Estimate> tpr;       ///< by metric: the smallest TPR; the same
  std::optional<double> epsilon_reach;       ///< epsilon_lower of a perfect separation
  std::optional<double> epsilon_detectable;  ///< the smallest true epsilon shown to be above 0
};

struct MembershipResult {
  int64_t members = 0;  ///< with a score
  int64_t non_members = 0;
  /// Records of the two sets that a scored one is a copy of, with the same label: they are no
  /// records of their own, and no figure counts them.
  int64_t copies = 0;
  std::vector<RocPoint> roc;  ///< by rising FPR, spaced evenly on a log scale
  ScoreHistogram histogram;
  std::vector<MembershipSlice> slices;  ///< by label
  std::optional<WorstSlice> worst;      ///< absent where no curve could be made
  std::vector<ExposedRecord> exposed;   ///< the highest 1 % of the members
  std::optional<Fidelity> fidelity;
  std::map<std::string, double> tuned;  ///< what the attack found for parameters left to it
  std::string not_comparable;  ///< why the shadows say nothing about this candidate; "" if they do
  MembershipPower power;
};

/// One theft by itself.
struct TheftResult {
  int64_t seed = 0;
  int64_t queries = 0;                    ///< sent
  std::map<std::string, double> metrics;  ///< by name without a budget; what it tells
  std::map<std::string, double> findings;
  std::string failure;  ///< what the candidate failed on; "" if it answered
};

struct BudgetResult {
  int64_t budget = 0;
  std::vector<TheftResult> seeds;
};

/// How a monitor fared against the thieves of the largest budget, over their seeds: their queries
/// alone, or sent among benign ones.
struct MonitorResult {
  std::string monitor;
  int64_t mixed = 0;  ///< benign queries among a thief's; 0: he was alone
  int64_t seeds = 0;
  int64_t decided = 0;  ///< seeds whose queries, and benign traffic, were enough for a verdict
  int64_t alarmed = 0;  ///< of these, with more alarms than benign traffic explains
  /// Sent when their first alarm came, the median; absent where half or more were not noticed.
  std::optional<double> queries_to_alarm;
  int64_t attack_queries = 0;     ///< of all seeds
  std::optional<double> flagged;  ///< share of them with an alarm
  Estimate false_alarms;          ///< share of benign queries, Clopper–Pearson bounds
  double threshold = 0;
};

struct ExtractionResult {
  int64_t records = 0;  ///< of the test set
  std::optional<double> candidate_accuracy;
  std::vector<BudgetResult> budgets;  ///< ascending
  std::vector<MonitorResult> monitors;
};

struct CellResult {
  std::string name;
  std::string key;
  bool complete = false;
  SampleCounts samples;
  std::map<std::string, Estimate> metrics;  ///< at the suite's confidence
  std::map<std::string, Estimate> baseline_metrics;
  std::vector<CurvePoint> curve;
  std::vector<CurvePoint> baseline_curve;
  std::optional<Estimate> local_optimality;  ///< of a minimum-norm cell; without bounds
  std::vector<StageCount> stages;
  std::vector<ClassRow> classes;
  std::optional<MembershipResult> membership;
  std::optional<MembershipResult> baseline_membership;
  std::optional<ExtractionResult> extraction;
  std::optional<ExtractionResult> baseline_extraction;
  Cost cost;
  std::string baseline_reason;     ///< why no baseline cell pairs with this one; "" if one does
  std::vector<int64_t> regressed;  ///< sample indices: robust in the baseline, not here
  std::vector<int64_t> repaired;
};

struct RuleResult {
  enum class Verdict { kPass, kFail, kInconclusive, kNotApplicable, kWaived };
  std::string cell;
  std::string metric;
  RuleSpec::Kind kind = RuleSpec::Kind::kAtLeast;
  double limit = 0;
  double confidence = 0.95;
  std::optional<double> value;
  std::optional<double> baseline;
  std::optional<double> difference;  ///< baseline − candidate (max_drop), mirrored for max_rise
  std::optional<double> lower;       ///< the bounds that decide
  std::optional<double> upper;
  int64_t n = 0;
  std::optional<int64_t> regressed;
  std::optional<int64_t> repaired;
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;  ///< one sentence, for every verdict but pass, and why a median is infinite
  /// What would decide or mend it; of a pass what it does not say, such as the class in which a
  /// membership metric exceeds the limit.
  std::string hint;
  int line = 0;  ///< of the rule in the suite
};

std::string_view to_string(RuleResult::Verdict verdict);

enum class Outcome { kPass, kFail, kInconclusive, kIncomplete, kRefused };
std::string_view to_string(Outcome outcome);

struct Decision {
  Outcome outcome = Outcome::kInconclusive;
  std::string reason;  ///< one sentence: what decided
  std::vector<CellResult> cells;
  std::vector<RuleResult> rules;  ///< one per rule and cell it covers, or passes over for a reason
  std::vector<Flag> flags;        ///< of the evidence, and those the gate raises
  int64_t rules_decided = 0;      ///< pass or fail
  int64_t rules_not_applicable = 0;
  std::optional<double> clean_accuracy;
  std::optional<double> baseline_clean_accuracy;
};

/// The program's exit code for an outcome.
ExitCode exit_code(Outcome outcome);

/// Judges evidence by the suite's rules (contracts §2 to §4). `baseline` is null when there is
/// none; Suite::baseline == "none" declares a first run. Pure.
Decision decide(const Suite& suite, const Evidence& candidate, const Evidence* baseline);

/// Why the run may end after the clean pass: the reason and hint of the first clean_accuracy rule
/// that already fails, or "". Needs the clean pass only.
std::string clean_pass_failure(const Suite& suite, const Evidence& candidate,
                               const Evidence* baseline);

/// A refusal before anything ran (exit 5), as a decision that reports can show.
Decision refuse(const std::string& reason, std::vector<Flag> flags);

}  // namespace assay

// What reports show of an extraction cell, and flags that say how far its figures can be trusted.
#include <algorithm>
#include <cmath>
#include <map>

#include "harness/gate/extraction.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

double share_of_ones(const std::string& bits) {
  return static_cast<double>(std::count(bits.begin(), bits.end(), '1')) /
         static_cast<double>(bits.size());
}

/// The metrics of one theft alone; those that it does not tell are left out.
std::map<std::string, double> metrics_of_theft(const Extracted& cell, const Stolen& stolen) {
  std::map<std::string, double> metrics;
  const auto tried = std::count_if(stolen.transfer.begin(), stolen.transfer.end(),
                                   [](char bit) { return bit != '-'; });
  if (tried > 0) {
    const auto broken = std::count(stolen.transfer.begin(), stolen.transfer.end(), '1');
    metrics["transfer_success"] = static_cast<double>(broken) / static_cast<double>(tried);
  }
  if (stolen.agreement.empty()) return metrics;
  metrics["agreement"] = share_of_ones(stolen.agreement);
  metrics["surrogate_accuracy"] = share_of_ones(stolen.accuracy);
  const double candidate = share_of_ones(cell.candidate);
  if (candidate > 0) metrics["accuracy_ratio"] = metrics["surrogate_accuracy"] / candidate;
  double sum = 0;
  for (const double divergence : stolen.divergence) sum += divergence;
  metrics["mean_kl"] = sum / static_cast<double>(stolen.divergence.size());
  return metrics;
}

/// The middle one, infinite where the alarm never came; nullopt if it is infinite.
std::optional<double> median_to_alarm(std::vector<int64_t> queries) {
  std::sort(queries.begin(), queries.end(),
            [](int64_t a, int64_t b) { return (a < 0 ? INT64_MAX : a) < (b < 0 ? INT64_MAX : b); });
  const int64_t low = queries[(queries.size() - 1) / 2];
  const int64_t high = queries[queries.size() / 2];
  if (low < 0 || high < 0) return std::nullopt;
  return (static_cast<double>(low) + static_cast<double>(high)) / 2;
}

/// Shares of benign queries. Every seed sees the same benign traffic, so that more seeds are no
/// more of it: the bounds are of one stream.
Estimate false_alarm_rate(const std::vector<Monitored>& rows, double confidence) {
  Estimate rate;
  int64_t least = INT64_MAX;
  int64_t most = 0;
  double alarms = 0;
  rate.n = INT64_MAX;
  for (const Monitored& row : rows) {
    least = std::min(least, row.false_alarms);
    most = std::max(most, row.false_alarms);
    alarms += static_cast<double>(row.false_alarms) / static_cast<double>(rows.size());
    rate.n = std::min(rate.n, row.benign_queries);
  }
  if (rate.n == 0) {
    rate.reason = "there is no benign traffic";
    return rate;
  }
  rate.value = alarms / static_cast<double>(rate.n);
  rate.lower = clopper_pearson(std::min(least, rate.n), rate.n, confidence).lower;
  rate.upper = clopper_pearson(std::min(most, rate.n), rate.n, confidence).upper;
  return rate;
}

MonitorResult monitor_result(const std::vector<Monitored>& rows, double confidence) {
  MonitorResult result;
  result.monitor = rows.front().monitor;
  result.mixed = rows.front().mixed;
  result.seeds = static_cast<int64_t>(rows.size());
  result.threshold = rows.front().threshold;
  int64_t sent = 0;
  int64_t flagged = 0;
  std::vector<int64_t> to_alarm;
  for (const Monitored& row : rows) {
    // An alarm now and then, as benign traffic has them, is no notice.
    const bool noticed = row.noticed.value_or(false);
    result.decided += row.noticed ? 1 : 0;
    result.alarmed += noticed ? 1 : 0;
    to_alarm.push_back(noticed ? row.queries_to_alarm : -1);
    sent += row.attack_queries;
    flagged += row.flagged;
  }
  result.attack_queries = sent;
  result.queries_to_alarm = median_to_alarm(std::move(to_alarm));
  if (sent > 0) result.flagged = static_cast<double>(flagged) / static_cast<double>(sent);
  result.false_alarms = false_alarm_rate(rows, confidence);
  return result;
}

std::vector<MonitorResult> monitor_results(const EvidenceView& view, const CellView& cell,
                                           double confidence) {
  std::map<std::pair<std::string, bool>, std::vector<Monitored>> rows;  // by monitor, mixed or not
  for (const std::string& key : cell.header->units) {
    const auto unit = view.units.find(key);
    if (unit == view.units.end()) continue;
    for (const Monitored& row : unit->second->monitored) {
      if (row.failure.empty()) rows[{row.monitor, row.mixed > 0}].push_back(row);
    }
  }
  std::vector<MonitorResult> results;
  for (const auto& [name, list] : rows) results.push_back(monitor_result(list, confidence));
  return results;
}

/// The label that most test records have, which a thief who learnt nothing may always answer.
struct Constant {
  int64_t label = 0;
  double share = 0;
};
Constant most_frequent(const std::vector<SampleInfo>& records) {
  std::map<int64_t, int64_t> counts;
  for (const SampleInfo& record : records) ++counts[record.label];
  Constant most;
  for (const auto& [label, n] : counts) {
    const double share = static_cast<double>(n) / static_cast<double>(records.size());
    if (share > most.share) most = {label, share};
  }
  return most;
}

constexpr double kStrict = 0.99;
constexpr double kSure = 0.95;

/// `what` on the share `agreement` of the test records, with this standard error: why that is
/// nothing, or "".
std::string nothing_in(const EvidenceView& view, const CellView& cell, int64_t budget,
                       const std::string& what, double agreement, double record_error) {
  const Constant constant = most_frequent(test_records(view.evidence->header, *cell.header));
  const Extracted& extracted = *cell.scored->extracted;
  const double answered =
      static_cast<double>(extracted.commonest) / static_cast<double>(extracted.candidate.size());
  const double sure = std::max(0.0, agreement - normal_quantile(kSure) * record_error);
  if (sure > std::max(answered, constant.share)) return "";
  return "the thief learnt nothing: with " + std::to_string(budget) + " queries " + what +
         " with the candidate on " + percent(agreement) +
         " of the records, of which chance in the records leaves " + percent(sure) +
         ", no more than always " +
         (answered >= constant.share
              ? "giving the candidate's most frequent answer would, which is that of " +
                    percent(answered)
              : "answering label " + std::to_string(constant.label) + " would, which " +
                    percent(constant.share) + " of them have");
}

/// Of all seeds at a budget; nullopt where it has no figures.
std::optional<std::string> nothing_at(const EvidenceView& view, const CellView& cell,
                                      int64_t budget) {
  const SeededFigure agreement = extraction_figure({"agreement", budget}, cell, kStrict);
  if (!agreement.reason.empty()) return std::nullopt;
  return nothing_in(view, cell, budget, "the surrogates agree", agreement.bounds.value,
                    agreement.bounds.record_error);
}

/// What attacks that solve for weights take a candidate for, and the finding that is 1 where it is.
struct Premise {
  const char* attack;
  const char* finding;
  const char* model;
};
constexpr Premise kPremises[] = {
    {"equation_solving", "affine", "affine models"},
    {"relu_recovery", "one_hidden_layer", "networks with one hidden ReLU layer"},
};

/// What surrogates agree on at least that are the candidate up to rounding; and where answers are
/// cut or noisy.
constexpr double kExactFit = 0.99;
constexpr double kOpenFit = 0.9;

/// Why the test records deny what all thieves of a budget found of their own queries; "" if they do
/// not. A network may be the premised model where they looked and another one where records are.
std::string denied(const CellView& cell, const Premise& premise, int64_t budget) {
  const Surface& surface = cell.header->threat.surface;
  const bool exact = surface.noise == 0 && (surface.kind == Surface::Kind::kLogits ||
                                            surface.kind == Surface::Kind::kProbabilities);
  for (const Stolen& stolen : cell.scored->extracted->stolen) {
    if (stolen.budget != budget || stolen.agreement.empty()) continue;
    const auto n = static_cast<int64_t>(stolen.agreement.size());
    const auto agreed = std::count(stolen.agreement.begin(), stolen.agreement.end(), '1');
    if (clopper_pearson(agreed, n, kSure).upper >= (exact ? kExactFit : kOpenFit)) continue;
    return cell.header->attack + " is for " + premise.model + ", and with " +
           std::to_string(budget) + " queries a surrogate agrees with the candidate on " +
           percent(share_of_ones(stolen.agreement)) +
           " of the records only, where that of such a model would on nearly all (`" +
           premise.finding + "` is 1, of what was asked)";
  }
  return "";
}

/// Why what was found with `most` queries or fewer does not show that the candidate is what the
/// attack takes it for, on the test records too; "" if it does. The largest budget that tells
/// counts: a smaller one may end before all is found.
std::string not_shown(const CellView& cell, const Premise& premise, int64_t most) {
  int64_t budget = -1;
  bool holds = false;
  for (const Stolen& stolen : cell.scored->extracted->stolen) {
    const auto finding = stolen.findings.find(premise.finding);
    const bool tells = finding != stolen.findings.end() && stolen.budget <= most;
    if (!tells || stolen.budget < budget) continue;
    holds = finding->second == 1 && (holds || stolen.budget > budget);
    budget = stolen.budget;
  }
  if (holds) return denied(cell, premise, budget);
  const std::string what = cell.header->attack + " is for " + premise.model + ", and ";
  if (budget < 0) {
    return what +
           (most == INT64_MAX ? "no budget was" : std::to_string(most) + " queries were not") +
           " enough to tell whether the candidate is one";
  }
  return what + "with " + std::to_string(budget) +
         " queries the candidate's answers do not show that it is one (`" + premise.finding +
         "` is 0)";
}

/// Why the surrogate that `source` names, the first seed's, is none to make points on.
std::optional<Flag> doubt_of(const EvidenceView& view, const CellHeader& cell,
                             const std::string& source) {
  for (const CellView& thief : view.cells) {
    const CellHeader& named = *thief.header;
    if (named.family != Family::kExtraction || thief.scored == nullptr) continue;
    const std::vector<int64_t> budgets = budgets_of(named.params);
    for (const int64_t budget : budgets) {
      const bool own = selects(source, named.name + "@" + std::to_string(budget)) ||
                       (budget == budgets.back() && selects(source, named.name));
      if (!own) continue;
      const std::string of = "`" + source + "`, its source: ";
      std::string weak = nothing_at(view, thief, budget).value_or("");
      const std::string ill = undertrained(thief, budget);
      for (const Stolen& stolen : thief.scored->extracted->stolen) {
        if (!weak.empty() || stolen.budget != budget || stolen.seed != 0) continue;
        if (stolen.agreement.empty()) continue;
        const double agreement = share_of_ones(stolen.agreement);
        const double error =
            std::sqrt(agreement * (1 - agreement) / static_cast<double>(stolen.agreement.size()));
        weak = nothing_in(view, thief, budget, "the first surrogate agrees", agreement, error);
      }
      if (!weak.empty()) return Flag{"extraction_weak", cell.name, of + weak, kWeakThiefAdvice};
      if (const std::string other = misapplied(thief, budget); !other.empty()) {
        return Flag{"extraction_weak", cell.name, of + other, kMisappliedAdvice};
      }
      if (!ill.empty()) {
        return Flag{"extraction_undertrained", cell.name, of + ill, kUndertrainedAdvice};
      }
      if (const std::string unknown = labels_diverged(thief, budget); !unknown.empty()) {
        return Flag{"extraction_undertrained", cell.name, of + unknown, kDivergedAdvice};
      }
    }
  }
  return std::nullopt;
}

void flag_not_growing(const CellView& cell, int64_t largest, std::vector<Flag>& flags) {
  const std::vector<BetterBudget> better = better_budgets({"agreement", largest}, cell);
  if (better.empty()) return;
  const auto& [budget, growth, confidence] = better.front();
  flags.push_back({"agreement_not_growing", cell.header->name,
                   "agreement with " + std::to_string(largest) + " queries is less than with " +
                       std::to_string(budget) + " by " + percent(-growth.bounds.value) +
                       ", at least " + percent(-*growth.bounds.upper) + " at confidence " +
                       figure(confidence),
                   "more answers should not teach less: the recipe does not suit the larger "
                   "budget; look at its epochs and learning rate, and read the best budget"});
}

void flag_unspent(const CellView& cell, std::vector<Flag>& flags) {
  for (const Stolen& stolen : cell.scored->extracted->stolen) {
    if (!stolen.failure.empty() || !ran_dry(cell, stolen)) continue;
    flags.push_back({"budget_unspent", cell.header->name,
                     "with a budget of " + std::to_string(stolen.budget) + " the thief sent " +
                         std::to_string(stolen.queries) + " queries",
                     "nothing is known of this budget: give a larger pool, or smaller budgets"});
    return;
  }
}

}  // namespace

std::vector<BetterBudget> better_budgets(const ExtractionMetric& metric, const CellView& cell) {
  const std::vector<int64_t> budgets = budgets_of(cell.header->params);
  const auto own = std::find(budgets.begin(), budgets.end(), metric.budget);
  const double confidence = 1 - (1 - kStrict) / static_cast<double>(own - budgets.begin());
  std::vector<BetterBudget> better;
  for (auto budget = budgets.begin(); budget != own && budget != budgets.end(); ++budget) {
    const SeededFigure growth = budget_difference(metric, *budget, cell, confidence);
    if (!growth.reason.empty() || !growth.bounds.upper) continue;
    // A surrogate that is nearer has the smaller divergence.
    const bool fell =
        metric.name == "mean_kl" ? *growth.bounds.lower > 0 : *growth.bounds.upper < 0;
    if (fell) better.push_back({*budget, growth, confidence});
  }
  return better;
}

std::string learnt_nothing(const EvidenceView& view, const CellView& cell) {
  const std::vector<int64_t> budgets = budgets_of(cell.header->params);
  for (auto budget = budgets.rbegin(); budget != budgets.rend(); ++budget) {
    const std::optional<std::string> nothing = nothing_at(view, cell, *budget);
    if (nothing) return *nothing;
  }
  return "";
}

std::string misapplied(const CellView& cell, int64_t budget) {
  const auto premise =
      std::find_if(std::begin(kPremises), std::end(kPremises),
                   [&](const Premise& one) { return cell.header->attack == one.attack; });
  if (premise == std::end(kPremises)) return "";
  const std::string other = not_shown(cell, *premise, INT64_MAX);
  return other.empty() ? not_shown(cell, *premise, budget) : other;
}

std::vector<Flag> doubts_of_sources(const EvidenceView& view, const CellHeader& cell) {
  if (cell.family != Family::kEvasion) return {};
  std::vector<Flag> doubts;
  size_t sources = 0;
  for (const auto& [name, value] : cell.params) {
    const auto* source = std::get_if<std::string>(&value);
    if (source == nullptr || (name != "source" && !name.ends_with(".source"))) continue;
    ++sources;
    if (std::optional<Flag> doubt = doubt_of(view, cell, *source)) doubts.push_back(*doubt);
  }
  // What one stage of several lacks, others may have.
  const size_t parts = std::max<size_t>(1, cell.stages.size());
  return doubts.size() == sources && sources == parts ? doubts : std::vector<Flag>();
}

std::vector<Flag> diagnose_extraction(const EvidenceView& view) {
  std::vector<Flag> flags;
  for (const CellView& cell : view.cells) {
    for (const Flag& doubt : doubts_of_sources(view, *cell.header)) flags.push_back(doubt);
    if (cell.header->family != Family::kExtraction || cell.scored == nullptr) continue;
    const std::vector<int64_t> budgets = budgets_of(cell.header->params);
    if (budgets.empty()) continue;
    const std::string weak = learnt_nothing(view, cell);
    if (!weak.empty()) {
      flags.push_back({"extraction_weak", cell.header->name, weak, kWeakThiefAdvice});
    } else if (const std::string other = misapplied(cell, budgets.back()); !other.empty()) {
      flags.push_back({"extraction_weak", cell.header->name, other, kMisappliedAdvice});
    }
    const std::string ill = undertrained(cell, budgets.back());
    if (!ill.empty()) {
      flags.push_back({"extraction_undertrained", cell.header->name, ill, kUndertrainedAdvice});
    }
    for (auto budget = budgets.rbegin(); ill.empty() && budget != budgets.rend(); ++budget) {
      const std::string unknown = labels_diverged(cell, *budget);
      if (unknown.empty()) continue;
      flags.push_back({"extraction_undertrained", cell.header->name, unknown, kDivergedAdvice});
      break;
    }
    flag_not_growing(cell, budgets.back(), flags);
    flag_unspent(cell, flags);
  }
  return flags;
}

ExtractionResult describe_extraction(const EvidenceView& view, const CellView& cell,
                                     double confidence) {
  ExtractionResult result;
  result.records = static_cast<int64_t>(test_records(view.evidence->header, *cell.header).size());
  result.monitors = monitor_results(view, cell, confidence);
  if (cell.scored == nullptr) return result;
  const Extracted& extracted = *cell.scored->extracted;
  if (!extracted.candidate.empty()) result.candidate_accuracy = share_of_ones(extracted.candidate);
  for (const int64_t budget : budgets_of(cell.header->params)) {
    BudgetResult of_budget;
    of_budget.budget = budget;
    for (const Stolen& stolen : extracted.stolen) {
      if (stolen.budget != budget) continue;
      of_budget.seeds.push_back({stolen.seed, stolen.queries, metrics_of_theft(extracted, stolen),
                                 stolen.findings, stolen.failure});
    }
    result.budgets.push_back(std::move(of_budget));
  }
  return result;
}

}  // namespace assay

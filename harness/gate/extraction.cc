#include "harness/gate/extraction.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <utility>

#include "harness/gate/pairing.h"
#include "harness/gate/text.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

/// A cell's thefts at one budget, by seed.
struct Thefts {
  const Extracted* cell = nullptr;
  std::vector<const Stolen*> seeds;
  std::string reason;  ///< why they cannot be measured; "" if they can
};

std::string place_of(const Stolen& stolen) {
  return "at a budget of " + std::to_string(stolen.budget) + " with seed " +
         std::to_string(stolen.seed);
}

int64_t expected_seeds(const CellHeader& cell, size_t found) {
  const auto seeds = cell.params.find("seeds");
  const auto* number = seeds == cell.params.end() ? nullptr : std::get_if<int64_t>(&seeds->second);
  return number == nullptr ? static_cast<int64_t>(found) : *number;
}

/// Why this theft tells nothing of the metric; "" if it does.
std::string obstacle(const std::string& metric, const CellView& cell, const Stolen& stolen) {
  if (!stolen.failure.empty()) {
    return "the candidate failed while it was queried " + place_of(stolen) + ": " + stolen.failure;
  }
  if (ran_dry(cell, stolen)) {
    return "the pool was spent after " + std::to_string(stolen.queries) + " queries " +
           place_of(stolen);
  }
  if (metric != "transfer_success") {
    return stolen.agreement.empty() ? "the attack gives no surrogate " + place_of(stolen) : "";
  }
  return stolen.transfer.find_first_of("01") == std::string::npos
             ? "no adversarial made on the surrogate was tried " + place_of(stolen)
             : "";
}

Thefts thefts_of(const ExtractionMetric& metric, const CellView& cell) {
  Thefts thefts;
  if (cell.scored == nullptr || !cell.scored->extracted) {
    thefts.reason = "what the thieves got is not in the evidence";
    return thefts;
  }
  thefts.cell = &*cell.scored->extracted;
  for (const Stolen& stolen : thefts.cell->stolen) {
    if (stolen.budget == metric.budget) thefts.seeds.push_back(&stolen);
  }
  std::sort(thefts.seeds.begin(), thefts.seeds.end(),
            [](const Stolen* a, const Stolen* b) { return a->seed < b->seed; });
  const int64_t found = static_cast<int64_t>(thefts.seeds.size());
  const int64_t expected = expected_seeds(*cell.header, thefts.seeds.size());
  if (found < expected || found == 0) {
    thefts.reason = std::to_string(found) + " of " + count(expected, "seed") + " at a budget of " +
                    std::to_string(metric.budget);
    return thefts;
  }
  for (const Stolen* stolen : thefts.seeds) {
    thefts.reason = obstacle(metric.name, cell, *stolen);
    if (!thefts.reason.empty()) return thefts;
  }
  const std::string& candidate = thefts.cell->candidate;
  if (candidate.empty()) {
    thefts.reason = "the test set is empty";
  } else if (metric.name == "accuracy_ratio" && candidate.find('1') == std::string::npos) {
    thefts.reason = "the candidate is right on no test record";
  }
  return thefts;
}

/// What one record with one seed adds; den is 0 where it tells nothing.
Terms term(const std::string& metric, const Thefts& thefts, size_t seed, size_t record) {
  const Stolen& stolen = *thefts.seeds[seed];
  const auto one = [record](const std::string& bits) { return bits[record] == '1' ? 1.0 : 0.0; };
  if (metric == "agreement") return {one(stolen.agreement), 1};
  if (metric == "surrogate_accuracy") return {one(stolen.accuracy), 1};
  if (metric == "accuracy_ratio") return {one(stolen.accuracy), one(thefts.cell->candidate)};
  if (metric == "mean_kl") return {stolen.divergence[record], 1};
  return {one(stolen.transfer), stolen.transfer[record] == '-' ? 0.0 : 1.0};
}

using TermOf = std::function<Terms(size_t seed, size_t record)>;

/// A record at each end of the range, as a sum over `seeds` seeds, and the range itself.
void set_ends(const std::string& metric, bool difference, SeededTerms& terms) {
  const double all = static_cast<double>(terms.seeds.size());
  terms.high = {all, all};
  terms.low = {difference ? -all : 0, all};
  terms.least = difference ? -1 : 0;
  if (metric != "accuracy_ratio" && metric != "mean_kl") return;
  terms.least = difference ? -std::numeric_limits<double>::infinity() : 0;
  terms.most = std::numeric_limits<double>::infinity();
  if (metric == "accuracy_ratio") {
    terms.high = {all, 0, 0, difference ? all : 0};
    terms.low = {0, all, difference ? all : 0, 0};
    return;
  }
  // Nothing bounds a divergence from above: the largest that was seen stands for the end.
  const auto [least, most] =
      std::minmax_element(terms.records.begin(), terms.records.end(),
                          [](const Terms& a, const Terms& b) { return a.num < b.num; });
  terms.high.num = most->num;
  if (difference) terms.low.num = least->num;
}

/// The same draws for one cell whatever it is called; a rerun of the gate repeats them.
uint64_t draws_seed(const CellView& cell) { return hash64(cell.header->key); }

SeededFigure figure_of(const std::string& metric, const CellView& cell, size_t seeds,
                       size_t records, bool difference, double confidence, const TermOf& term_of) {
  SeededTerms terms;
  terms.seeds.resize(seeds);
  for (size_t i = 0; i < records; ++i) {
    Terms record;
    bool told = false;
    for (size_t s = 0; s < seeds; ++s) {
      const Terms added = term_of(s, i);
      told = told || added.den > 0;
      terms.seeds[s] += added;
      record += added;
    }
    if (told || metric == "accuracy_ratio") terms.records.push_back(record);
  }
  SeededFigure figure;
  figure.seeds = static_cast<int64_t>(seeds);
  figure.records = static_cast<int64_t>(terms.records.size());
  const bool each = std::all_of(terms.seeds.begin(), terms.seeds.end(), [&](const Terms& seed) {
    return seed.den > 0 && (seed.other_den > 0 || !difference || metric != "accuracy_ratio");
  });
  if (!each) {
    figure.reason = "with one seed or more, no record tells of `" + metric + "`";
    return figure;
  }
  set_ends(metric, difference, terms);
  figure.bounds = seeded_bounds(terms, confidence, draws_seed(cell));
  return figure;
}

/// The first minus the second, where both tell something.
Terms terms_of_difference(const std::string& metric, const Terms& first, const Terms& second) {
  if (metric == "accuracy_ratio") return {first.num, first.den, second.num, second.den};
  if (first.den == 0 || second.den == 0) return {};
  return {first.num - second.num, 1};
}

bool same_seeds(const Thefts& one, const Thefts& other) {
  return std::equal(one.seeds.begin(), one.seeds.end(), other.seeds.begin(), other.seeds.end(),
                    [](const Stolen* a, const Stolen* b) { return a->seed == b->seed; });
}

}  // namespace

ExtractionMetric extraction_metric(std::string_view metric) {
  const size_t at = metric.find('@');
  if (at == std::string_view::npos) return {std::string(metric), 0};
  return {std::string(metric.substr(0, at)),
          std::atoll(std::string(metric.substr(at + 1)).c_str())};
}

bool ran_dry(const CellView& cell, const Stolen& stolen) {
  return cell.header->sets.contains("pool") && stolen.queries < stolen.budget;
}

const std::vector<SampleInfo>& test_records(const Header& header, const CellHeader& cell) {
  static const std::vector<SampleInfo> none;
  const auto name = cell.sets.find("test");
  if (name == cell.sets.end()) return none;
  const auto set = header.sets.find(name->second);
  return set == header.sets.end() ? none : set->second;
}

SeededFigure extraction_figure(const ExtractionMetric& metric, const CellView& cell,
                               double confidence) {
  const Thefts thefts = thefts_of(metric, cell);
  if (!thefts.reason.empty()) return {.reason = thefts.reason};
  return figure_of(metric.name, cell, thefts.seeds.size(), thefts.cell->candidate.size(), false,
                   confidence, [&](size_t s, size_t i) { return term(metric.name, thefts, s, i); });
}

SeededFigure budget_difference(const ExtractionMetric& metric, int64_t other_budget,
                               const CellView& cell, double confidence) {
  const Thefts one = thefts_of(metric, cell);
  const Thefts other = thefts_of({metric.name, other_budget}, cell);
  for (const Thefts* thefts : {&one, &other}) {
    if (!thefts->reason.empty()) return {.reason = thefts->reason};
  }
  if (!same_seeds(one, other)) return {.reason = "the two budgets have other seeds"};
  return figure_of(metric.name, cell, one.seeds.size(), one.cell->candidate.size(), true,
                   confidence, [&](size_t s, size_t i) {
                     return terms_of_difference(metric.name, term(metric.name, one, s, i),
                                                term(metric.name, other, s, i));
                   });
}

SeededDifference extraction_difference(const ExtractionMetric& metric, const EvidenceView& view,
                                       const CellView& cell, const EvidenceView& baseline,
                                       const CellView& baseline_cell, double confidence) {
  SeededDifference difference;
  std::string& reason = difference.figure.reason;
  const Thefts here = thefts_of(metric, cell);
  const Thefts there = thefts_of(metric, baseline_cell);
  if (!here.reason.empty()) reason = here.reason;
  if (!there.reason.empty()) reason = "in the baseline " + there.reason;
  if (reason.empty() && !same_seeds(here, there)) reason = "the two runs have other seeds";
  if (!reason.empty()) return difference;
  const std::vector<SampleInfo>& records = test_records(view.evidence->header, *cell.header);
  const std::vector<int64_t> partners =
      pair_samples(records, test_records(baseline.evidence->header, *baseline_cell.header));
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < partners.size(); ++i) {
    if (partners[i] >= 0) pairs.emplace_back(i, static_cast<size_t>(partners[i]));
  }
  if (pairs.empty()) {
    reason = "no test record is in both runs";
    return difference;
  }
  Terms sums;  // of the pairs that tell something in both runs
  difference.figure =
      figure_of(metric.name, cell, here.seeds.size(), pairs.size(), true, confidence,
                [&](size_t s, size_t i) {
                  const Terms mine = term(metric.name, here, s, pairs[i].first);
                  const Terms theirs = term(metric.name, there, s, pairs[i].second);
                  const Terms both = terms_of_difference(metric.name, mine, theirs);
                  if (both.den > 0 || both.other_den > 0 || metric.name == "accuracy_ratio") {
                    sums += {mine.num, mine.den, theirs.num, theirs.den};
                  }
                  return both;
                });
  if (!reason.empty()) return difference;
  difference.here = sums.num / sums.den;
  difference.there = sums.other_num / sums.other_den;
  return difference;
}

Estimate estimate_of(const SeededFigure& figure) {
  Estimate estimate;
  estimate.n = figure.records;
  estimate.reason = figure.reason;
  if (!figure.reason.empty()) return estimate;
  estimate.value = figure.bounds.value;
  estimate.lower = figure.bounds.lower;
  estimate.upper = figure.bounds.upper;
  return estimate;
}

}  // namespace assay

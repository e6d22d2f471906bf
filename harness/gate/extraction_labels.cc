// Networks that were trained on the bare labels of a thief's answers, held against his surrogates:
// what labels alone teach is never out of a thief's reach.
#include <algorithm>
#include <cmath>

#include "harness/gate/extraction.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

constexpr double kOneSided = 0.95;

/// So much more agreement may labels teach, beyond chance, before the training counts as bad.
constexpr double kAhead = 0.01;
/// How far two trainings of one seed may be apart by chance, where no second seed shows it.
constexpr double kSpread = 0.05;

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::vector<double> rises_of(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) result.push_back(a[i] - b[i]);
  return result;
}

/// s / √n, the standard error of the mean of n seeds, two or more.
double seed_error(const std::vector<double>& seeds) {
  const auto n = static_cast<double>(seeds.size());
  const double mean = mean_of(seeds);
  double squares = 0;
  for (const double seed : seeds) squares += (seed - mean) * (seed - mean);
  return std::sqrt(squares / (n - 1) / n);
}

/// The squared standard error of a share of the cell's test records.
double record_variance(double share, const CellView& cell) {
  return share * (1 - share) / static_cast<double>(cell.scored->extracted->candidate.size());
}

/// How far above its value a mean over seeds may be: Student's t of the seeds and the records'
/// error together. One seed shows no spread of its own.
double reach(const std::vector<double>& seeds, double variance, double confidence) {
  const double by_records = normal_quantile(confidence) * std::sqrt(variance);
  if (seeds.size() < 2) return kSpread + by_records;
  const double freedom = static_cast<double>(seeds.size()) - 1;
  return std::hypot(student_quantile(confidence, freedom) * seed_error(seeds), by_records);
}

/// Agreement by seed, of the surrogates and of networks trained on the labels of the same answers.
struct Taught {
  std::vector<double> answers, labels;
  bool looked = false;  // one seed or more has such a network; else both are equal

  bool labels_lead() const { return mean_of(labels) > mean_of(answers); }
  const std::vector<double>& better() const { return labels_lead() ? labels : answers; }
};

/// Of the seeds at a budget, ascending. A seed without a network trained on labels gave its answers
/// back, and stands for both.
Taught taught_at(const CellView& cell, int64_t budget) {
  std::vector<const Stolen*> thefts;
  for (const Stolen& stolen : cell.scored->extracted->stolen) {
    if (stolen.budget == budget && !stolen.agreement.empty()) thefts.push_back(&stolen);
  }
  std::sort(thefts.begin(), thefts.end(),
            [](const Stolen* a, const Stolen* b) { return a->seed < b->seed; });
  Taught taught;
  for (const Stolen* stolen : thefts) {
    const auto ones = std::count(stolen->agreement.begin(), stolen->agreement.end(), '1');
    taught.answers.push_back(static_cast<double>(ones) /
                             static_cast<double>(stolen->agreement.size()));
    const auto labels = stolen->findings.find("agreement_labels");
    const bool known = labels != stolen->findings.end();
    taught.labels.push_back(known ? labels->second : taught.answers.back());
    taught.looked = taught.looked || known;
  }
  return taught;
}

}  // namespace

std::string undertrained(const CellView& cell, int64_t budget) {
  const Taught taught = taught_at(cell, budget);
  if (!taught.looked) return "";
  const double answers = mean_of(taught.answers);
  const double labels = mean_of(taught.labels);
  const std::vector<double> ahead = rises_of(taught.labels, taught.answers);
  const double of_records = record_variance(answers, cell) + record_variance(labels, cell);
  const auto n = static_cast<double>(ahead.size());
  const double error = n < 2 ? kSpread + normal_quantile(kOneSided) * std::sqrt(of_records)
                             : student_quantile(kOneSided, n - 1) *
                                   std::hypot(seed_error(ahead), std::sqrt(of_records));
  if (mean_of(ahead) - error <= kAhead) return "";
  return "the thief is badly trained: with " + std::to_string(budget) +
         " queries the surrogates agree with the candidate on " + percent(answers) +
         " of the records, and networks trained on the labels of the same answers alone on " +
         percent(labels);
}

std::string labels_diverged(const CellView& cell, int64_t budget) {
  int64_t seeds = 0, diverged = 0;
  for (const Stolen& stolen : cell.scored->extracted->stolen) {
    if (stolen.budget != budget) continue;
    ++seeds;
    diverged += stolen.findings.contains("labels_diverged") ? 1 : 0;
  }
  if (diverged == 0) return "";
  return "nobody knows what labels alone teach: with " + std::to_string(budget) +
         " queries the training on the labels of the same answers came to no number with " +
         std::to_string(diverged) + " of " + count(seeds, "seed");
}

std::string labels_exceed(const CellView& cell, int64_t budget, double limit, double confidence) {
  const Taught taught = taught_at(cell, budget);
  if (!taught.looked) return "";
  const double labels = mean_of(taught.labels);
  const double most =
      std::min(1.0, labels + reach(taught.labels, record_variance(labels, cell), confidence));
  if (most <= limit) return "";
  return "networks trained on the labels of the same answers alone agree on " + figure(labels) +
         (labels > limit ? ""
                         : " and, as seeds and records vary, on up to " + figure(round_up(most)));
}

std::string labels_rise(const CellView& cell, const CellView& baseline, int64_t budget,
                        double limit, double confidence) {
  const Taught here = taught_at(cell, budget);
  const Taught there = taught_at(baseline, budget);
  const bool leads = (here.looked && here.labels_lead()) || (there.looked && there.labels_lead());
  if (!leads) return "";  // the rule's own bounds are of the better thieves
  const std::vector<double> rises = rises_of(here.better(), there.better());
  const double rise = mean_of(rises);
  const double variance = record_variance(mean_of(here.better()), cell) +
                          record_variance(mean_of(there.better()), baseline);
  const double most = rise + reach(rises, variance, confidence);
  if (most <= limit) return "";
  return "of surrogates and networks trained on the labels of the same answers alone the better "
         "ones agree on " +
         figure(mean_of(here.better())) + ", and on " + figure(mean_of(there.better())) +
         " in the baseline: a rise of " + figure(rise) +
         (rise > limit ? ""
                       : " and, as seeds and records vary, of up to " + figure(round_up(most)));
}

}  // namespace assay

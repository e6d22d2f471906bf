// The two-stage bootstrap of extraction (contracts §3).
//
// A figure x of seed s and record i varies as mu + a_s + b_i + e_si: a theft is luckier with one
// seed than with another, some records are easier, and the two interact. Seeds and records are
// crossed (every seed meets the same test records), so each replicate of the bootstrap draws a
// level of the seeds and one set of record weights that all seeds share.
//
// Stage 1, seeds. Resampling S = 3 seeds has ten outcomes, a variance (S - 1)/S too small and no
// tails, and no rescaling gives it Student's. So this stage is the parametric bootstrap: with the
// figures x_s of the seeds, of standard deviation s, a replicate's level is off by T·s/√S, T drawn
// from Student's t with S - 1 degrees of freedom. For normal a_s that alone is the exact interval.
// It takes in the variance of a and of e.
// Stage 2, records. The Bayesian bootstrap (Rubin, Ann. Statist. 9 (1981) 130): weights from a flat
// Dirichlet distribution, in which one more record stands at that end of the range towards which
// the bound goes. For a bound of a mean that is Gaffke's (2005; Learned-Miller & Thomas,
// arXiv:1905.06208), which for ones and zeros is Clopper–Pearson's: it has a width where all
// records agree, and does not trust the few that differ. It takes in the variance of b and of e.
// A bound is the quantile of both errors added. Drawing them independently is Behrens and Fisher's
// fiducial argument, whose intervals are known to be conservative (Robinson, Biometrika 63 (1976)
// 650), and e is counted in both stages: one-sided misses stay under the stated level, unless the
// seeds' own figures are skewed, as those that differ much near 0 or 1 are. The bound towards their
// long tail then misses more often: in simulations of three seeds at 5 %, 6 % with a mean of 0.9
// and a standard deviation of 0.05, 19 % with 0.95 and 0.09. Three values cannot show their shape,
// and bounds that hold for any would tell nothing; more seeds are the cure.
#include "harness/gate/seeded.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "harness/gate/random.h"
#include "harness/gate/statistics.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr int kLeastReplicates = 4000;
constexpr int kMostReplicates = 40'000;
constexpr double kInTail = 40;  // replicates beyond the quantile
constexpr double kLevels = 256;
/// Of the way to a limit: chance in the replicates leaves a bound off by 2 % of its distance.
constexpr double kAim = 0.95;

double ratio_of(const Terms& terms) {
  return terms.num / terms.den - (terms.other_den > 0 ? terms.other_num / terms.other_den : 0);
}

Terms scaled(const Terms& terms, double factor) {
  return {terms.num * factor, terms.den * factor, terms.other_num * factor,
          terms.other_den * factor};
}

/// Records with the same terms, as their mean. Their weights add up, and a sum of so many
/// exponentials is a gamma, so that a replicate costs what there are groups, not records.
struct Stratum {
  double records = 0;
  Terms mean;
};

/// A continuous `num` is told apart in steps of 1/256 of its range, which takes under 2 % off the
/// variance of 10,000 records even where one of them makes all of it.
std::vector<Stratum> strata_of(const std::vector<Terms>& records) {
  const auto [least, most] = std::minmax_element(
      records.begin(), records.end(), [](const Terms& a, const Terms& b) { return a.num < b.num; });
  const double start = least->num;
  const double width = most->num - start;
  std::map<std::tuple<int64_t, double, double, double>, Stratum> groups;
  for (const Terms& record : records) {
    const double level = width > 0 ? std::floor((record.num - start) / width * kLevels) : 0;
    Stratum& group =
        groups[{static_cast<int64_t>(level), record.den, record.other_num, record.other_den}];
    ++group.records;
    group.mean += record;
  }
  std::vector<Stratum> list;
  for (auto& [key, group] : groups) {
    group.mean = scaled(group.mean, 1 / group.records);
    list.push_back(group);
  }
  return list;
}

/// s/√S of the seeds' own figures.
double seed_error_of(const std::vector<Terms>& seeds) {
  const double n = static_cast<double>(seeds.size());
  double mean = 0;
  for (const Terms& seed : seeds) mean += ratio_of(seed) / n;
  double squares = 0;
  for (const Terms& seed : seeds) squares += std::pow(ratio_of(seed) - mean, 2);
  return std::sqrt(squares / (n - 1) / n);
}

double student(Draws& draws, double freedom) {
  return draws.normal() / std::sqrt(draws.gamma(freedom / 2) / (freedom / 2));
}

/// The k-th smallest where a share `probability` of the values is below it.
double take_quantile(std::vector<double>& values, double probability) {
  const double last = static_cast<double>(values.size() - 1);
  const double at = std::round(probability * (last + 2) - 1);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(std::clamp(at, 0.0, last));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

double deviation(const std::vector<double>& values) {
  double mean = 0;
  double squares = 0;
  const double n = static_cast<double>(values.size());
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean) / n;
  return std::sqrt(squares);
}

/// What the records add to a bound's distance from the value.
struct RecordReach {
  double plain;  ///< by their spread
  double extra;  ///< by the one more that stands at the end of the range
};

/// Of the bound on the limit's side.
RecordReach record_reach(const SeededBounds& bounds, int64_t seeds, double limit,
                         double confidence) {
  const double whole =
      limit > bounds.value ? *bounds.upper - bounds.value : bounds.value - *bounds.lower;
  const double by_seeds =
      student_quantile(confidence, static_cast<double>(seeds - 1)) * bounds.seed_error;
  const double plain = normal_quantile(confidence) * bounds.record_error;
  const double by_records = std::sqrt(std::max(0.0, whole * whole - by_seeds * by_seeds));
  return {plain, std::max(0.0, by_records - plain)};
}

}  // namespace

Terms& Terms::operator+=(const Terms& more) {
  num += more.num;
  den += more.den;
  other_num += more.other_num;
  other_den += more.other_den;
  return *this;
}

SeededBounds seeded_bounds(const SeededTerms& terms, double confidence, uint64_t draws_seed) {
  ASSAY_CHECK(confidence > 0.5 && confidence < 1, "confidence must lie in (0.5, 1)");
  ASSAY_CHECK(!terms.seeds.empty() && !terms.records.empty(), "a figure of no seed or no record");
  Terms all;
  for (const Terms& record : terms.records) all += record;
  SeededBounds bounds;
  bounds.value = ratio_of(all);
  if (terms.seeds.size() < 2) return bounds;
  bounds.seed_error = seed_error_of(terms.seeds);
  const double freedom = static_cast<double>(terms.seeds.size() - 1);
  const std::vector<Stratum> groups = strata_of(terms.records);
  const auto replicates = static_cast<size_t>(
      std::clamp(kInTail / (1 - confidence), double{kLeastReplicates}, double{kMostReplicates}));
  std::vector<double> low(replicates);
  std::vector<double> high(replicates);
  std::vector<double> plain(replicates);
  Draws draws(draws_seed);
  for (size_t i = 0; i < replicates; ++i) {
    Terms sum;
    for (const Stratum& group : groups) sum += scaled(group.mean, draws.gamma(group.records));
    const double extra = draws.gamma(1);
    const double level = bounds.seed_error * student(draws, freedom);
    plain[i] = ratio_of(sum);
    low[i] = ratio_of(Terms(sum) += scaled(terms.low, extra)) + level;
    high[i] = ratio_of(Terms(sum) += scaled(terms.high, extra)) + level;
  }
  bounds.record_error = deviation(plain);
  bounds.lower = std::clamp(take_quantile(low, 1 - confidence), terms.least,
                            std::max(terms.least, bounds.value));
  bounds.upper =
      std::clamp(take_quantile(high, confidence), std::min(terms.most, bounds.value), terms.most);
  return bounds;
}

int64_t seeds_for_limit(const SeededBounds& bounds, int64_t seeds, double limit, double confidence,
                        int64_t most) {
  const double now = static_cast<double>(seeds);
  const double gap = std::abs(limit - bounds.value);
  const RecordReach records = record_reach(bounds, seeds, limit, confidence);
  for (int64_t more = seeds + 1; more <= most; ++more) {
    const double n = static_cast<double>(more);
    const double by_seeds =
        student_quantile(confidence, n - 1) * bounds.seed_error * std::sqrt(now / n);
    if (std::hypot(by_seeds, records.plain + records.extra) < gap) return more;
  }
  return 0;
}

double records_for_limit(const SeededBounds& bounds, int64_t seeds, int64_t records, double limit,
                         double confidence) {
  const double gap = std::abs(limit - bounds.value);
  if (gap == 0) return std::numeric_limits<double>::infinity();
  const auto [plain, extra] = record_reach(bounds, seeds, limit, confidence);
  // plain u + extra u² = aim, as one falls with the root of the records and one with the records.
  const double aim = kAim * gap;
  const double u = 2 * aim / (plain + std::sqrt(plain * plain + 4 * extra * aim));
  return static_cast<double>(records) / (u * u);
}

}  // namespace assay

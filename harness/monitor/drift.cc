#include "harness/monitor/drift.h"

#include <Eigen/Core>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <map>
#include <numeric>

#include "harness/monitor/distance.h"
#include "harness/monitor/random.h"
#include "harness/suite/error.h"
#include "harness/suite/value.h"

namespace assay {
namespace {

constexpr int64_t kFewest = 20;    // rows a side
constexpr double kExpected = 5;    // of each label on each side, for χ² to hold
constexpr double kTests = 3;       // that share the level
constexpr int64_t kColumns = 500;  // permutations in memory at a time
constexpr int64_t kExact = 40000;  // m n up to which ks counts
constexpr double kTie = 1e-10;     // of MMD²
constexpr uint64_t kRows = 0x726f7773;
constexpr uint64_t kPermutations = 0x7065726d;

std::string too_few(const QueryView& reference, const QueryView& recent) {
  if (reference.size() >= kFewest && recent.size() >= kFewest) return "";
  return "needs " + std::to_string(kFewest) + " rows a side, and has " +
         std::to_string(reference.size()) + " of the reference and " +
         std::to_string(recent.size()) + " recent ones";
}

std::vector<float> column(const QueryView& queries, int64_t feature) {
  std::vector<float> values(static_cast<size_t>(queries.size()));
  for (int64_t i = 0; i < queries.size(); ++i) {
    values[static_cast<size_t>(i)] =
        queries.inputs[static_cast<size_t>(i * queries.width + feature)];
  }
  std::sort(values.begin(), values.end());
  return values;
}

// The largest distance of the distribution functions of two sorted samples.
double largest_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const float value = std::min(a[i], b[j]);
    while (i < a.size() && a[i] == value) ++i;
    while (j < b.size() && b[j] == value) ++j;
    const double difference = static_cast<double>(i) / static_cast<double>(a.size()) -
                              static_cast<double>(j) / static_cast<double>(b.size());
    most = std::max(most, std::abs(difference));
  }
  return most;
}

// Of the ways in which m and n values may lie among each other, all as likely, the share that is d
// or more apart somewhere: a walk on the lattice, by the chance to be at (i, j) and to have been so
// far apart, or not yet.
double exact_p_value(double d, int64_t m, int64_t n) {
  const int64_t apart = std::llround(d * static_cast<double>(m * n));  // of i n and j m
  const auto size = static_cast<size_t>(n + 1);
  std::vector<double> near(size), far(size);
  for (int64_t i = 0; i <= m; ++i) {
    for (int64_t j = 0; j <= n; ++j) {
      const auto at = static_cast<size_t>(j);
      const auto of_a = static_cast<double>(m - i);  // values that are left
      const auto of_b = static_cast<double>(n - j);
      const double from_a = i == 0 ? 0 : (of_a + 1) / (of_a + 1 + of_b);
      const double from_b = j == 0 ? 0 : (of_b + 1) / (of_a + of_b + 1);
      near[at] = i + j == 0 ? 1 : from_a * near[at] + (j == 0 ? 0 : from_b * near[at - 1]);
      far[at] = from_a * far[at] + (j == 0 ? 0 : from_b * far[at - 1]);
      if (std::abs(i * n - j * m) < apart) continue;
      far[at] += near[at];
      near[at] = 0;
    }
  }
  return std::min(1.0, far.back());
}

// How many p-values Holm's procedure rejects at `alpha`.
int64_t holm(std::vector<double> p_values, double alpha) {
  std::sort(p_values.begin(), p_values.end());
  size_t rejected = 0;
  while (rejected < p_values.size() &&
         p_values[rejected] * static_cast<double>(p_values.size() - rejected) <= alpha) {
    ++rejected;
  }
  return static_cast<int64_t>(rejected);
}

DriftTest ks_test(const QueryView& reference, const QueryView& recent, double alpha) {
  DriftTest test{.name = "ks", .reason = too_few(reference, recent)};
  if (!test.reason.empty()) return test;
  std::vector<double> p_values;
  double least = INFINITY;
  for (int64_t feature = 0; feature < reference.width; ++feature) {
    const std::vector<float> a = column(reference, feature);
    const std::vector<float> b = column(recent, feature);
    if (a.front() == a.back() && b.front() == b.back() && a.front() == b.front()) continue;
    const double d = largest_distance(a, b);
    p_values.push_back(kolmogorov_p_value(d, reference.size(), recent.size()));
    if (p_values.back() < least) {
      least = p_values.back();
      test.most_different = feature;
      test.statistic = d;
    }
  }
  if (p_values.empty()) {
    test.reason = "no feature varies";
    return test;
  }
  test.reference = reference.size();
  test.recent = recent.size();
  test.features = static_cast<int64_t>(p_values.size());
  test.p_value = std::min(1.0, least * static_cast<double>(p_values.size()));
  test.drifted = holm(std::move(p_values), alpha);
  return test;
}

// At most `most` rows, drawn by seed.
QueryStream drawn(const QueryView& queries, int64_t most, uint64_t seed) {
  std::vector<int64_t> rows = shuffled(queries.size(), seed);
  rows.resize(std::min(rows.size(), static_cast<size_t>(most)));
  std::sort(rows.begin(), rows.end());
  QueryStream stream;
  stream.width = queries.width;
  stream.labels.resize(rows.size());
  for (const int64_t row : rows) {
    const std::span<const float> values = queries.row(row);
    stream.inputs.insert(stream.inputs.end(), values.begin(), values.end());
  }
  return stream;
}

// exp(−d² / 2σ²) of all pairs, σ² the median of d²; empty where all rows are equal.
Eigen::MatrixXd kernel_of(const QueryView& rows) {
  const int64_t n = rows.size();
  Eigen::MatrixXd kernel = Eigen::MatrixXd::Zero(n, n);
  std::vector<double> squares;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      const double length = distance(rows.row(i), rows.row(j));
      kernel(i, j) = kernel(j, i) = length * length;
      if (length > 0) squares.push_back(length * length);
    }
  }
  if (squares.empty()) return {};
  const auto middle = squares.begin() + static_cast<std::ptrdiff_t>(squares.size() / 2);
  std::nth_element(squares.begin(), middle, squares.end());
  return (kernel.array() / (-2 * *middle)).exp();
}

// So many that Holm's procedure can reject the p-value.
int64_t permutations_for(const DriftOptions& options) {
  const double least = std::min(std::floor(kTests / options.alpha), kMostPermutations + 1.0);
  return std::max(options.permutations, static_cast<int64_t>(least));
}

// Columns `first` and on: 0 marks the m rows of the reference, every other one m rows by chance.
Eigen::MatrixXd marks_of(int64_t total, int64_t m, int64_t first, int64_t columns, uint64_t seed) {
  Eigen::MatrixXd marks = Eigen::MatrixXd::Zero(total, columns);
  for (int64_t c = 0; c < columns; ++c) {
    if (first + c == 0) {
      marks.col(0).head(m).setOnes();
      continue;
    }
    const auto draw = static_cast<uint64_t>(first + c);
    const std::vector<int64_t> order = shuffled(total, random_bits(seed, draw));
    for (int64_t i = 0; i < m; ++i) marks(order[static_cast<size_t>(i)], c) = 1;
  }
  return marks;
}

DriftTest mmd_test(const QueryView& reference, const QueryView& recent,
                   const DriftOptions& options) {
  DriftTest test{.name = "mmd", .reason = too_few(reference, recent)};
  if (!test.reason.empty()) return test;
  const int64_t permutations = permutations_for(options);
  if (permutations > kMostPermutations) {
    test.reason = "its p-value is " + number_text(1.0 / (kMostPermutations + 1)) + " or more, of " +
                  std::to_string(kMostPermutations) + " permutations, and the level asks for " +
                  number_text(options.alpha / kTests);
    return test;
  }
  QueryStream rows = drawn(reference, options.most_rows, random_bits(options.seed, kRows));
  const int64_t m = rows.view().size();
  const QueryStream others = drawn(recent, options.most_rows, random_bits(options.seed, kRows + 1));
  rows.inputs.insert(rows.inputs.end(), others.inputs.begin(), others.inputs.end());
  rows.labels.resize(rows.labels.size() + others.labels.size());
  const int64_t total = rows.view().size();
  const int64_t n = total - m;
  const Eigen::MatrixXd kernel = kernel_of(rows.view());
  if (kernel.size() == 0) {
    test.reason = "no feature varies";
    return test;
  }
  const double all = kernel.sum();
  const auto md = static_cast<double>(m);
  const auto nd = static_cast<double>(n);
  const uint64_t seed = random_bits(options.seed, kPermutations);
  int64_t as_large = 1;
  for (int64_t first = 0; first <= permutations; first += kColumns) {
    const int64_t columns = std::min(kColumns, permutations + 1 - first);
    const Eigen::MatrixXd marks = marks_of(total, m, first, columns, seed);
    const Eigen::MatrixXd sums = kernel * marks;
    const Eigen::RowVectorXd within = (marks.array() * sums.array()).colwise().sum();
    const Eigen::RowVectorXd touching = sums.colwise().sum();
    for (int64_t c = 0; c < columns; ++c) {
      const double between = touching(c) - within(c);
      const double outside = all - within(c) - 2 * between;
      const double mmd = (within(c) - md) / (md * (md - 1)) + (outside - nd) / (nd * (nd - 1)) -
                         2 * between / (md * nd);
      if (first + c == 0) {
        test.statistic = mmd;
      } else {
        // Sums of equal kernels in another order differ in their last bits.
        as_large += mmd >= test.statistic - kTie * (1 + std::abs(test.statistic));
      }
    }
  }
  test.p_value = static_cast<double>(as_large) / static_cast<double>(permutations + 1);
  test.reference = m;
  test.recent = n;
  return test;
}

DriftTest label_test(const QueryView& reference, const QueryView& recent, bool labels) {
  DriftTest test{.name = "labels"};
  test.reason = labels ? too_few(reference, recent) : "needs the model's answers on both sides";
  if (!test.reason.empty()) return test;
  std::map<int64_t, std::pair<double, double>> counts;
  for (const int64_t label : reference.labels) ++counts[label].first;
  for (const int64_t label : recent.labels) ++counts[label].second;
  const auto m = static_cast<double>(reference.size());
  const auto n = static_cast<double>(recent.size());
  const double least = kExpected * (m + n) / std::min(m, n);  // of both sides together
  std::vector<std::pair<double, double>> cells;
  std::pair<double, double> rare;
  for (const auto& [label, count] : counts) {
    const bool often = count.first + count.second >= least;
    if (often) cells.push_back(count);
    rare.first += often ? 0 : count.first;
    rare.second += often ? 0 : count.second;
  }
  // Labels that even together are rare say nothing; what is left are fewer rows.
  if (rare.first + rare.second >= least) cells.push_back(rare);
  if (cells.size() < 2) {
    test.reason = "fewer than two labels are frequent enough";
    return test;
  }
  double rows_m = 0;
  double rows_n = 0;
  for (const auto& [a, b] : cells) {
    rows_m += a;
    rows_n += b;
  }
  if (rows_m == 0 || rows_n == 0) {
    test.reason = "one side has no label that is frequent enough";
    return test;
  }
  for (const auto& [a, b] : cells) {
    const double expected_a = (a + b) * rows_m / (rows_m + rows_n);
    const double expected_b = (a + b) * rows_n / (rows_m + rows_n);
    test.statistic += (a - expected_a) * (a - expected_a) / expected_a +
                      (b - expected_b) * (b - expected_b) / expected_b;
  }
  const boost::math::chi_squared_distribution<double> chi(static_cast<double>(cells.size() - 1));
  test.p_value = cdf(complement(chi, test.statistic));
  test.reference = static_cast<int64_t>(rows_m);
  test.recent = static_cast<int64_t>(rows_n);
  return test;
}

}  // namespace

double kolmogorov_p_value(double d, int64_t m, int64_t n) {
  if (m * n <= kExact) return exact_p_value(d, m, n);
  const double effective =
      std::sqrt(static_cast<double>(m) * static_cast<double>(n) / static_cast<double>(m + n));
  // Distances have steps, and the limit none: what is half a step under this one counts too.
  const double corrected = d - 0.5 / static_cast<double>(std::max(m, n));
  const double x = (effective + 0.12 + 0.11 / effective) * corrected;
  if (x < 0.2) return 1;  // the series converges slowly there, to 1 within 1e-12
  double sum = 0;
  for (int k = 1; k <= 100; ++k) {
    const double term = std::exp(-2 * k * k * x * x);
    sum += k % 2 == 1 ? term : -term;
    if (term < 1e-18) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

std::vector<DriftTest> drift_tests(const QueryView& reference, const QueryView& recent, bool labels,
                                   const DriftOptions& options) {
  ASSAY_CHECK(reference.width == recent.width, "samples differ in width");
  std::vector<DriftTest> tests = {ks_test(reference, recent, options.alpha),
                                  mmd_test(reference, recent, options),
                                  label_test(reference, recent, labels)};
  for (DriftTest& test : tests) {
    if (std::isfinite(test.statistic)) continue;
    test =
        DriftTest{.name = test.name, .reason = "its statistic is no number: values are too large"};
  }
  std::vector<DriftTest*> by_p_value;
  for (DriftTest& test : tests) {
    if (test.reason.empty()) by_p_value.push_back(&test);
  }
  std::stable_sort(by_p_value.begin(), by_p_value.end(),
                   [](const DriftTest* a, const DriftTest* b) { return a->p_value < b->p_value; });
  std::vector<double> p_values;
  for (const DriftTest* test : by_p_value) p_values.push_back(test->p_value);
  const int64_t rejected = holm(p_values, options.alpha);
  for (int64_t i = 0; i < rejected; ++i) by_p_value[static_cast<size_t>(i)]->drift = true;
  return tests;
}

}  // namespace assay

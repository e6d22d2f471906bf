#include "harness/cli/no_class.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/suite/value.h"

namespace assay {
namespace {

constexpr double kFar = 20;  // nats: a softmax that is sure to 2e-9

// Of all but the i-th of two columns or more.
size_t largest_beside(const std::vector<double>& row, size_t i) {
  size_t best = i == 0 ? 1 : 0;
  for (size_t k = 0; k < row.size(); ++k) {
    if (k != i && row[k] > row[best]) best = k;
  }
  return best;
}

}  // namespace

NoClass::NoClass(size_t columns)
    : counts_(columns, true),
      beside_(columns, true),
      above_(columns, false),
      parts_(columns, false),
      inside_(columns, true),
      varies_(columns, false),
      answers_{std::vector<bool>(columns, columns > 2), std::vector<bool>(columns, columns > 2)} {}

void NoClass::take(const std::vector<double>& row) {
  const double sum = std::accumulate(row.begin(), row.end(), 0.0);
  const auto largest = std::max_element(row.begin(), row.end());
  const auto first = static_cast<size_t>(largest - row.begin());
  const size_t second = largest_beside(row, first);
  if (rows_ == 0) {
    first_ = last_ = row;
    largest_ = first;
    sum_ = sum;
  }
  for (size_t i = 0; i < row.size(); ++i) {
    // The place of the largest among the others.
    const size_t best = i == first ? second : first;
    const auto told = static_cast<double>(best - (best > i ? 1 : 0));
    for (size_t base = 0; base < 2; ++base) {
      answers_[base][i] = answers_[base][i] && row[i] == told + static_cast<double>(base);
    }
    counts_[i] = counts_[i] && (first_[i] == 0 || first_[i] == 1) &&
                 row[i] == first_[i] + static_cast<double>(rows_);
    above_[i] = above_[i] || row[i] > 1;
    parts_[i] = parts_[i] || row[i] != std::floor(row[i]);
    inside_[i] = inside_[i] && row[i] >= 0 && row[i] <= 1;
    varies_[i] = varies_[i] || row[i] != first_[i];
    if (!beside_[i]) continue;
    double others = 0;
    for (size_t k = 0; k < row.size(); ++k) others += k == i ? 0 : row[k];
    beside_[i] = std::abs(others - 1) < 1e-3;
  }
  // Shares may be rounded to two decimals.
  const bool rounded =
      std::all_of(row.begin(), row.end(), [](double v) { return v >= 0 && v <= 1; });
  const double slack = rounded ? 0.005 * static_cast<double>(row.size()) : 0;
  shares_ = shares_ && std::abs(sum - sum_) <= slack + 1e-3 * std::abs(sum_);
  const double value = row[largest_];
  always_ = always_ && value == *largest;
  far_ = far_ && first == largest_ && value - row[second] > kFar;
  whole_ = whole_ && value > 1 && value == std::floor(value);
  if (rows_ > 0) {
    rises_ = rises_ && value >= last_[largest_];
    falls_ = falls_ && value <= last_[largest_];
    strict_ = strict_ && value != last_[largest_];
  }
  last_ = row;
  ++rows_;
}

std::string NoClass::found(const std::vector<std::string>& names, bool named) const {
  if (rows_ < 5) return "";
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string column = "column `" + names[i] + "` ";
    if (counts_[i]) return column + "numbers the rows";
    if (beside_[i] && above_[i]) return column + "goes above 1, and the others sum to 1";
    if (!named && (answers_[0][i] || answers_[1][i])) {
      return column + "says in every row which of the others is the largest";
    }
  }
  const std::string largest = "column `" + names[largest_] + "` is the largest in every row ";
  const bool moves = first_[largest_] != last_[largest_] && (strict_ || whole_);
  if (always_ && moves && (rises_ || falls_)) {
    return largest + "and " + (rises_ ? "ascends" : "descends") +
           ", as numbers and times of rows do";
  }
  if (named) return "";
  const std::string unless = " (if it is a class, number all columns: c0, c1, …)";
  if (far_) return largest + "by more than " + number_text(kFar) + unless;
  for (size_t i = 0; i < names.size(); ++i) {
    if (shares_ || !tells_apart(i)) continue;
    return "column `" + names[i] + "` holds whole numbers alone, as labels do, and not all others" +
           unless;
  }
  return "";
}

// Whole numbers, not always the same, beside fractions; or above 1 beside what stays in [0, 1].
bool NoClass::tells_apart(size_t column) const {
  if (parts_[column] || !varies_[column]) return false;
  bool fractions = false;
  bool inside = above_[column];
  for (size_t i = 0; i < parts_.size(); ++i) {
    fractions = fractions || parts_[i];
    inside = inside && (i == column || inside_[i]);
  }
  return fractions || inside;
}

}  // namespace assay

// Finds columns that are no class in a table of a model's outputs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace assay {

/// Looks for a column that numbers, dates or measures the rows, or says which class it was. Of two
/// columns or more.
class NoClass {
 public:
  explicit NoClass(size_t columns);

  /// The next row, a value for each column.
  void take(const std::vector<double>& row);

  /// What is wrong, or "". Few rows may be in order by chance. `named`: names say that each is one.
  std::string found(const std::vector<std::string>& names, bool named) const;

 private:
  bool tells_apart(size_t column) const;

  std::vector<bool> counts_;                  // by column: 0, 1, 2, … or 1, 2, 3, …
  std::vector<bool> beside_;                  // the others sum to 1 in every row
  std::vector<bool> above_;                   // 1, in one row or more
  std::vector<bool> parts_;                   // a fraction, in one row or more
  std::vector<bool> inside_;                  // [0, 1]
  std::vector<bool> varies_;                  // not the same in every row
  std::array<std::vector<bool>, 2> answers_;  // the largest of the others, counted from 0, from 1
  std::vector<double> first_, last_;
  double sum_ = 0;      // of the first row
  bool shares_ = true;  // all rows have that sum
  size_t largest_ = 0;  // column, of the first row
  bool always_ = true;  // of every row
  bool far_ = true;     // above all others of every row
  bool whole_ = true;   // whole numbers above 1
  bool rises_ = true;   // nowhere less than in the row before
  bool falls_ = true;   // nowhere more
  bool strict_ = true;  // nowhere the same
  int64_t rows_ = 0;
};

}  // namespace assay

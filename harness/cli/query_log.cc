#include "harness/cli/query_log.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "harness/model/csv.h"
#include "harness/model/dataset_array.h"
#include "harness/record/safetensors.h"
#include "harness/suite/error.h"
#include "harness/suite/suite.h"

namespace assay {
namespace {

constexpr size_t kLongestLine = size_t{1} << 24;

// The value as a query's entry in the range.
float checked_entry(double value, bool levels, const Range& range, const std::string& row) {
  if (levels) value = range.lo + value / 255 * (range.hi - range.lo);
  if (value >= range.lo && value <= range.hi) return static_cast<float>(value);
  const bool number = !std::isnan(value);
  throw Error(row + ": " + (number ? "the value " + value_text(value) : "a nan") +
              "; expected numbers in the range [" + number_text(range.lo) + ", " +
              number_text(range.hi) + "]" + (number ? "; say which it is with --range" : ""));
}

int64_t checked_answer(double value, const Classes& classes, const std::string& place) {
  const double most = classes.count ? static_cast<double>(*classes.count - 1) : 1e9;
  if (value >= 0 && value <= most && value == std::floor(value)) return static_cast<int64_t>(value);
  throw Error(place + "label " + value_text(value) + "; expected a whole number, " +
              (classes.count ? "0 to " + number_text(most) + ", as the suite has " +
                                   std::to_string(*classes.count) + " classes"
                             : std::string("0 or more")));
}

std::string row_of(const Array& array, int64_t row) {
  return array.data.name() + ": row " + std::to_string(row);
}

// The sides that tell one layout from another: of one, any place is the same.
std::vector<int64_t> sides(std::span<const int64_t> shape) {
  std::vector<int64_t> longer;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(longer),
               [](int64_t side) { return side != 1; });
  return longer;
}

void check_shape(const Array& x, std::span<const int64_t> expected) {
  const std::vector<int64_t> found = sides(std::span(x.shape).subspan(1));
  if (expected.empty() || found.size() < 2 || found == sides(expected)) return;
  throw Error(x.data.name() + ": holds an array of shape " + shape_text(x.shape) +
              "; expected queries [n, ...] of shape " + shape_text(expected) +
              ", as the suite's model takes them, or flat in that order");
}

void read_inputs(const Array& x, const Range& range, std::span<const int64_t> shape,
                 QueryStream& stream) {
  if (x.shape.size() < 2) {
    throw Error(x.data.name() + ": holds an array of shape " + shape_text(x.shape) +
                "; expected queries [n, ...]");
  }
  check_shape(x, shape);
  stream.width = entries_of(std::span(x.shape).subspan(1));
  if (stream.width == 0) {
    throw Error(x.data.name() + ": holds queries without entries, shape " + shape_text(x.shape));
  }
  stream.inputs.reserve(static_cast<size_t>(x.shape[0] * stream.width));
  std::vector<double> row(static_cast<size_t>(stream.width));
  for (int64_t i = 0; i < x.shape[0]; ++i) {
    read_elements(x, static_cast<uint64_t>(i * stream.width), row);
    const std::string place = row_of(x, i);
    for (const double value : row) {
      stream.inputs.push_back(checked_entry(value, x.type == ElementType::kU8, range, place));
    }
  }
  stream.labels.assign(static_cast<size_t>(x.shape[0]), 0);
}

void read_labels(const Array& y, const Classes& classes, QueryLog& log) {
  const int64_t n = log.stream.view().size();
  if (y.shape.size() != 1 || y.shape[0] != n) {
    throw Error(y.data.name() + ": holds an array of shape " + shape_text(y.shape) +
                "; expected one label for each of " + std::to_string(n) + " queries");
  }
  std::vector<double> values(static_cast<size_t>(n));
  read_elements(y, 0, values);
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    log.stream.labels[at] = checked_answer(values[at], classes, row_of(y, i) + ": ");
  }
  log.labelled = true;
}

// What the columns of a table of outputs mean.
struct Columns {
  std::vector<std::string> names;
  std::optional<size_t> label;   // absent: each is a class
  std::vector<int64_t> numbers;  // of the classes that they are named after; or empty
  bool named = false;            // the names say that each is a class
};

// The numbers of the classes that the columns are named after, where classes have names.
std::vector<int64_t> numbers_of(const std::vector<std::string>& columns, const Classes& classes,
                                const std::string& file) {
  std::vector<int64_t> numbers;
  const std::vector<std::string>& names = classes.names;
  if (names.empty()) return numbers;
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto name = std::find(names.begin(), names.end(), columns[i]);
    if (name == names.end()) {
      throw Error(Where{file, 1, 1}, "column `" + columns[i] + "` is none of the suite's classes" +
                                         suggest(columns[i], names) +
                                         "; name each column after its class, or give a column "
                                         "`label`");
    }
    numbers.push_back(name - names.begin());
  }
  return numbers;
}

// True if the columns are numbered, such as c0, c1, …. Refuses one that is not where half of them
// or more are.
bool check_numbered(const std::vector<std::string>& names, const std::string& file) {
  std::map<std::string, std::set<int64_t>> numbers;  // by what stands before them
  const auto digits = [](const std::string& name) {
    return name.find_last_not_of("0123456789") + 1;
  };
  for (const std::string& name : names) {
    const size_t at = digits(name);
    if (at < name.size() && name.size() - at < 10) {
      numbers[name.substr(0, at)].insert(std::stoll(name.substr(at)));
    }
  }
  for (const auto& [stem, found] : numbers) {
    const bool in_turn = *found.begin() <= 1 &&
                         *found.rbegin() - *found.begin() + 1 == static_cast<int64_t>(found.size());
    if (!in_turn || found.size() < 2 || 2 * found.size() < names.size()) continue;
    for (const std::string& name : names) {
      if (digits(name) < name.size() && name.substr(0, digits(name)) == stem) continue;
      throw Error(Where{file, 1, 1}, "column `" + name + "` is no class as `" + stem +
                                         std::to_string(*found.begin()) + "` … `" + stem +
                                         std::to_string(*found.rbegin()) +
                                         "` are, and would be taken for one; leave it out, or "
                                         "give a column `label`");
    }
    return true;
  }
  return false;
}

Columns columns_of(const std::string& header, const Classes& classes, const std::string& file) {
  Columns columns{csv_header(header, file), {}, {}};
  std::set<std::string> known;
  for (const std::string& name : columns.names) {
    if (!known.insert(name).second) {
      throw Error(Where{file, 1, 1}, "two columns are named `" + name + "`");
    }
  }
  const auto found = std::find(columns.names.begin(), columns.names.end(), "label");
  if (found != columns.names.end()) {
    columns.label = static_cast<size_t>(found - columns.names.begin());
  } else if (known.contains("")) {
    throw Error(Where{file, 1, 1},
                "a column has no name, as an index that was written with the "
                "table; leave it out (pandas: index=False)");
  } else if (columns.names.size() < 2) {
    throw Error(Where{file, 1, 1}, "has the one column `" + columns.names[0] +
                                       "`; expected a column `label`, or one for each class");
  } else if (classes.count && static_cast<int64_t>(columns.names.size()) != *classes.count) {
    throw Error(Where{file, 1, 1}, "has no column `label`, and " +
                                       std::to_string(columns.names.size()) +
                                       " columns; the suite has " + std::to_string(*classes.count) +
                                       " classes, and expects one for each and no other");
  } else {
    columns.numbers = numbers_of(columns.names, classes, file);
    columns.named = !classes.names.empty() || check_numbered(columns.names, file);
  }
  return columns;
}

double checked_field(const CsvField& field, const std::string& column, const Where& line) {
  double value = 0;
  if (parse_csv(field.text, &value) && !std::isnan(value)) return value;
  throw Error(Where{line.file, line.line, field.column},
              "`" + std::string(field.text.substr(0, 60)) + "` in column `" + column +
                  "`; expected a number");
}

// The label of a row, or the values of its classes in `row`.
int64_t answer_of(const std::vector<CsvField>& fields, const Columns& columns,
                  const Classes& classes, const Where& line, std::vector<double>* row) {
  if (columns.label) {
    const CsvField& field = fields[*columns.label];
    const std::string place =
        line.file + ":" + std::to_string(line.line) + ":" + std::to_string(field.column);
    if (const auto number = class_named(field.text, classes.names, place)) return *number;
    const double value = checked_field(field, "label", line);
    return checked_answer(value, classes, place + ": ");
  }
  row->clear();
  for (size_t i = 0; i < fields.size(); ++i) {
    row->push_back(checked_field(fields[i], columns.names[i], line));
  }
  const auto best = std::max_element(row->begin(), row->end()) - row->begin();
  return columns.numbers.empty() ? best : columns.numbers[static_cast<size_t>(best)];
}

// Finds a column that is no class, as it numbers, dates or measures the rows, or says which class
// it was.
class NoClass {
 public:
  explicit NoClass(size_t columns)
      : counts_(columns, true),
        beside_(columns, true),
        above_(columns, false),
        answers_{std::vector<bool>(columns, columns > 2), std::vector<bool>(columns, columns > 2)} {
  }

  void take(const std::vector<double>& row) {
    if (rows_ == 0) first_ = last_ = row;
    const auto largest = std::max_element(row.begin(), row.end());
    const auto first = static_cast<size_t>(largest - row.begin());
    const size_t second = largest_beside(row, first);
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
      if (!beside_[i]) continue;
      double others = 0;
      for (size_t k = 0; k < row.size(); ++k) others += k == i ? 0 : row[k];
      beside_[i] = std::abs(others - 1) < 1e-3;
    }
    if (rows_ == 0) largest_ = first;
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

  // What is wrong, or "". Few rows may be in order by chance. `named`: names say that each is one.
  std::string found(const std::vector<std::string>& names, bool named) const {
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
    if (named || !far_) return "";
    return largest + "by more than " + number_text(kFar) +
           " (if it is a class, number all columns: c0, c1, …)";
  }

 private:
  static constexpr double kFar = 20;  // nats: a softmax that is sure to 2e-9

  // Of all but the i-th of two columns or more.
  static size_t largest_beside(const std::vector<double>& row, size_t i) {
    size_t best = i == 0 ? 1 : 0;
    for (size_t k = 0; k < row.size(); ++k) {
      if (k != i && row[k] > row[best]) best = k;
    }
    return best;
  }

  std::vector<bool> counts_;                  // by column: 0, 1, 2, … or 1, 2, 3, …
  std::vector<bool> beside_;                  // the others sum to 1 in every row
  std::vector<bool> above_;                   // 1, in one row or more
  std::array<std::vector<bool>, 2> answers_;  // the largest of the others, counted from 0, from 1
  std::vector<double> first_, last_;
  size_t largest_ = 0;  // column, of the first row
  bool always_ = true;  // of every row
  bool far_ = true;     // above all others of every row
  bool whole_ = true;   // whole numbers above 1
  bool rises_ = true;   // nowhere less than in the row before
  bool falls_ = true;   // nowhere more
  bool strict_ = true;  // nowhere the same
  int64_t rows_ = 0;
};

}  // namespace

QueryLog read_queries(const std::filesystem::path& path, const Range& range, const Classes& classes,
                      std::span<const int64_t> shape) {
  QueryLog log;
  if (path.extension() == ".npy") {
    read_inputs(open_npy(path), range, shape, log.stream);
    check_magnitudes(log.stream.view(), path.string());
    return log;
  }
  if (path.extension() != ".safetensors") {
    throw Error(path.string() + ": expected a .npy or .safetensors of queries");
  }
  read_inputs(open_safetensors(path, "x"), range, shape, log.stream);
  check_magnitudes(log.stream.view(), path.string());
  for (const ArrayInfo& info : read_safetensors_index(path)) {
    if (info.name == "labels") read_labels(open_safetensors(path, "labels"), classes, log);
  }
  return log;
}

Answers read_outputs(const std::filesystem::path& path, int64_t count, const Classes& classes) {
  const Bytes file = Bytes::open(path);
  CsvLines lines(file, kLongestLine);
  std::string line;
  lines.next(&line);
  const Columns columns = columns_of(line, classes, file.name());
  std::vector<int64_t> labels;
  NoClass no_class(columns.names.size());
  std::vector<CsvField> fields;
  std::vector<double> row;
  int blank = 0;  // the first of those that end the file, unless the table goes on
  while (lines.next(&line)) {
    const Where place{file.name(), lines.line(), 1};
    if (line.empty()) {
      if (blank == 0) blank = lines.line();
      continue;
    }
    if (blank > 0) throw Error(Where{file.name(), blank, 1}, "a blank line inside the table");
    split_csv(&line, place, &fields);
    if (fields.size() != columns.names.size()) {
      throw Error(place, std::to_string(fields.size()) + " fields; the header has " +
                             std::to_string(columns.names.size()));
    }
    if (static_cast<int64_t>(labels.size()) == count) {
      throw Error(place, "more rows than the " + std::to_string(count) + " queries");
    }
    labels.push_back(answer_of(fields, columns, classes, place, &row));
    if (!columns.label) no_class.take(row);
  }
  if (static_cast<int64_t>(labels.size()) < count) {
    throw Error(Where{file.name(), lines.line(), 0},
                "the table ends after " + std::to_string(labels.size()) +
                    " rows; expected one for each of " + std::to_string(count) + " queries");
  }
  if (columns.label) return {std::move(labels), {}};
  if (const std::string fault = no_class.found(columns.names, columns.named); !fault.empty()) {
    throw Error(Where{file.name(), 1, 1},
                fault +
                    ", and would be taken for a class; leave it out (pandas: index=False), or "
                    "give a column `label`");
  }
  if (!columns.numbers.empty()) return {std::move(labels), {}};
  return {std::move(labels), columns.names};
}

}  // namespace assay

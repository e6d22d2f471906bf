#include "harness/cli/query_log.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

using Classes = std::optional<int64_t>;

int64_t checked_answer(double value, Classes classes, const std::string& place) {
  const double most = classes ? static_cast<double>(*classes - 1) : 1e9;
  if (value >= 0 && value <= most && value == std::floor(value)) return static_cast<int64_t>(value);
  throw Error(place + "label " + value_text(value) + "; expected a whole number, " +
              (classes ? "0 to " + number_text(most) + ", as the suite has " +
                             std::to_string(*classes) + " classes"
                       : std::string("0 or more")));
}

std::string row_of(const Array& array, int64_t row) {
  return array.data.name() + ": row " + std::to_string(row);
}

void read_inputs(const Array& x, const Range& range, QueryStream& stream) {
  if (x.shape.size() < 2) {
    throw Error(x.data.name() + ": holds an array of shape " + shape_text(x.shape) +
                "; expected queries [n, ...]");
  }
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

void read_labels(const Array& y, Classes classes, QueryLog& log) {
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
  std::optional<size_t> label;  // absent: each is a class
};

Columns columns_of(const std::string& header, Classes classes, const std::string& file) {
  Columns columns{csv_header(header, file), {}};
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
  } else if (classes && static_cast<int64_t>(columns.names.size()) != *classes) {
    throw Error(Where{file, 1, 1}, "has no column `label`, and " +
                                       std::to_string(columns.names.size()) +
                                       " columns; the suite has " + std::to_string(*classes) +
                                       " classes, and expects one for each and no other");
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

int64_t answer_of(const std::vector<CsvField>& fields, const Columns& columns, Classes classes,
                  const Where& line) {
  if (columns.label) {
    const CsvField& field = fields[*columns.label];
    const double value = checked_field(field, "label", line);
    return checked_answer(value, classes, to_prefix(Where{line.file, line.line, field.column}));
  }
  int64_t best = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < fields.size(); ++i) {
    const double value = checked_field(fields[i], columns.names[i], line);
    if (value > most) {
      most = value;
      best = static_cast<int64_t>(i);
    }
  }
  return best;
}

// Which column holds 0, 1, 2, … or 1, 2, 3, … in order.
class RowNumbers {
 public:
  explicit RowNumbers(const Columns& columns) : first_(columns.names.size(), NAN) {}

  void take(const std::vector<CsvField>& fields) {
    for (size_t i = 0; i < fields.size(); ++i) {
      double value = 0;
      const bool number = parse_csv(fields[i].text, &value);
      if (rows_ == 0 && number && (value == 0 || value == 1)) first_[i] = value;
      if (!number || value != first_[i] + static_cast<double>(rows_)) first_[i] = NAN;
    }
    ++rows_;
  }

  // Few rows may be in order by chance.
  std::optional<size_t> found() const {
    const auto numbers = [](double first) { return !std::isnan(first); };
    const auto found = std::find_if(first_.begin(), first_.end(), numbers);
    if (rows_ < 5 || found == first_.end()) return std::nullopt;
    return static_cast<size_t>(found - first_.begin());
  }

 private:
  std::vector<double> first_;  // what the column starts with; NaN where it is out of order
  int64_t rows_ = 0;
};

}  // namespace

QueryLog read_queries(const std::filesystem::path& path, const Range& range, Classes classes) {
  QueryLog log;
  if (path.extension() == ".npy") {
    read_inputs(open_npy(path), range, log.stream);
    check_magnitudes(log.stream.view(), path.string());
    return log;
  }
  if (path.extension() != ".safetensors") {
    throw Error(path.string() + ": expected a .npy or .safetensors of queries");
  }
  read_inputs(open_safetensors(path, "x"), range, log.stream);
  check_magnitudes(log.stream.view(), path.string());
  for (const ArrayInfo& info : read_safetensors_index(path)) {
    if (info.name == "labels") read_labels(open_safetensors(path, "labels"), classes, log);
  }
  return log;
}

Answers read_outputs(const std::filesystem::path& path, int64_t count, Classes classes) {
  const Bytes file = Bytes::open(path);
  CsvLines lines(file, kLongestLine);
  std::string line;
  lines.next(&line);
  const Columns columns = columns_of(line, classes, file.name());
  std::vector<int64_t> labels;
  RowNumbers numbers(columns);
  std::vector<CsvField> fields;
  int blank = 0;  // the first of those that end the file, unless the table goes on
  while (lines.next(&line)) {
    const Where place{file.name(), lines.line(), 1};
    if (line.empty()) {
      if (blank == 0) blank = lines.line();
      continue;
    }
    if (blank > 0) throw Error(Where{file.name(), blank, 1}, "a blank line inside the table");
    split_csv(line, place, &fields);
    if (fields.size() != columns.names.size()) {
      throw Error(place, std::to_string(fields.size()) + " fields; the header has " +
                             std::to_string(columns.names.size()));
    }
    if (static_cast<int64_t>(labels.size()) == count) {
      throw Error(place, "more rows than the " + std::to_string(count) + " queries");
    }
    labels.push_back(answer_of(fields, columns, classes, place));
    numbers.take(fields);
  }
  if (static_cast<int64_t>(labels.size()) < count) {
    throw Error(Where{file.name(), lines.line(), 0},
                "the table ends after " + std::to_string(labels.size()) +
                    " rows; expected one for each of " + std::to_string(count) + " queries");
  }
  if (columns.label) return {std::move(labels), {}};
  if (const std::optional<size_t> found = numbers.found()) {
    throw Error(Where{file.name(), 1, 1}, "column `" + columns.names[*found] +
                                              "` numbers the rows, and would be taken for a class; "
                                              "leave it out (pandas: index=False)");
  }
  return {std::move(labels), columns.names};
}

}  // namespace assay

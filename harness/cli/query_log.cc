#include "harness/cli/query_log.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "harness/cli/no_class.h"
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

// True for "Label" and such.
bool says_label(const std::string& name) {
  constexpr std::string_view label = "label";
  return std::equal(name.begin(), name.end(), label.begin(), label.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
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
  } else if (const auto alike =
                 std::find_if(columns.names.begin(), columns.names.end(), says_label);
             classes.names.empty() && alike != columns.names.end()) {
    throw Error(Where{file, 1, 1}, "column `" + *alike +
                                       "` is no class; if it is the label that "
                                       "was answered, name it `label`");
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

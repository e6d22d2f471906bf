// Samples in a table: a header, one row a sample, one column of labels, the others are features.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/csv.h"
#include "harness/model/dataset_array.h"
#include "harness/model/dataset_bytes.h"
#include "harness/model/dataset_source.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

class CsvSource : public Source {
 public:
  CsvSource(const DataSpec& data, const ModelSpec& spec)
      : file_(Bytes::open(data.path)),
        features_(static_cast<size_t>(entries_of(spec.shape))),
        longest_((features_ + 1) * 64 + (1 << 16)) {
    CsvLines lines(file_, longest_);
    read_header(lines, data);
    check_columns(data, spec);
    read_rows(lines, data, spec);
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  std::string id(int64_t index) const override { return std::to_string(begin_ + index); }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  std::string place(int64_t index) const override {
    return to_prefix(where(begin_ + index)) + "row " + std::to_string(begin_ + index);
  }
  bool levels() const override { return false; }
  bool channels_last() const override { return false; }

  void read(int64_t index, std::span<double> out) const override {
    const uint64_t begin = offsets_[static_cast<size_t>(index)];
    const uint64_t end = offsets_[static_cast<size_t>(index) + 1];
    std::string line(static_cast<size_t>(end - begin), '\0');
    file_.read(begin, {reinterpret_cast<uint8_t*>(line.data()), line.size()});
    line.resize(line.find_last_not_of("\r\n") + 1);
    const Where place_of_row = where(begin_ + index);
    std::vector<CsvField> fields;
    split_csv(&line, place_of_row, &fields);
    check_count(fields.size(), begin_ + index, place_of_row);
    size_t next = 0;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i == label_column_) continue;
      if (!parse_csv(fields[i].text, &out[next])) {
        throw Error(Where{place_of_row.file, place_of_row.line, fields[i].column},
                    "row " + std::to_string(begin_ + index) + ": `" +
                        std::string(fields[i].text.substr(0, 60)) + "` in column `" + names_[i] +
                        "`; expected a number");
      }
      ++next;
    }
  }

 private:
  Where where(int64_t row) const {
    return {file_.name(), lines_[static_cast<size_t>(row - begin_)], 0};
  }

  void read_header(CsvLines& lines, const DataSpec& data) {
    std::string line;
    lines.next(&line);
    names_ = csv_header(std::move(line), file_.name());
    const Where place{file_.name(), 1, 1};
    const auto found = std::find(names_.begin(), names_.end(), data.label);
    if (found == names_.end()) {
      const std::string& whole = names_.front();
      std::string hint = suggest(data.label, names_);
      if (names_.size() == 1) {
        hint = "; columns are separated by commas, and the header `" + whole.substr(0, 60) +
               (whole.size() > 60 ? "…` has none" : "` has none");
      }
      throw Error(place, "no column `" + data.label + "` (data." + data.name + ".label)" + hint);
    }
    label_column_ = static_cast<size_t>(found - names_.begin());
    if (std::find(found + 1, names_.end(), data.label) != names_.end()) {
      throw Error(place, "two columns are called `" + data.label + "`; expected one of labels");
    }
  }

  void check_columns(const DataSpec& data, const ModelSpec& spec) const {
    if (names_.size() == features_ + 1) return;
    std::string hint;
    if (names_.size() == features_ + 2 && (names_[0].empty() || names_[0].starts_with("Unnamed"))) {
      hint = "; the first column has no name: save without the index (to_csv(index=False))";
    } else {
      hint = "; every column but the label is a feature: " + features_text();
    }
    throw Error(data.where, "data." + data.name + ": " + file_.name() + " has " +
                                std::to_string(names_.size() - 1) + " feature columns beside `" +
                                data.label + "`; expected " + std::to_string(features_) +
                                " by model.input.shape " + shape_text(spec.shape) + hint);
  }

  // The first names of feature columns.
  std::string features_text() const {
    constexpr size_t kMost = 12;
    std::string text;
    size_t told = 0;
    for (size_t i = 0; i < names_.size() && told < kMost; ++i) {
      if (i == label_column_) continue;
      text += (told++ == 0 ? "`" : ", `") + names_[i].substr(0, 24) + "`";
    }
    const size_t more = names_.size() - 1 - told;
    return text + (more > 0 ? " and " + std::to_string(more) + " more" : "");
  }

  void check_count(size_t found, int64_t row, const Where& place) const {
    if (found == names_.size()) return;
    throw Error(place, "row " + std::to_string(row) + " has " + std::to_string(found) +
                           " fields; the header has " + std::to_string(names_.size()));
  }

  static int64_t label_of(const CsvField& field, const ModelSpec& spec, const Where& place,
                          int64_t row) {
    const std::string named = place.file + ":" + std::to_string(place.line) + ":" +
                              std::to_string(field.column) + ": row " + std::to_string(row);
    if (const auto number = class_named(field.text, spec.class_names, named)) return *number;
    double value = 0;
    if (parse_csv(field.text, &value)) return checked_label(value, spec, named);
    throw Error(named + ": label `" + std::string(field.text.substr(0, 60)) +
                "`; expected a whole number in [0, " + std::to_string(spec.classes) + ")" +
                (spec.class_names.empty()
                     ? ", or names listed in model.classes, in the order of the model's outputs"
                     : ", or a name of model.classes") +
                suggest(field.text, spec.class_names));
  }

  void read_rows(CsvLines& lines, const DataSpec& data, const ModelSpec& spec) {
    const int64_t begin = data.rows ? data.rows->first : 0;
    const int64_t end = data.rows ? data.rows->second : std::numeric_limits<int64_t>::max();
    std::string line;
    std::vector<CsvField> fields;
    int64_t row = 0;
    uint64_t offset = lines.offset();
    int blank = 0;
    for (; lines.next(&line); offset = lines.offset()) {
      if (line.empty()) {
        if (blank == 0) blank = lines.line();
        continue;
      }
      if (blank > 0) throw Error(Where{file_.name(), blank, 1}, "a blank line inside the table");
      const Where place{file_.name(), lines.line(), 0};
      split_csv(&line, place, &fields);
      check_count(fields.size(), row, place);
      if (row >= begin && row < end) {
        labels_.push_back(label_of(fields[label_column_], spec, place, row));
        offsets_.push_back(offset);
        lines_.push_back(place.line);
      }
      if (row == end) offsets_.push_back(offset);
      ++row;
    }
    if (row == 0) throw Error(Where{file_.name(), 2, 1}, "no rows after the header");
    used_rows(data, row, file_.name());
    begin_ = begin;
    if (row <= end) offsets_.push_back(lines.offset());
  }

  Bytes file_;
  size_t features_;
  size_t longest_;
  std::vector<std::string> names_;
  size_t label_column_ = 0;
  int64_t begin_ = 0;
  std::vector<int64_t> labels_;
  std::vector<uint64_t> offsets_;  // of each row, and of what follows the last one
  std::vector<int> lines_;         // that rows begin on
};

}  // namespace

std::unique_ptr<Source> open_csv(const DataSpec& data, const ModelSpec& spec) {
  return std::make_unique<CsvSource>(data, spec);
}

}  // namespace assay

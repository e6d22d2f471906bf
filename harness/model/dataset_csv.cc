// Samples in a table: a header, one row a sample, one column of labels, the others are features.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/dataset_array.h"
#include "harness/model/dataset_bytes.h"
#include "harness/model/dataset_source.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Reads lines of bounded length, without their ends.
class Lines {
 public:
  Lines(const Bytes& file, size_t longest) : file_(file), longest_(longest) {}

  uint64_t offset() const { return offset_ + at_; }
  int line() const { return line_; }

  bool next(std::string* text) {
    text->clear();
    ++line_;
    while (true) {
      const char* begin = buffer_.data() + at_;
      const void* end = at_ < size_ ? std::memchr(begin, '\n', size_ - at_) : nullptr;
      const size_t take =
          end != nullptr ? static_cast<size_t>(static_cast<const char*>(end) - begin) : size_ - at_;
      text->append(begin, take);
      at_ += take;
      if (text->size() > longest_) {
        throw Error(Where{file_.name(), line_, 1},
                    "a line of more than " + std::to_string(longest_) +
                        " bytes, too long for the model's input; is this a csv file?");
      }
      if (end != nullptr) {
        ++at_;
        break;
      }
      if (!fill()) {
        if (text->empty()) return false;
        break;
      }
    }
    if (text->ends_with('\r')) text->pop_back();
    return true;
  }

 private:
  bool fill() {
    offset_ += size_;
    size_ = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), file_.size() - offset_));
    at_ = 0;
    if (size_ == 0) return false;
    file_.read(offset_, {reinterpret_cast<uint8_t*>(buffer_.data()), size_});
    return true;
  }

  const Bytes& file_;
  size_t longest_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  uint64_t offset_ = 0;  // of the buffer in the file
  size_t size_ = 0;
  size_t at_ = 0;
  int line_ = 0;
};

struct Field {
  std::string_view text;
  int column = 1;  // its place in the line, from 1
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Fields between commas, spaces and quotes taken off. Numbers and names need no comma inside, so
// only quotes around a whole field are understood; those around a comma are, too.
void split(std::string_view line, const Where& where, std::vector<Field>* fields) {
  fields->clear();
  size_t at = 0;
  while (true) {
    size_t end = line.find(',', at);
    const size_t first = line.find_first_not_of(" \t", at);
    if (first != std::string_view::npos && first < end && line[first] == '"') {
      const size_t close = line.find('"', first + 1);
      if (close == std::string_view::npos) {
        throw Error(Where{where.file, where.line, static_cast<int>(first) + 1},
                    "a quote that is not closed on its line");
      }
      end = line.find(',', close);
      const std::string_view after =
          line.substr(close + 1, end == std::string_view::npos ? end : end - close - 1);
      if (!trim(after).empty()) {
        throw Error(Where{where.file, where.line, static_cast<int>(close) + 2},
                    "text after a closing quote; expected a comma");
      }
      fields->push_back({line.substr(first + 1, close - first - 1), static_cast<int>(first) + 1});
    } else {
      const size_t size = end == std::string_view::npos ? end : end - at;
      fields->push_back({trim(line.substr(at, size)), static_cast<int>(at) + 1});
    }
    if (end == std::string_view::npos) return;
    at = end + 1;
  }
}

bool parse(std::string_view text, double* value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return !text.empty() && error == std::errc() && stop == end;
}

class CsvSource : public Source {
 public:
  CsvSource(const DataSpec& data, const ModelSpec& spec)
      : file_(Bytes::open(data.path)),
        features_(static_cast<size_t>(entries_of(spec.shape))),
        longest_((features_ + 1) * 64 + (1 << 16)) {
    Lines lines(file_, longest_);
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
    line.resize(std::min(line.find_first_of("\r\n"), line.size()));
    const Where place_of_row = where(begin_ + index);
    std::vector<Field> fields;
    split(line, place_of_row, &fields);
    check_count(fields.size(), begin_ + index);
    size_t next = 0;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i == label_column_) continue;
      if (!parse(fields[i].text, &out[next])) {
        throw Error(Where{place_of_row.file, place_of_row.line, fields[i].column},
                    "row " + std::to_string(begin_ + index) + ": `" +
                        std::string(fields[i].text.substr(0, 60)) + "` in column `" + names_[i] +
                        "`; expected a number");
      }
      ++next;
    }
  }

 private:
  // The header is line 1, and no line inside the table is blank.
  Where where(int64_t row) const { return {file_.name(), static_cast<int>(row) + 2, 0}; }

  void read_header(Lines& lines, const DataSpec& data) {
    std::string line;
    lines.next(&line);
    const Where place{file_.name(), 1, 1};
    if (line.find('\0') != std::string::npos) {
      throw Error(place,
                  "is not a text file: found " +
                      show_head({reinterpret_cast<const uint8_t*>(line.data()), line.size()}));
    }
    if (line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // byte order mark
    std::vector<Field> fields;
    split(line, place, &fields);
    bool numbers = true;
    for (const Field& field : fields) {
      double ignored = 0;
      numbers = numbers && parse(field.text, &ignored);
      names_.emplace_back(field.text);
    }
    if (numbers) {
      throw Error(place,
                  "the first line holds numbers only; expected a header with the names of "
                  "the columns");
    }
    const auto found = std::find(names_.begin(), names_.end(), data.label);
    if (found == names_.end()) {
      std::string hint = suggest(data.label, names_);
      if (names_.size() == 1) hint += "; columns are separated by commas";
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
    }
    throw Error(data.where, "data." + data.name + ": " + file_.name() + " has " +
                                std::to_string(names_.size() - 1) + " feature columns beside `" +
                                data.label + "`; expected " + std::to_string(features_) +
                                " by model.input.shape " + shape_text(spec.shape) + hint);
  }

  void check_count(size_t found, int64_t row) const {
    if (found == names_.size()) return;
    throw Error(where(row), "row " + std::to_string(row) + " has " + std::to_string(found) +
                                " fields; the header has " + std::to_string(names_.size()));
  }

  void read_rows(Lines& lines, const DataSpec& data, const ModelSpec& spec) {
    const int64_t begin = data.rows ? data.rows->first : 0;
    const int64_t end = data.rows ? data.rows->second : std::numeric_limits<int64_t>::max();
    std::string line;
    std::vector<Field> fields;
    int64_t row = 0;
    uint64_t offset = lines.offset();
    int blank = 0;
    for (; lines.next(&line); offset = lines.offset()) {
      if (line.empty()) {
        if (blank == 0) blank = lines.line();
        continue;
      }
      if (blank > 0) throw Error(Where{file_.name(), blank, 1}, "a blank line inside the table");
      const Where place = where(row);
      split(line, place, &fields);
      check_count(fields.size(), row);
      if (row >= begin && row < end) {
        const Field& field = fields[label_column_];
        const std::string named = place.file + ":" + std::to_string(place.line) + ":" +
                                  std::to_string(field.column) + ": row " + std::to_string(row);
        double value = 0;
        if (!parse(field.text, &value)) {
          throw Error(named + ": label `" + std::string(field.text.substr(0, 60)) +
                      "`; expected a whole number in [0, " + std::to_string(spec.classes) + ")");
        }
        labels_.push_back(checked_label(value, spec, named));
        offsets_.push_back(offset);
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
};

}  // namespace

std::unique_ptr<Source> open_csv(const DataSpec& data, const ModelSpec& spec) {
  return std::make_unique<CsvSource>(data, spec);
}

}  // namespace assay

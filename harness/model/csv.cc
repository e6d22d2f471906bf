#include "harness/model/csv.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace assay {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The quote that ends the field which the one at `open` begins; two of them are one of the field.
size_t closing_quote(std::string_view line, size_t open) {
  size_t close = line.find('"', open + 1);
  while (close != std::string_view::npos && line.substr(close + 1).starts_with('"')) {
    close = line.find('"', close + 2);
  }
  return close;
}

// True if a line ends within quotes.
bool is_open(std::string_view line) {
  if (line.find('"') == std::string_view::npos) return false;
  for (size_t at = 0; at != std::string_view::npos;) {
    const size_t first = line.find_first_not_of(" \t", at);
    if (first != std::string_view::npos && line[first] == '"') {
      at = closing_quote(line, first);
      if (at == std::string_view::npos) return true;
    }
    at = line.find(',', at);
    if (at != std::string_view::npos) ++at;
  }
  return false;
}

}  // namespace

bool CsvLines::next(std::string* text) {
  text->clear();
  line_ = lines_ + 1;
  if (!append(text)) return false;
  while (is_open(*text)) {
    const size_t size = text->size();
    text->push_back('\n');
    if (append(text)) continue;
    text->resize(size);
    break;
  }
  if (text->ends_with('\r')) text->pop_back();
  return true;
}

// One line more, without its end; false at the end of the file.
bool CsvLines::append(std::string* text) {
  const size_t before = text->size();
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
                      " bytes, too long for the model's input; is this a csv file" +
                      (before > 0 ? ", and is each quote closed?" : "?"));
    }
    if (end != nullptr) {
      ++at_;
      break;
    }
    if (!fill()) {
      if (text->size() == before) return false;
      break;
    }
  }
  ++lines_;
  return true;
}

bool CsvLines::fill() {
  offset_ += size_;
  size_ = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), file_.size() - offset_));
  at_ = 0;
  if (size_ == 0) return false;
  file_.read(offset_, {reinterpret_cast<uint8_t*>(buffer_.data()), size_});
  return true;
}

void split_csv(std::string* text, const Where& where, std::vector<CsvField>* fields) {
  fields->clear();
  const std::string_view line = *text;
  size_t at = 0;
  while (true) {
    size_t end = line.find(',', at);
    const size_t first = line.find_first_not_of(" \t", at);
    if (first != std::string_view::npos && first < end && line[first] == '"') {
      const size_t close = closing_quote(line, first);
      if (close == std::string_view::npos) {
        throw Error(Where{where.file, where.line, static_cast<int>(first) + 1},
                    "a quote that is not closed");
      }
      end = line.find(',', close);
      const std::string_view after =
          line.substr(close + 1, end == std::string_view::npos ? end : end - close - 1);
      if (!trim(after).empty()) {
        throw Error(Where{where.file, where.line, static_cast<int>(close) + 2},
                    "text after a closing quote; expected a comma");
      }
      size_t size = 0;  // the field moves up where a quote of two goes
      for (size_t i = first + 1; i < close; ++i) {
        (*text)[first + 1 + size++] = line[i];
        if (line[i] == '"') ++i;
      }
      fields->push_back({line.substr(first + 1, size), static_cast<int>(first) + 1});
    } else {
      const size_t size = end == std::string_view::npos ? end : end - at;
      fields->push_back({trim(line.substr(at, size)), static_cast<int>(at) + 1});
    }
    if (end == std::string_view::npos) return;
    at = end + 1;
  }
}

std::vector<std::string> csv_header(std::string line, const std::string& file) {
  const Where place{file, 1, 1};
  if (line.find('\0') != std::string::npos) {
    throw Error(place, "is not a text file: found " +
                           show_head({reinterpret_cast<const uint8_t*>(line.data()), line.size()}));
  }
  if (line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // byte order mark
  if (line.find('\r') != std::string::npos && line.find('\n') == std::string::npos) {
    throw Error(place, "its lines end with a carriage return alone; save it with line feeds");
  }
  std::vector<CsvField> fields;
  split_csv(&line, place, &fields);
  std::vector<std::string> names;
  bool numbers = true;
  for (const CsvField& field : fields) {
    double ignored = 0;
    numbers = numbers && parse_csv(field.text, &ignored);
    names.emplace_back(field.text);
  }
  if (numbers) {
    throw Error(place,
                "the first line holds numbers only; expected a header with the names of "
                "the columns");
  }
  return names;
}

std::optional<int64_t> class_named(std::string_view label, const std::vector<std::string>& names,
                                   const std::string& place) {
  const auto found = std::find(names.begin(), names.end(), label);
  if (found == names.end()) return std::nullopt;
  const int64_t number = found - names.begin();
  double value = 0;
  if (parse_csv(label, &value) && value != static_cast<double>(number)) {
    throw Error(place + ": label `" + std::string(label) + "` is the name of class " +
                std::to_string(number) + " in model.classes, and the number of another; name " +
                "classes otherwise, or give their count only");
  }
  return number;
}

bool parse_csv(std::string_view text, double* value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return !text.empty() && error == std::errc() && stop == end;
}

}  // namespace assay

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

}  // namespace

bool CsvLines::next(std::string* text) {
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

bool CsvLines::fill() {
  offset_ += size_;
  size_ = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), file_.size() - offset_));
  at_ = 0;
  if (size_ == 0) return false;
  file_.read(offset_, {reinterpret_cast<uint8_t*>(buffer_.data()), size_});
  return true;
}

void split_csv(std::string_view line, const Where& where, std::vector<CsvField>* fields) {
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

std::vector<std::string> csv_header(std::string line, const std::string& file) {
  const Where place{file, 1, 1};
  if (line.find('\0') != std::string::npos) {
    throw Error(place, "is not a text file: found " +
                           show_head({reinterpret_cast<const uint8_t*>(line.data()), line.size()}));
  }
  if (line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // byte order mark
  std::vector<CsvField> fields;
  split_csv(line, place, &fields);
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

bool parse_csv(std::string_view text, double* value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return !text.empty() && error == std::errc() && stop == end;
}

}  // namespace assay

#include "harness/suite/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// [-+]? (\.[0-9]+ | [0-9]+(\.[0-9]*)?) ([eE][-+]?[0-9]+)?  (YAML 1.2 core schema, without inf, nan)
bool is_decimal(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - begin;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  size_t mantissa = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

bool parse_decimal(std::string_view text, double* number) {
  if (!is_decimal(text)) return false;
  if (text.front() == '+') text.remove_prefix(1);
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return fault == std::errc() && end == text.data() + text.size() && std::isfinite(*number);
}

std::string json_text(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("a text in the suite is not valid UTF-8");
  }
}

// A whole number of the core schema as its digits, or "": exact beyond 2^53, unlike a double.
std::string whole_number(std::string_view text) {
  int base = 10;
  bool negative = false;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0o")) {
    base = 8;
    text.remove_prefix(2);
  } else if (text.starts_with("-") || text.starts_with("+")) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  uint64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return "";
  std::string digits = std::to_string(number);
  if (negative && number != 0) digits.insert(digits.begin(), '-');
  return digits;
}

std::string scalar_json(const Value& value) {
  const std::string& text = value.scalar;
  if (value.quoted) return json_text(text);
  if (text == "true" || text == "True" || text == "TRUE") return "true";
  if (text == "false" || text == "False" || text == "FALSE") return "false";
  if (const std::string whole = whole_number(text); !whole.empty()) return whole;
  double number = 0;
  if (parse_decimal(text, &number)) return number_text(number);
  return json_text(text);
}

}  // namespace

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

const Value* Value::find(std::string_view key) const {
  const auto found = std::find_if(map.begin(), map.end(),
                                  [&](const auto& entry) { return entry.first.scalar == key; });
  return found == map.end() ? nullptr : &found->second;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->find(key));
}

void Value::set(std::string_view key, Value value) {
  if (Value* found = find(key)) {
    *found = std::move(value);
    return;
  }
  Value name;
  name.kind = Kind::kScalar;
  name.scalar = key;
  name.where = value.where;
  map.emplace_back(std::move(name), std::move(value));
}

std::string canonical_json(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kScalar:
      return scalar_json(value);
    case Value::Kind::kList: {
      std::string text = "[";
      for (const Value& item : value.list) {
        if (text.size() > 1) text += ',';
        text += canonical_json(item);
      }
      return text + ']';
    }
    case Value::Kind::kMap: {
      std::vector<const std::pair<Value, Value>*> entries;
      for (const auto& entry : value.map) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(),
                [](const auto* a, const auto* b) { return a->first.scalar < b->first.scalar; });
      std::string text = "{";
      for (const auto* entry : entries) {
        if (text.size() > 1) text += ',';
        text += json_text(entry->first.scalar) + ':' + canonical_json(entry->second);
      }
      return text + '}';
    }
  }
  return "null";
}

bool parse_number(std::string_view text, double* number) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return parse_decimal(text, number);
  double above = 0;
  double below = 0;
  if (!parse_decimal(text.substr(0, slash), &above) ||
      !parse_decimal(text.substr(slash + 1), &below) || below == 0) {
    return false;
  }
  *number = above / below;
  return std::isfinite(*number);
}

std::string number_text(double number) {
  ASSAY_CHECK(std::isfinite(number), "number_text takes finite numbers only");
  char buffer[64];
  // Whole numbers keep their digits (100000, not 1e+05); -0 and 0 are one number.
  if (number == std::trunc(number) && std::abs(number) < 1e15) {
    const auto [end, fault] =
        std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(number));
    ASSAY_CHECK(fault == std::errc(), "a number does not fit");
    return std::string(buffer, end);
  }
  const auto [end, fault] = std::to_chars(buffer, buffer + sizeof buffer, number);
  ASSAY_CHECK(fault == std::errc(), "a number does not fit");
  return std::string(buffer, end);
}

}  // namespace assay

#include "harness/suite/read.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <regex>

namespace assay {
namespace {

constexpr Limits kAny;
constexpr size_t kLongestPattern = 256;  // std::regex recurses once a character
constexpr size_t kLongestShown = 80;

[[noreturn]] void refuse(const Value& value, std::string_view name, const std::string& expected) {
  throw Error(value.where,
              "`" + std::string(name) + "` is " + shown(value) + ", expected " + expected);
}

// " of at least 1", " above 0 and at most 1", or nothing.
std::string in_words(const Limits& limits) {
  const bool below = std::isfinite(limits.least);
  const bool above = std::isfinite(limits.most);
  if (below && above && limits.least == limits.most) return ", " + number_text(limits.least);
  const double before = std::nextafter(limits.least, -INFINITY);
  const double after = std::nextafter(limits.most, INFINITY);
  const bool open_below = below && is_open(limits.least, before);
  const bool open_above = above && is_open(limits.most, after);
  if (below && above && !open_below && !open_above) {
    return " from " + number_text(limits.least) + " to " + number_text(limits.most);
  }
  std::string text;
  if (below) {
    text =
        open_below ? " above " + number_text(before) : " of at least " + number_text(limits.least);
  }
  if (above) {
    text += below ? " and" : "";
    text += open_above ? " below " + number_text(after) : " of at most " + number_text(limits.most);
  }
  return text;
}

bool within(double number, const Limits& limits) {
  return number >= limits.least && number <= limits.most;
}

// Text in quotes is no number, but a fraction is one in either form: JSON has no other spelling.
bool reads_as_number(const Value& value, double* number) {
  if (!value.is_scalar()) return false;
  if (value.quoted && value.scalar.find('/') == std::string::npos) return false;
  return parse_number(value.scalar, number);
}

std::string quotes_cure(const Value& value) {
  double ignored = 0;
  const bool only_quotes = value.quoted && parse_number(value.scalar, &ignored);
  return only_quotes ? "; remove the quotes" : "";
}

void check_pattern(const Value& value, const Key& key) {
  std::string expected = key.expected.empty() ? "a text like " + key.pattern : key.expected;
  if (value.scalar.size() > kLongestPattern) {
    expected += ", at most " + std::to_string(kLongestPattern) + " characters";
  }
  if (value.scalar.size() > kLongestPattern ||
      !std::regex_match(value.scalar, std::regex(key.pattern))) {
    refuse(value, key.name, expected);
  }
}

void check_text(Value& value, const Key& key) {
  if (as_text(value, key.name).empty() && !key.may_be_empty) {
    throw Error(value.where,
                "`" + key.name + "` is an empty text; give it a value or remove the key");
  }
  if (!key.choices.empty()) check_choice(value, key.name, key.choices);
  if (!key.pattern.empty()) check_pattern(value, key);
  value.quoted = true;
}

void check_number(const Value& value, const Key& key) {
  double number = 0;
  if (!key.expected.empty() && (!reads_as_number(value, &number) || !within(number, key.limits))) {
    refuse(value, key.name, key.expected);
  }
  as_number(value, key.name, key.limits);
}

void check_limit(Value& value, const Key& key) {
  if (value.is_scalar() && value.scalar.ends_with('%')) {
    double number = 0;
    const std::string_view text = std::string_view(value.scalar).substr(0, value.scalar.size() - 1);
    if (!parse_number(text, &number) || !within(number, key.limits)) {
      refuse(value, key.name, "a percentage of at least 0%");
    }
    value.quoted = true;
    return;
  }
  check_number(value, key);
}

// A radius keeps its spelling, because it names cells: `0.10` must not become 0.1 in `effective`.
void check_radius(Value& value, const Key& key) {
  double number = 0;
  if (!value.is_scalar() || !parse_number(value.scalar, &number) || !within(number, key.limits)) {
    refuse(value, key.name, key.expected);
  }
  if (value.scalar != number_text(number)) value.quoted = true;
}

template <typename Check>
void check_items(Value& value, const Key& key, const std::string& kind, Check check) {
  if (!value.is_list()) refuse(value, key.name, "a list of " + kind);
  const size_t count = value.list.size();
  if (count == 0) refuse(value, key.name, "a list of " + kind);
  if (count < key.least_items || count > key.most_items) {
    const std::string wanted =
        key.least_items == key.most_items
            ? std::to_string(key.least_items)
            : std::to_string(key.least_items) + " to " + std::to_string(key.most_items);
    throw Error(value.where, "`" + key.name + "` has " + std::to_string(count) +
                                 (count == 1 ? " item" : " items") + ", expected " + wanted);
  }
  for (Value& item : value.list) check(item);
}

void check_value(Value& value, const Key& key) {
  const auto text = [&](Value& item) { check_text(item, key); };
  const auto integer = [&](Value& item) { as_integer(item, key.name, key.limits); };
  const auto number = [&](Value& item) { check_number(item, key); };
  const auto radius = [&](Value& item) { check_radius(item, key); };
  switch (key.type) {
    case Key::Type::kText:
      return text(value);
    case Key::Type::kBoolean:
      as_boolean(value, key.name);
      return;
    case Key::Type::kInteger:
      return integer(value);
    case Key::Type::kSeed:
      as_seed(value, key.name);
      return;
    case Key::Type::kNumber:
      return number(value);
    case Key::Type::kIntegers:
      return check_items(value, key, "whole numbers", integer);
    case Key::Type::kNumbers:
      return check_items(value, key, "numbers", number);
    case Key::Type::kTexts:
      return check_items(value, key, "texts", text);
    case Key::Type::kIntegerOrList:
      return value.is_list() ? check_items(value, key, "whole numbers", integer) : integer(value);
    case Key::Type::kIntegerOrTexts:
      return value.is_list() ? check_items(value, key, "texts", text) : integer(value);
    case Key::Type::kRadius:
      return value.is_list() ? check_items(value, key, "numbers", radius) : radius(value);
    case Key::Type::kLimit:
      return check_limit(value, key);
    case Key::Type::kSection:
      if (!value.is_map()) refuse(value, key.name, "a map of keys");
      return;
    case Key::Type::kList:
      return check_items(value, key, "entries", [](const Value&) {});
  }
}

}  // namespace

bool is_open(double end, double beyond) {
  if (!std::isfinite(beyond)) return false;
  return number_text(beyond).size() + 6 < number_text(end).size() ||
         std::abs(end) == std::numeric_limits<double>::denorm_min();
}

std::string shown(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      return "empty";
    case Value::Kind::kList:
      return value.list.empty() ? "an empty list" : "a list";
    case Value::Kind::kMap:
      return "a map";
    case Value::Kind::kScalar:
      break;
  }
  std::string text = value.scalar;
  if (text.size() > kLongestShown) text = text.substr(0, kLongestShown) + "…";
  return value.quoted ? "the text `" + text + "`" : "`" + text + "`";
}

bool as_boolean(const Value& value, std::string_view name) {
  if (value.is_scalar() && !value.quoted) {
    const std::string& text = value.scalar;
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
  }
  refuse(value, name, "true or false");
}

int64_t as_integer(const Value& value, std::string_view name, const Limits& limits) {
  const std::string expected = "a whole number" + in_words(limits) + quotes_cure(value);
  double number = 0;
  if (!reads_as_number(value, &number) || number != std::trunc(number)) {
    refuse(value, name, expected);
  }
  int64_t whole = 0;
  const std::string& text = value.scalar;
  const size_t sign = text.starts_with('+') ? 1 : 0;
  const auto [end, fault] = std::from_chars(text.data() + sign, text.data() + text.size(), whole);
  const bool plain = fault == std::errc() && end == text.data() + text.size();
  if (!plain) {  // 1e4, 4096.0
    if (std::abs(number) > 9007199254740992.0) refuse(value, name, expected);
    whole = static_cast<int64_t>(number);
  }
  if (!within(number, limits)) refuse(value, name, expected);
  return whole;
}

double as_number(const Value& value, std::string_view name, const Limits& limits,
                 std::string_view word) {
  double number = 0;
  if (!reads_as_number(value, &number) || !within(number, limits)) {
    const std::string other = word.empty() ? "" : ", or " + std::string(word);
    refuse(value, name, "a number" + in_words(limits) + other + quotes_cure(value));
  }
  return number;
}

uint64_t as_seed(const Value& value, std::string_view name) {
  uint64_t number = 0;
  if (value.is_scalar() && !value.quoted) {
    const std::string& text = value.scalar;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault == std::errc() && end == text.data() + text.size()) return number;
  }
  refuse(value, name, "a whole number from 0 to 18446744073709551615");
}

const std::string& as_text(const Value& value, std::string_view name) {
  if (!value.is_scalar()) refuse(value, name, "a text");
  return value.scalar;
}

void check_choice(const Value& value, std::string_view name, std::span<const std::string> choices) {
  const std::string& text = as_text(value, name);
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return;
  throw Error(value.where, "`" + std::string(name) + "` is `" + text.substr(0, kLongestShown) +
                               "`" + suggest(text, choices));
}

void check_known(Value& section, std::span<const Key> keys, const std::string& title) {
  if (!section.is_map()) {
    throw Error(section.where, title + " is " + shown(section) + ", expected a map of keys");
  }
  for (auto& [key, value] : section.map) {
    const std::string& name = key.scalar;  // clang 14 cannot capture `key` itself
    const auto known =
        std::find_if(keys.begin(), keys.end(), [&name](const Key& k) { return k.name == name; });
    if (known == keys.end()) continue;
    if (value.is_null()) {
      throw Error(key.where, "`" + key.scalar + "` is empty; give it a value or remove the key");
    }
    check_value(value, *known);
  }
  for (const Key& key : keys) {
    if (key.required && section.find(key.name) == nullptr) {
      throw Error(section.where, title + " lacks `" + key.name + "`: " + key.help);
    }
  }
}

void check_section(Value& section, std::span<const Key> keys, const std::string& title) {
  const std::vector<std::string> names = names_of(keys);
  for (const auto& [key, value] : section.map) {
    if (std::find(names.begin(), names.end(), key.scalar) == names.end()) {
      throw Error(key.where,
                  "unknown key `" + key.scalar + "` in " + title + suggest(key.scalar, names));
    }
  }
  check_known(section, keys, title);
}

std::string text_at(const Value& section, std::string_view key, std::string_view fallback) {
  const Value* value = section.find(key);
  return value == nullptr ? std::string(fallback) : as_text(*value, key);
}

bool boolean_at(const Value& section, std::string_view key, bool fallback) {
  const Value* value = section.find(key);
  return value == nullptr ? fallback : as_boolean(*value, key);
}

std::vector<int64_t> integers_at(const Value& section, std::string_view key) {
  std::vector<int64_t> numbers;
  const Value* value = section.find(key);
  if (value == nullptr) return numbers;
  if (!value->is_list()) return {as_integer(*value, key, kAny)};
  for (const Value& item : value->list) numbers.push_back(as_integer(item, key, kAny));
  return numbers;
}

std::vector<double> numbers_at(const Value& section, std::string_view key) {
  std::vector<double> numbers;
  const Value* value = section.find(key);
  if (value == nullptr) return numbers;
  for (const Value& item : value->list) numbers.push_back(as_number(item, key, kAny));
  return numbers;
}

std::vector<std::string> names_of(std::span<const Key> keys) {
  std::vector<std::string> names;
  for (const Key& key : keys) names.push_back(key.name);
  return names;
}

}  // namespace assay

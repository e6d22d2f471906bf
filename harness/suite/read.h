// Typed reads of scalars and sections, with the errors that users see. Private to this room.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/suite/params.h"
#include "harness/suite/value.h"

namespace assay {

/// One key of a section of the suite: what parser and JSON Schema share.
struct Key {
  enum class Type {
    kText,            ///< any scalar; `pattern` or `choices` may narrow it
    kBoolean,         //
    kInteger,         //
    kSeed,            ///< an unsigned 64-bit number
    kNumber,          ///< decimals and fractions
    kIntegers,        ///< a list
    kNumbers,         ///< a list
    kTexts,           ///< a list
    kIntegerOrList,   ///< resize: 32, resize: [32, 32]
    kIntegerOrTexts,  ///< classes: 10, classes: [cat, dog]
    kRadius,          ///< a number or a list of them, whose spelling names cells
    kLimit,           ///< a number, or a percentage `5%`
    kSection,         ///< a map, checked by its own table
    kList,            ///< a list of maps, checked by their own tables
  };
  std::string name;
  Type type = Type::kText;
  std::string help;  ///< one line
  bool required = false;
  Limits limits;                     ///< numbers, and the items of lists of them
  std::vector<std::string> choices;  ///< kText, and the items of kTexts
  std::string pattern;               ///< the same: a regular expression for the whole text
  std::string expected;              ///< in words, where limits or pattern say it badly
  bool may_be_empty = false;         ///< kText
  size_t least_items = 1;            ///< lists
  size_t most_items = 100'000;
};

/// True if a declaration excludes `beyond`, the number next to the end of its limits: it writes the
/// end as the next number allowed (0.5000000000000001), whose spelling is much longer.
bool is_open(double end, double beyond);

/// The value as errors show it: `text`, a list, a map, nothing.
std::string shown(const Value& value);

bool as_boolean(const Value& value, std::string_view name);
int64_t as_integer(const Value& value, std::string_view name, const Limits& limits);
/// `word`, if any, is what may stand in place of the number, for the error's text.
double as_number(const Value& value, std::string_view name, const Limits& limits,
                 std::string_view word = "");
uint64_t as_seed(const Value& value, std::string_view name);
const std::string& as_text(const Value& value, std::string_view name);
/// Throws unless the text is one of `choices`.
void check_choice(const Value& value, std::string_view name, std::span<const std::string> choices);

/// Checks the keys of `section` that the table knows, and that none required is missing; others may
/// stand beside them. Texts are marked as quoted, so that `effective` keeps them texts.
void check_known(Value& section, std::span<const Key> keys, const std::string& title);
/// The same, and refuses every other key. `title` is `model`, or `the suite`.
void check_section(Value& section, std::span<const Key> keys, const std::string& title);

/// Reads from a checked section.
std::string text_at(const Value& section, std::string_view key, std::string_view fallback = "");
bool boolean_at(const Value& section, std::string_view key, bool fallback);
std::vector<int64_t> integers_at(const Value& section, std::string_view key);
std::vector<double> numbers_at(const Value& section, std::string_view key);

/// The names of a table's keys, in its order.
std::vector<std::string> names_of(std::span<const Key> keys);

}  // namespace assay

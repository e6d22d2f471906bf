// Strict reading of JSON, inside this room only (it includes nlohmann).
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/record/evidence.h"
#include "harness/suite/error.h"
#include "harness/suite/suite.h"

namespace assay {

using Json = nlohmann::ordered_json;

std::string_view spell(Target::Kind kind);  // next random least_likely label

/// The enumerator spelt `text`; they count from 0 to `last`.
template <typename Enum>
Enum parse_word(std::string_view text, Enum last, std::string_view name) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const auto value = static_cast<Enum>(i);
    if constexpr (std::is_same_v<Enum, Target::Kind>) {
      if (spell(value) == text) return value;
    } else {
      if (to_string(value) == text) return value;
    }
  }
  throw Error("`" + std::string(name) + "` is `" + std::string(text) + "`, which is unknown");
}

/// Parses a JSON text; throws Error for anything else.
Json parse_json(std::string_view text);

// Values by type, never converted. `name` is for the error.
int64_t as_integer(const Json& json, std::string_view name);
uint64_t as_unsigned(const Json& json, std::string_view name);
/// null is infinity.
double as_number(const Json& json, std::string_view name);
bool as_boolean(const Json& json, std::string_view name);
const std::string& as_text(const Json& json, std::string_view name);
const Json& as_list(const Json& json, std::string_view name);
const Json& as_object(const Json& json, std::string_view name);

/// An object whose keys must all be known: every read names one, and `finish` refuses the rest.
class Fields {
 public:
  Fields(const Json& json, std::string_view name) : json_(as_object(json, name)), name_(name) {}

  /// The value under `key`, or nullptr.
  const Json* find(const char* key);
  const Json& at(const char* key);
  int64_t integer(const char* key) { return as_integer(at(key), key); }
  double number(const char* key) { return as_number(at(key), key); }
  bool boolean(const char* key) { return as_boolean(at(key), key); }
  const std::string& text(const char* key) { return as_text(at(key), key); }
  const Json& list(const char* key) { return as_list(at(key), key); }
  void finish() const;

 private:
  const Json& json_;
  std::string name_;
  size_t read_ = 0;
};

std::vector<Flag> parse_flags(const Json& json);
Fidelity parse_fidelity(const Json& json);
/// Reads what a unit holds of an extraction cell.
void parse_extraction(const Json& json, UnitResult* unit);
/// Reads an extraction cell's surface.
Surface parse_surface(const Json& json);

}  // namespace assay

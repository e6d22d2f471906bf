// An attack's parameters. One declaration is parser, validation, help and JSON Schema.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/suite/value.h"

namespace assay {

/// A bound parameter. std::monostate: absent, and the attack derives it (see ParamSpec::help).
using ParamValue = std::variant<std::monostate, bool, int64_t, double, std::string,
                                std::vector<int64_t>, std::vector<double>>;
using ParamMap = std::map<std::string, ParamValue>;

/// Closed range of a number. Exclude an end by naming the next value that is allowed.
struct Limits {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

/// What was declared about one parameter.
struct ParamSpec {
  enum class Type { kBoolean, kInteger, kNumber, kChoice, kText, kIntegerList, kNumberList };
  std::string name;
  Type type = Type::kNumber;
  ParamValue fallback;               ///< the default; monostate if derived
  Limits limits;                     ///< kInteger, kNumber and the elements of lists
  std::vector<std::string> choices;  ///< kChoice; kNumber: words that stand for none
  std::string help;                  ///< one line
};

/// Hands an attack its parameters by name, each read once with default, range and help. Every read
/// throws Error with file:line:column on a wrong type or a value out of range.
class Params {
 public:
  /// Declares only: every read returns its default. For `assay attacks` and the schema.
  Params() = default;
  /// Reads from `entry` (a map); keys in `taken` belong to the harness and are not parameters.
  Params(const Value& entry, std::vector<std::string> taken);

  bool boolean(std::string_view name, bool fallback, std::string_view help);
  int64_t integer(std::string_view name, int64_t fallback, Limits limits, std::string_view help);
  double number(std::string_view name, double fallback, Limits limits, std::string_view help);
  /// Absent unless the suite sets it; `help` says how the attack derives it then.
  std::optional<double> optional_number(std::string_view name, Limits limits,
                                        std::string_view help);
  std::optional<int64_t> optional_integer(std::string_view name, Limits limits,
                                          std::string_view help);
  /// A number, or the word `auto`, which is the default and gives none; `help` says what it does.
  std::optional<double> number_or_auto(std::string_view name, Limits limits, std::string_view help);
  std::string choice(std::string_view name, std::string_view fallback,
                     std::vector<std::string> choices, std::string_view help);
  std::string text(std::string_view name, std::string_view fallback, std::string_view help);
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback, Limits limits,
                                std::string_view help);

  /// A fault that only the attack can see, e.g. two parameters that exclude each other; the error
  /// is placed at `name`.
  [[noreturn]] void fail(std::string_view name, const std::string& message) const;
  /// Fails if the entry itself sets `name`, which another parameter's value leaves without effect;
  /// one from the suite's defaults is for other entries, and idle here.
  void refuse(std::string_view name, const std::string& message) const;

  /// Throws Error for the first key that nobody read, with the nearest declared name.
  void finish() const;

  const std::vector<ParamSpec>& specs() const { return specs_; }
  /// Every declared parameter with the value it was bound to.
  const ParamMap& values() const { return values_; }

 private:
  const Value* declare(ParamSpec spec);

  std::optional<Value> entry_;
  std::vector<std::string> taken_;
  std::vector<ParamSpec> specs_;
  ParamMap values_;
};

/// Canonical JSON text of bound parameters (keys sorted, numbers as number_text).
std::string canonical_json(const ParamMap& params);

}  // namespace assay

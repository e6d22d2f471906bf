// A YAML document as plain data, every node with its line and column. The only door to yaml-cpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/suite/error.h"

namespace assay {

/// One YAML node. `where` is the node's own place; a map entry's key keeps its place in the key.
struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;      ///< kScalar: the text after ${VAR} expansion
  bool quoted = false;     ///< kScalar: was quoted, so never a number, boolean or null
  bool inherited = false;  ///< the key of a map: it and its value came from `defaults`
  std::vector<Value> list;
  std::vector<std::pair<Value, Value>> map;  ///< in file order; keys are scalars, none twice
  Where where;

  // Defined where Value is complete: clang needs that for a vector of pairs of it.
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  /// The value under `key`, or nullptr.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// Sets `key` in a map, keeping its position when it exists.
  void set(std::string_view key, Value value);
};

/// Parses YAML. Refuses duplicate keys, `<<`, several documents, unset ${VAR} without a default,
/// and anything beyond the limits (4 MiB, depth 32, 100,000 nodes after alias expansion).
/// `file` only labels errors. Throws Error with file:line:column.
Value parse_yaml(std::string_view text, const std::string& file);

/// The same, with `${VAR}` left alone where the text is a suite whose variables were expanded
/// before.
enum class Environment { kExpand, kKeep };
Value parse_yaml(std::string_view text, const std::string& file, Environment environment);

/// Canonical JSON text of a value: keys sorted bytewise, no spaces, scalars typed by YAML 1.2 core
/// rules (numbers re-spelt from their value), so equal content has equal bytes.
std::string canonical_json(const Value& value);

/// A number as suites write it: decimal, exponent, or a fraction `8/255`. False if it is not one.
bool parse_number(std::string_view text, double* number);

/// `text` as a shortest round-trip decimal ("0.1", "1e-07"); inf and nan never reach it.
std::string number_text(double number);

}  // namespace assay

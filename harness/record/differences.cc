// Where two headers or two results of one unit differ, in words.
#include "harness/record/differences.h"

#include <algorithm>
#include <optional>

#include "harness/record/encoding.h"
#include "harness/record/fields.h"
#include "harness/suite/host_limits.h"

namespace assay {
namespace {

constexpr size_t kShown = 80;

std::string shown(const Json& json) {
  std::string text = json.is_string() ? json.get<std::string>() : json.dump();
  if (text.size() > kShown) {
    size_t end = kShown;
    while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // never inside a UTF-8 character
    text = text.substr(0, end) + "…";
  }
  return text.empty() ? "nothing" : "`" + text + "`";
}

std::string name_of(const Json& json, size_t index) {
  // Cells and samples are better known by name than by number.
  for (const char* key : {"name", "id"}) {
    if (json.is_object() && json.contains(key) && json[key].is_string()) {
      return json[key].get<std::string>();
    }
  }
  return std::to_string(index);
}

std::string first_difference(const Json& a, const Json& b, const std::string& path);

std::string list_difference(const Json& a, const Json& b, const std::string& path) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const std::string found = first_difference(a[i], b[i], path + "[" + name_of(a[i], i) + "]");
    if (!found.empty()) return found;
  }
  if (a.size() == b.size()) return "";
  return path + ": " + std::to_string(a.size()) + " entries against " + std::to_string(b.size());
}

std::string object_difference(const Json& a, const Json& b, const std::string& path) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& [key, value] : a.items()) {
    const auto other = b.find(key);
    if (other == b.end()) return prefix + key + ": " + shown(value) + " against nothing";
    const std::string found = first_difference(value, *other, prefix + key);
    if (!found.empty()) return found;
  }
  for (const auto& [key, value] : b.items()) {
    if (!a.contains(key)) return prefix + key + ": nothing against " + shown(value);
  }
  return "";
}

/// Depth first, in the order of the text.
std::string first_difference(const Json& a, const Json& b, const std::string& path) {
  if (a.is_object() && b.is_object()) return object_difference(a, b, path);
  if (a.is_array() && b.is_array()) return list_difference(a, b, path);
  return a.dump() == b.dump() ? "" : path + ": " + shown(a) + " against " + shown(b);
}

/// A suite's effective text without what its SHA-256 leaves out.
Json comparable_suite(const std::string& effective) {
  Json suite = parse_json(effective);
  suite.erase("baseline");
  if (suite.contains("model")) suite["model"].erase("path");
  if (suite.contains("run")) {
    for (const char* key : kHostLimits) suite["run"].erase(key);
    if (suite["run"].empty()) suite.erase("run");
  }
  if (suite.contains("gate") && suite["gate"].contains("rules")) {
    for (Json& rule : suite["gate"]["rules"]) rule.erase("line");
  }
  return suite;
}

}  // namespace

std::string suite_difference(const Header& a, const Header& b) {
  if (a.suite_sha256 == b.suite_sha256) return "";
  std::string found;
  try {
    found = first_difference(comparable_suite(a.suite), comparable_suite(b.suite), "");
  } catch (const std::exception&) {  // not a suite as this version writes it
  }
  return found.empty() ? first_difference(a.suite_sha256, b.suite_sha256, "sha256") : found;
}

std::string header_difference(const Header& a, const Header& other) {
  if (const std::string found = suite_difference(a, other); !found.empty()) return "suite." + found;
  Header b = other;
  b.suite = a.suite;  // whatever else it says is no part of the suite's identity
  const std::string text_a = header_text(a);
  const std::string text_b = header_text(b);
  if (text_a == text_b) return "";
  Json json_a = parse_json(text_a);
  Json json_b = parse_json(text_b);
  // Digests say less than what they are of.
  for (Json* json : {&json_a, &json_b}) {
    for (Json& cell : (*json)["cells"]) cell.erase("key");
  }
  const std::string found = first_difference(json_a, json_b, "");
  return found.empty() ? first_difference(parse_json(text_a), parse_json(text_b), "") : found;
}

std::string rows_difference(const std::vector<Verdict>& a, const std::vector<Verdict>& b) {
  // Compared as text: that is what is kept, and free text may lose bytes that are not UTF-8.
  if (rows_text(a) == rows_text(b)) return "";
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const std::string text_a = rows_text({a[i]});
    const std::string text_b = rows_text({b[i]});
    if (text_a == text_b) continue;
    Json row_a = parse_json(text_a);
    Json row_b = parse_json(text_b);
    return "sample " + std::to_string(a[i].sample) + ", " + first_difference(row_a, row_b, "");
  }
  return std::to_string(a.size()) + " rows against " + std::to_string(b.size());
}

}  // namespace assay

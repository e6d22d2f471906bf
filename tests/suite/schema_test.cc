#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using nlohmann::json;

json schema() { return json::parse(suite_schema(fake_attacks())); }

// Just enough of draft-07 to hold a document against what the schema uses. Returns the path of the
// first fault, or "". An unknown keyword fails the test, so that none is passed over.
class Validator {
 public:
  static std::string check(const json& rules, const json& value, const std::string& path = "$") {
    for (const auto& [keyword, rule] : rules.items()) {
      const std::string fault = one(keyword, rule, rules, value, path);
      if (!fault.empty()) return fault;
    }
    return "";
  }

 private:
  static bool is(const std::string& type, const json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    return type == "number" && value.is_number();
  }

  static size_t passing(const json& rules, const json& value, const std::string& path) {
    size_t count = 0;
    for (const json& rule : rules) count += check(rule, value, path).empty() ? 1 : 0;
    return count;
  }

  static std::string one(const std::string& keyword, const json& rule, const json& rules,
                         const json& value, const std::string& path) {
    const std::string bad = path + " " + keyword;
    if (keyword == "type") {
      const json types = rule.is_array() ? rule : json::array({rule});
      for (const json& type : types) {
        if (is(type, value)) return "";
      }
      return bad;
    }
    if (keyword == "const") return value == rule ? "" : bad;
    if (keyword == "enum")
      return std::find(rule.begin(), rule.end(), value) != rule.end() ? "" : bad;
    if (keyword == "anyOf") return passing(rule, value, path) > 0 ? "" : bad;
    if (keyword == "oneOf") return passing(rule, value, path) == 1 ? "" : bad;
    if (keyword == "allOf") {
      for (const json& part : rule) {
        const std::string fault = check(part, value, path);
        if (!fault.empty()) return fault;
      }
      return "";
    }
    if (keyword == "if") {
      return check(rule, value, path).empty() ? check(rules.at("then"), value, path) : "";
    }
    if (value.is_object()) return of_object(keyword, rule, rules, value, path);
    if (value.is_array()) return of_array(keyword, rule, value, path);
    return of_scalar(keyword, rule, value, path);
  }

  static std::string of_object(const std::string& keyword, const json& rule, const json& rules,
                               const json& value, const std::string& path) {
    for (const auto& [key, item] : value.items()) {
      const bool known = rules.contains("properties") && rules.at("properties").contains(key);
      std::string fault;
      if (keyword == "properties" && known) fault = check(rule.at(key), item, path + "." + key);
      if (keyword == "propertyNames") fault = check(rule, key, path + " " + key);
      if (keyword == "additionalProperties" && !known) {
        if (rule.is_object()) fault = check(rule, item, path + "." + key);
        if (rule == false) fault = path + "." + key + " additionalProperties";
      }
      if (!fault.empty()) return fault;
    }
    if (keyword == "required") {
      for (const json& key : rule) {
        if (!value.contains(key.get<std::string>())) return path + " required " + key.dump();
      }
    }
    return "";
  }

  static std::string of_array(const std::string& keyword, const json& rule, const json& value,
                              const std::string& path) {
    if (keyword == "minItems" && value.size() < rule) return path + " minItems";
    if (keyword == "maxItems" && value.size() > rule) return path + " maxItems";
    if (keyword != "items") return "";
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string fault = check(rule, value[i], path + "[" + std::to_string(i) + "]");
      if (!fault.empty()) return fault;
    }
    return "";
  }

  static std::string of_scalar(const std::string& keyword, const json& rule, const json& value,
                               const std::string& path) {
    const std::string bad = path + " " + keyword;
    if (value.is_number()) {
      if (keyword == "minimum") return value >= rule ? "" : bad;
      if (keyword == "maximum") return value <= rule ? "" : bad;
      if (keyword == "exclusiveMinimum") return value > rule ? "" : bad;
      if (keyword == "exclusiveMaximum") return value < rule ? "" : bad;
    }
    if (value.is_string()) {
      const std::string text = value.get<std::string>();
      if (keyword == "minLength") return text.size() >= rule ? "" : bad;
      if (keyword == "pattern") {
        return std::regex_search(text, std::regex(rule.get<std::string>())) ? "" : bad;
      }
    }
    return "";
  }
};

json example() { return json::parse(canonical_json(parse_yaml(kExample, "f"))); }

TEST(Schema, AcceptsTheExample) { EXPECT_EQ(Validator::check(schema(), example()), ""); }

TEST(Schema, RefusesWhatTheLoaderRefuses) {
  const json rules = schema();
  const auto fault_after = [&](const char* pointer, const json& value) {
    json suite = example();
    suite[json::json_pointer(pointer)] = value;
    return Validator::check(rules, suite);
  };
  EXPECT_EQ(fault_after("/smaple", 1), "$.smaple additionalProperties");
  EXPECT_EQ(fault_after("/attacks/1/stpes", 1), "$.attacks[1].stpes additionalProperties");
  EXPECT_EQ(fault_after("/attacks/1/steps", 0), "$.attacks[1].steps anyOf");
  EXPECT_EQ(fault_after("/attacks/1/norm", "l0"), "$.attacks[1].norm enum");
  EXPECT_EQ(fault_after("/attacks/0", {{"name", "c"}, {"attack", "corruption"}}), "");
  EXPECT_EQ(fault_after("/attacks/0", {{"name", "c"}, {"attack", "corruption"}, {"eps", 1}}),
            "$.attacks[0].eps additionalProperties");
  EXPECT_EQ(fault_after("/attacks/1/attack", "pdg"), "$.attacks[1].attack oneOf");
  EXPECT_EQ(fault_after("/attacks/2/stages/0/query", 1),
            "$.attacks[2].stages[0].query additionalProperties");
  EXPECT_EQ(fault_after("/data/test/range", 1), "$.data.test.range additionalProperties");
  EXPECT_EQ(fault_after("/data/pool/format", "idx"), "$.data.pool.label additionalProperties");
  EXPECT_EQ(fault_after("/gate/confidence", 0.5), "$.gate.confidence anyOf");
  EXPECT_EQ(fault_after("/gate/rules/0/at_most", 0.5), "$.gate.rules[0] oneOf");
  EXPECT_EQ(fault_after("/sample/first", 5), "$.sample oneOf");
  EXPECT_EQ(fault_after("/run/time_limit", "6 hours"), "$.run.time_limit pattern");
  EXPECT_EQ(fault_after("/model/input/shape", json::array()), "$.model.input.shape minItems");
  EXPECT_EQ(fault_after("/defaults/stepz", 1), "$.defaults.stepz additionalProperties");
}

TEST(Schema, ParametersHaveDefaultAndHelp) {
  const json rules = schema();
  for (const json& branch : rules["properties"]["attacks"]["items"]["allOf"]) {
    if (branch["if"]["properties"]["attack"]["const"] != "pgd") continue;
    const json& steps = branch["then"]["properties"]["steps"];
    EXPECT_EQ(steps["default"], 40);
    EXPECT_EQ(steps["description"], "gradient steps");
    EXPECT_EQ(branch["then"]["additionalProperties"], false);
    EXPECT_FALSE(branch["then"]["properties"]["step_size"].contains("default"));
    return;
  }
  FAIL() << "no branch for pgd";
}

TEST(Schema, DoesNotDependOnTheOrderOfTheTable) {
  std::vector<AttackInfo> attacks = fake_attacks();
  std::reverse(attacks.begin(), attacks.end());
  EXPECT_EQ(suite_schema(attacks), suite_schema(fake_attacks()));
}

}  // namespace
}  // namespace assay

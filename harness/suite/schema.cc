// JSON Schema of suites, from the tables of keys and the attacks' own declarations.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/suite/keys.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
using Type = Key::Type;

// What a variable of the environment may stand for.
constexpr const char* kVariable = "\\$\\{.+\\}";
constexpr const char* kFraction = "[-+]?[0-9.]+([eE][-+]?[0-9]+)?/[0-9.]+([eE][-+]?[0-9]+)?";
constexpr const char* kPercentage = "[0-9.]+%";

std::string whole(const std::string& pattern) { return "^(" + pattern + ")$"; }

Json text_matching(const std::string& pattern) {
  return {{"type", "string"}, {"pattern", whole(pattern)}};
}

void add_limits(Json& schema, const Limits& limits) {
  if (std::isfinite(limits.least)) {
    const double before = std::nextafter(limits.least, -INFINITY);
    const bool open = is_open(limits.least, before);
    schema[open ? "exclusiveMinimum" : "minimum"] =
        Json::parse(number_text(open ? before : limits.least));
  }
  if (std::isfinite(limits.most)) {
    const double after = std::nextafter(limits.most, INFINITY);
    const bool open = is_open(limits.most, after);
    schema[open ? "exclusiveMaximum" : "maximum"] =
        Json::parse(number_text(open ? after : limits.most));
  }
}

Json integer_schema(const Limits& limits) {
  Json number = {{"type", "integer"}};
  add_limits(number, limits);
  return {{"anyOf", {number, text_matching(kVariable)}}};
}

Json number_schema(const Limits& limits, const std::string& other = "") {
  Json number = {{"type", "number"}};
  add_limits(number, limits);
  std::string texts = std::string(kFraction) + "|.*" + kVariable + ".*";
  if (!other.empty()) texts += "|" + other;
  return {{"anyOf", {number, text_matching(texts)}}};
}

Json list_of(const Json& items, size_t least, size_t most) {
  return {{"type", "array"}, {"items", items}, {"minItems", least}, {"maxItems", most}};
}

Json text_schema(const Key& key) {
  if (!key.choices.empty()) return {{"enum", key.choices}};
  if (!key.pattern.empty()) {
    Json schema = text_matching(key.pattern + "|.*" + kVariable + ".*");
    if (key.pattern == kNamePattern) schema["type"] = {"string", "number"};
    return schema;
  }
  Json schema = {{"type", {"string", "number", "boolean"}}};
  if (!key.may_be_empty) schema["minLength"] = 1;
  return schema;
}

Json one_or_list(const Key& key, const Json& one, const Json& item) {
  Json both = Json::array();
  both.push_back(one);
  both.push_back(list_of(item, key.least_items, key.most_items));
  return {{"anyOf", both}};
}

Json value_schema(const Key& key) {
  switch (key.type) {
    case Type::kText:
      return text_schema(key);
    case Type::kBoolean:
      return {{"type", "boolean"}};
    case Type::kInteger:
      return integer_schema(key.limits);
    case Type::kSeed:
      return integer_schema(Limits{0});
    case Type::kNumber:
      return number_schema(key.limits);
    case Type::kIntegers:
      return list_of(integer_schema(key.limits), key.least_items, key.most_items);
    case Type::kNumbers:
      return list_of(number_schema(key.limits), key.least_items, key.most_items);
    case Type::kTexts:
      return list_of(text_schema(key), key.least_items, key.most_items);
    case Type::kIntegerOrList:
      return one_or_list(key, integer_schema(key.limits), integer_schema(key.limits));
    case Type::kIntegerOrTexts:
      return one_or_list(key, integer_schema(key.limits), text_schema(key));
    case Type::kRadius:
      return one_or_list(key, number_schema(key.limits), number_schema(key.limits));
    case Type::kLimit:
      return number_schema(key.limits, kPercentage);
    case Type::kSection:
      return {{"type", "object"}};
    case Type::kList:
      return {{"type", "array"}, {"minItems", key.least_items}, {"maxItems", key.most_items}};
  }
  return {};
}

Json described(const std::string& help, const Json& schema) {
  Json result = {{"description", help}};
  result.update(schema);
  return result;
}

Json properties_of(const std::vector<Key>& keys) {
  Json properties = Json::object();
  for (const Key& key : keys) properties[key.name] = described(key.help, value_schema(key));
  return properties;
}

Json required_of(const std::vector<Key>& keys) {
  Json names = Json::array();
  for (const Key& key : keys) {
    if (key.required) names.push_back(key.name);
  }
  return names;
}

// A closed map of the table's keys.
Json section_schema(const std::vector<Key>& keys) {
  Json schema = {
      {"type", "object"}, {"properties", properties_of(keys)}, {"additionalProperties", false}};
  const Json required = required_of(keys);
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Json exactly_one(const std::vector<std::string>& names) {
  Json ways = Json::array();
  for (const std::string& name : names) ways.push_back({{"required", {name}}});
  return ways;
}

// `then` holds where `key` is `value`.
Json when(const char* key, const std::string& value, const Json& then) {
  Json condition = {{"properties", {{key, {{"const", value}}}}}};
  condition["required"] = Json::array({key});
  return {{"if", condition}, {"then", then}};
}

Json data_schema() {
  const std::vector<std::string> formats = format_names();
  Json cases = Json::array();
  for (size_t i = 0; i < formats.size(); ++i) {
    cases.push_back(
        when("format", formats[i], section_schema(data_keys(static_cast<DataSpec::Format>(i)))));
  }
  const Key format = data_keys(DataSpec::Format::kIdx)[0];
  const Json set = {{"type", "object"},
                    {"required", {"format"}},
                    {"properties", {{"format", described(format.help, value_schema(format))}}},
                    {"allOf", cases}};
  return {{"type", "object"},
          {"propertyNames", {{"pattern", whole(kNamePattern)}}},
          {"additionalProperties", set}};
}

Json default_of(const ParamValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

Json param_schema(const ParamSpec& spec) {
  Json schema;
  switch (spec.type) {
    case ParamSpec::Type::kBoolean:
      schema = {{"type", "boolean"}};
      break;
    case ParamSpec::Type::kInteger:
      schema = integer_schema(spec.limits);
      break;
    case ParamSpec::Type::kNumber:
      schema = number_schema(spec.limits, spec.choices.empty() ? "" : spec.choices.front());
      break;
    case ParamSpec::Type::kChoice:
      schema = {{"enum", spec.choices}};
      break;
    case ParamSpec::Type::kText:
      schema = {{"type", {"string", "number", "boolean"}}};
      break;
    case ParamSpec::Type::kIntegerList:
      schema = list_of(integer_schema(spec.limits), 1, 100'000);
      break;
    case ParamSpec::Type::kNumberList:
      schema = list_of(number_schema(spec.limits), 1, 100'000);
      break;
  }
  const Json fallback = default_of(spec.fallback);
  if (!fallback.is_null()) schema["default"] = fallback;
  return described(spec.help, schema);
}

// What an attack declares under any of its norms.
std::vector<ParamSpec> declared(const AttackInfo& info) {
  std::vector<ParamSpec> specs;
  std::vector<Norm> norms = info.norms;
  if (norms.empty()) norms.push_back(Norm::kLinf);
  for (const Norm norm : norms) {
    ThreatModel threat;
    threat.norm = norm;
    threat.unbounded = info.unbounded;
    if (!info.unbounded) threat.eps = norm == Norm::kL0 ? 1 : 0.1;
    threat.access = info.access;
    Params params;
    if (info.declare) info.declare(params, threat);
    for (const ParamSpec& spec : params.specs()) {
      const bool known = std::any_of(specs.begin(), specs.end(),
                                     [&](const ParamSpec& s) { return s.name == spec.name; });
      if (!known) specs.push_back(spec);
    }
  }
  return specs;
}

// The keys and parameters of an entry (or stage) of one attack.
Json attack_schema(const AttackInfo& info, std::vector<Key> keys, const Json& stages) {
  for (Key& key : keys) {
    if (key.name != "norm" || info.norms.empty()) continue;
    key.choices.clear();
    for (const Norm norm : info.norms) key.choices.emplace_back(to_string(norm));
  }
  // A required key may stand in `defaults`, which only the program can see.
  for (Key& key : keys) key.required = key.name == "attack" || key.name == "stages";
  Json schema = section_schema(keys);
  schema["properties"]["attack"] = {{"const", info.name}};
  for (const ParamSpec& spec : declared(info)) schema["properties"][spec.name] = param_schema(spec);
  if (!stages.is_null()) schema["properties"]["stages"]["items"] = stages;
  return schema;
}

Json attack_names(const std::vector<AttackInfo>& attacks) {
  Json names = Json::array();
  for (const AttackInfo& info : attacks) {
    names.push_back({{"const", info.name}, {"description", info.summary}});
  }
  return {{"description", "which attack"}, {"oneOf", names}};
}

Json stage_schema(const std::vector<AttackInfo>& attacks) {
  std::vector<AttackInfo> possible;
  Json cases = Json::array();
  for (const AttackInfo& info : attacks) {
    if (info.family != Family::kEvasion || info.name == "ensemble") continue;
    possible.push_back(info);
    cases.push_back(when("attack", info.name, attack_schema(info, stage_keys(), nullptr)));
  }
  Json schema = {{"type", "object"},
                 {"required", {"attack"}},
                 {"properties", {{"attack", attack_names(possible)}}}};
  if (!cases.empty()) schema["allOf"] = cases;
  return schema;
}

Json entry_schema(const std::vector<AttackInfo>& attacks) {
  Json cases = Json::array();
  for (const AttackInfo& info : attacks) {
    const bool ensemble = info.name == "ensemble";
    const Json stages = ensemble ? stage_schema(attacks) : Json(nullptr);
    cases.push_back(
        when("attack", info.name,
             attack_schema(info, entry_keys(info.family, ensemble, info.unbounded), stages)));
  }
  Json properties = properties_of(entry_head_keys());
  properties["attack"] = attack_names(attacks);
  Json schema = {{"type", "object"}, {"required", {"name", "attack"}}, {"properties", properties}};
  if (!cases.empty()) schema["allOf"] = cases;
  return schema;
}

// Adds one more meaning of a default that several attacks take.
void add_meaning(Json& properties, const std::string& name, const Json& schema) {
  if (!properties.contains(name)) {
    properties[name] = schema;
    return;
  }
  Json& present = properties[name];
  if (present == schema) return;
  if (!present.contains("meanings")) present = {{"meanings", Json::array({present})}};
  Json& meanings = present["meanings"];
  if (std::find(meanings.begin(), meanings.end(), schema) == meanings.end()) {
    meanings.push_back(schema);
  }
}

Json defaults_schema(const std::vector<AttackInfo>& attacks) {
  Json properties = Json::object();
  for (const AttackInfo& info : attacks) {
    for (const Key& key : entry_keys(info.family, false, info.unbounded)) {
      if (key.name == "name" || key.name == "attack") continue;
      add_meaning(properties, key.name, described(key.help, value_schema(key)));
    }
    for (const ParamSpec& spec : declared(info)) {
      Json schema = param_schema(spec);
      schema.erase("default");  // each attack has its own
      add_meaning(properties, spec.name, schema);
    }
  }
  for (auto& [name, schema] : properties.items()) {
    if (schema.contains("meanings")) schema = {{"anyOf", Json(schema["meanings"])}};
  }
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

Json model_schema() {
  Json schema = section_schema(model_keys());
  Json& properties = schema["properties"];
  properties["input"].update(section_schema(input_keys()));
  properties["normalize"].update(section_schema(normalize_keys()));
  // --model may supply the path.
  schema["required"] = Json::array({"input", "classes"});
  return schema;
}

Json monitors_schema(std::span<const MonitorInfo> monitors) {
  Json names = Json::array();
  Json cases = Json::array();
  for (const MonitorInfo& info : monitors) {
    names.push_back({{"const", info.name}, {"description", info.summary}});
    Json schema = section_schema(detector_keys());
    Params params;
    info.declare(params);
    for (const ParamSpec& spec : params.specs()) {
      schema["properties"][spec.name] = param_schema(spec);
    }
    cases.push_back(when("monitor", info.name, schema));
  }
  Json properties = properties_of(detector_keys());
  properties["monitor"] = {{"description", "which monitor"}, {"oneOf", names}};
  Json detector = {{"type", "object"}, {"required", {"monitor"}}, {"properties", properties}};
  if (!cases.empty()) detector["allOf"] = cases;
  Json schema = section_schema(monitors_keys());
  schema["properties"]["detectors"]["items"] = detector;
  return schema;
}

Json gate_schema() {
  Json rule = section_schema(rule_keys());
  rule["oneOf"] = exactly_one({"at_least", "at_most", "max_drop", "max_rise", "flags"});
  Json schema = section_schema(gate_keys());
  schema["properties"]["rules"]["items"] = rule;
  return schema;
}

}  // namespace

std::string suite_schema(std::span<const AttackInfo> attacks,
                         std::span<const MonitorInfo> monitors) {
  std::vector<AttackInfo> sorted(attacks.begin(), attacks.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const AttackInfo& a, const AttackInfo& b) { return a.name < b.name; });
  Json sample = section_schema(sample_keys());
  sample["oneOf"] = exactly_one({"count", "first", "ids"});

  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Assay suite"},
                 {"description", "attacks on a model and the rules that decide its promotion"}};
  schema.update(section_schema(suite_keys()));
  Json& properties = schema["properties"];
  properties["assay"] = {{"description", "format version of the suite"}, {"const", 1}};
  properties["model"].update(model_schema());
  properties["data"].update(data_schema());
  properties["sample"].update(sample);
  properties["defaults"].update(defaults_schema(sorted));
  properties["attacks"]["items"] = entry_schema(sorted);
  if (monitors.empty()) {
    properties.erase("monitors");
  } else {
    properties["monitors"].update(monitors_schema(monitors));
  }
  properties["gate"].update(gate_schema());
  properties["run"].update(section_schema(run_keys()));
  return schema.dump(2) + "\n";
}

}  // namespace assay

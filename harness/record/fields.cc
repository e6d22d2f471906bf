#include "harness/record/fields.h"

namespace assay {
namespace {

[[noreturn]] void wrong_type(const Json& json, std::string_view name, const char* expected) {
  throw Error("`" + std::string(name) + "` is of type " + json.type_name() + ", expected " +
              expected);
}

}  // namespace

std::string_view spell(Target::Kind kind) {
  switch (kind) {
    case Target::Kind::kNext:
      return "next";
    case Target::Kind::kRandom:
      return "random";
    case Target::Kind::kLeastLikely:
      return "least_likely";
    case Target::Kind::kLabel:
      return "label";
  }
  check_failed(__FILE__, __LINE__, "Target::Kind", "unknown kind");
}

Json parse_json(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error("not valid JSON");
  return json;
}

int64_t as_integer(const Json& json, std::string_view name) {
  if (!json.is_number_integer()) wrong_type(json, name, "an integer");
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw Error("`" + std::string(name) + "` is " + json.dump() + ", beyond 64 bits");
  }
  return json.get<int64_t>();
}

uint64_t as_unsigned(const Json& json, std::string_view name) {
  if (!json.is_number_unsigned()) wrong_type(json, name, "a non-negative integer");
  return json.get<uint64_t>();
}

double as_number(const Json& json, std::string_view name) {
  if (json.is_null()) return std::numeric_limits<double>::infinity();
  if (!json.is_number()) wrong_type(json, name, "a number or null");
  return json.get<double>();
}

bool as_boolean(const Json& json, std::string_view name) {
  if (!json.is_boolean()) wrong_type(json, name, "a boolean");
  return json.get<bool>();
}

const std::string& as_text(const Json& json, std::string_view name) {
  if (!json.is_string()) wrong_type(json, name, "a string");
  return json.get_ref<const std::string&>();
}

const Json& as_list(const Json& json, std::string_view name) {
  if (!json.is_array()) wrong_type(json, name, "a list");
  return json;
}

const Json& as_object(const Json& json, std::string_view name) {
  if (!json.is_object()) wrong_type(json, name, "an object");
  return json;
}

const Json* Fields::find(const char* key) {
  const auto found = json_.find(key);
  if (found == json_.end()) return nullptr;
  ++read_;
  return &*found;
}

const Json& Fields::at(const char* key) {
  const Json* value = find(key);
  if (value == nullptr) throw Error("`" + name_ + "` lacks the key `" + key + "`");
  return *value;
}

void Fields::finish() const {
  // Every key is read once, so a larger object has a key that nobody asked for.
  if (read_ != json_.size()) {
    throw Error("`" + name_ + "` has " + std::to_string(json_.size()) + " keys, expected " +
                std::to_string(read_));
  }
}

}  // namespace assay

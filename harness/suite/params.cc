#include "harness/suite/params.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/suite/param_text.h"
#include "harness/suite/read.h"

namespace assay {
Params::Params(const Value& entry, std::vector<std::string> taken)
    : entry_(entry), taken_(std::move(taken)) {}

const Value* Params::declare(ParamSpec spec) {
  ASSAY_CHECK(values_.count(spec.name) == 0, "parameter `" + spec.name + "` is read twice");
  ASSAY_CHECK(std::find(taken_.begin(), taken_.end(), spec.name) == taken_.end(),
              "parameter `" + spec.name + "` is a key of the harness");
  const Value* found = entry_ ? entry_->find(spec.name) : nullptr;
  if (found != nullptr && found->is_null()) {
    throw Error(found->where, "`" + spec.name + "` is empty; give it a value or remove the key");
  }
  values_[spec.name] = spec.fallback;
  specs_.push_back(std::move(spec));
  return found;
}

bool Params::boolean(std::string_view name, bool fallback, std::string_view help) {
  const std::string key(name);
  const Value* found = declare(
      {key, ParamSpec::Type::kBoolean, ParamValue(fallback), Limits{}, {}, std::string(help)});
  if (found == nullptr) return fallback;
  const bool bound = as_boolean(*found, name);
  values_[key] = bound;
  return bound;
}

int64_t Params::integer(std::string_view name, int64_t fallback, Limits limits,
                        std::string_view help) {
  const std::string key(name);
  const Value* found = declare(
      {key, ParamSpec::Type::kInteger, ParamValue(fallback), limits, {}, std::string(help)});
  if (found == nullptr) return fallback;
  const int64_t bound = as_integer(*found, name, limits);
  values_[key] = bound;
  return bound;
}

double Params::number(std::string_view name, double fallback, Limits limits,
                      std::string_view help) {
  const std::string key(name);
  const Value* found =
      declare({key, ParamSpec::Type::kNumber, ParamValue(fallback), limits, {}, std::string(help)});
  if (found == nullptr) return fallback;
  const double bound = as_number(*found, name, limits);
  values_[key] = bound;
  return bound;
}

std::optional<double> Params::optional_number(std::string_view name, Limits limits,
                                              std::string_view help) {
  const std::string key(name);
  const Value* found = declare(
      {key, ParamSpec::Type::kNumber, ParamValue(std::monostate{}), limits, {}, std::string(help)});
  if (found == nullptr) return std::nullopt;
  const double bound = as_number(*found, name, limits);
  values_[key] = bound;
  return bound;
}

std::optional<int64_t> Params::optional_integer(std::string_view name, Limits limits,
                                                std::string_view help) {
  const std::string key(name);
  const Value* found = declare({key,
                                ParamSpec::Type::kInteger,
                                ParamValue(std::monostate{}),
                                limits,
                                {},
                                std::string(help)});
  if (found == nullptr) return std::nullopt;
  const int64_t bound = as_integer(*found, name, limits);
  values_[key] = bound;
  return bound;
}

std::optional<double> Params::number_or_auto(std::string_view name, Limits limits,
                                             std::string_view help) {
  const std::string key(name);
  const std::string word = "auto";
  const Value* found =
      declare({key, ParamSpec::Type::kNumber, ParamValue(word), limits, {word}, std::string(help)});
  if (found == nullptr || (found->is_scalar() && found->scalar == word)) return std::nullopt;
  const double bound = as_number(*found, name, limits, "auto");
  values_[key] = bound;
  return bound;
}

std::string Params::choice(std::string_view name, std::string_view fallback,
                           std::vector<std::string> choices, std::string_view help) {
  const std::string key(name);
  ASSAY_CHECK(std::find(choices.begin(), choices.end(), fallback) != choices.end(),
              "the default of `" + key + "` is not among its choices");
  const Value* found = declare({key, ParamSpec::Type::kChoice, ParamValue(std::string(fallback)),
                                Limits{}, choices, std::string(help)});
  if (found == nullptr) return std::string(fallback);
  check_choice(*found, name, choices);
  values_[key] = found->scalar;
  return found->scalar;
}

std::string Params::text(std::string_view name, std::string_view fallback, std::string_view help) {
  const std::string key(name);
  const Value* found = declare({key,
                                ParamSpec::Type::kText,
                                ParamValue(std::string(fallback)),
                                Limits{},
                                {},
                                std::string(help)});
  if (found == nullptr) return std::string(fallback);
  values_[key] = as_text(*found, name);
  return found->scalar;
}

std::vector<int64_t> Params::integers(std::string_view name, std::vector<int64_t> fallback,
                                      Limits limits, std::string_view help) {
  const std::string key(name);
  const Value* found = declare(
      {key, ParamSpec::Type::kIntegerList, ParamValue(fallback), limits, {}, std::string(help)});
  if (found == nullptr) return fallback;
  if (!found->is_list() || found->list.empty()) {
    throw Error(found->where, "`" + key + "` is " + shown(*found) +
                                  ", expected a list of whole numbers such as [100, 1000]");
  }
  std::vector<int64_t> bound;
  for (const Value& item : found->list) bound.push_back(as_integer(item, name, limits));
  values_[key] = bound;
  return bound;
}

void Params::fail(std::string_view name, const std::string& message) const {
  Where where;
  if (entry_) {
    where = entry_->where;
    for (const auto& [key, value] : entry_->map) {
      if (key.scalar == name) where = value.where;
    }
  }
  throw Error(where, message);
}

void Params::refuse(std::string_view name, const std::string& message) const {
  if (!entry_) return;
  for (const auto& [key, value] : entry_->map) {
    if (key.scalar == name && !key.inherited) throw Error(key.where, message);
  }
}

void Params::finish() const {
  if (!entry_) return;
  std::vector<std::string> names;
  for (const ParamSpec& spec : specs_) names.push_back(spec.name);
  names.insert(names.end(), taken_.begin(), taken_.end());
  for (const auto& [key, value] : entry_->map) {
    if (std::find(names.begin(), names.end(), key.scalar) != names.end()) continue;
    std::string of;
    for (const char* kind : {"attack", "monitor"}) {
      const Value* name = entry_->find(kind);
      if (name != nullptr) of = std::string(" of ") + kind + " `" + name->scalar + "`";
    }
    throw Error(key.where,
                "unknown parameter `" + key.scalar + "`" + of + suggest(key.scalar, names));
  }
}

std::string canonical_json(const ParamMap& params) {
  std::string text = "{";
  for (const auto& [name, value] : params) {
    if (text.size() > 1) text += ',';
    text += nlohmann::json(name).dump() + ':' + param_text(value);
  }
  return text + '}';
}

}  // namespace assay

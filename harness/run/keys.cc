#include "harness/run/keys.h"

#include "harness/suite/digest.h"

namespace assay {

void add_field(std::string* text, std::string_view name, std::string_view value) {
  *text += std::string(name) + ':' + std::to_string(value.size()) + ':';
  *text += value;
  *text += '\n';
}

std::string digest_of(const std::map<std::string, std::string>& fields) {
  std::string text;
  for (const auto& [name, value] : fields) add_field(&text, name, value);
  return sha256(text);
}

std::string model_text(const ModelSpec& spec) {
  std::string text;
  add_field(&text, "shape", joined(spec.shape));
  add_field(&text, "range", number_text(spec.lo) + " " + number_text(spec.hi));
  add_field(&text, "mean", joined(spec.mean));
  add_field(&text, "std", joined(spec.std));
  add_field(&text, "output", std::to_string(static_cast<int>(spec.output)));
  add_field(&text, "output_index", spec.output_index);
  add_field(&text, "classes", std::to_string(spec.classes));
  add_field(&text, "dtype", spec.dtype == ModelSpec::Dtype::kFloat64 ? "float64" : "float32");
  return text;
}

std::string value_text(const ParamValue& value) {
  const std::string json = canonical_json(ParamMap{{"x", value}});
  return json.substr(5, json.size() - 6);  // {"x":…}
}

}  // namespace assay

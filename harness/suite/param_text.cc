#include "harness/suite/param_text.h"

#include <nlohmann/json.hpp>

namespace assay {
namespace {

template <typename Number>
std::string list_text(const std::vector<Number>& numbers) {
  std::string text = "[";
  for (const Number& number : numbers) {
    if (text.size() > 1) text += ',';
    text += param_text(number);
  }
  return text + ']';
}

}  // namespace

std::string param_text(const ParamValue& value) {
  struct Writer {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(int64_t n) const { return std::to_string(n); }
    std::string operator()(double d) const { return number_text(d); }
    std::string operator()(const std::string& s) const { return nlohmann::json(s).dump(); }
    std::string operator()(const std::vector<int64_t>& v) const { return list_text(v); }
    std::string operator()(const std::vector<double>& v) const { return list_text(v); }
  };
  return std::visit(Writer{}, value);
}

}  // namespace assay

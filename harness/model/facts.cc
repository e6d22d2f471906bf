// ModelFacts as text for the store.
#include <nlohmann/json.hpp>

#include "harness/model/model.h"

namespace assay {
std::string to_text(const ModelFacts& facts) {
  nlohmann::json json = {{"quantum", facts.quantum},
                         {"random", facts.random},
                         {"gradient", facts.gradient},
                         {"flags", nlohmann::json::array()}};
  for (const Flag& flag : facts.flags) {
    json["flags"].push_back({flag.id, flag.cell, flag.detail, flag.advice});
  }
  return json.dump();
}

bool parse_facts(const std::string& text, ModelFacts* facts) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    ModelFacts read;
    json.at("quantum").get_to(read.quantum);
    json.at("random").get_to(read.random);
    json.at("gradient").get_to(read.gradient);
    for (const nlohmann::json& flag : json.at("flags")) {
      read.flags.push_back({flag.at(0), flag.at(1), flag.at(2), flag.at(3)});
    }
    *facts = std::move(read);
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace assay

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

ModelFacts parse_facts(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  ModelFacts facts;
  json.at("quantum").get_to(facts.quantum);
  json.at("random").get_to(facts.random);
  json.at("gradient").get_to(facts.gradient);
  for (const nlohmann::json& flag : json.at("flags")) {
    facts.flags.push_back({flag.at(0), flag.at(1), flag.at(2), flag.at(3)});
  }
  return facts;
}

}  // namespace assay

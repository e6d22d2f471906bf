// The text of what an extraction cell's units hold → its rows.
#include <cmath>

#include "harness/record/fields.h"

namespace assay {
namespace {

// A character for each record, of those in `allowed`; empty or as long as the first one.
std::string parse_bits(const Json& json, const char* name, std::string_view allowed,
                       size_t records) {
  const std::string& bits = as_text(json, name);
  if (bits.find_first_not_of(allowed) != std::string::npos) {
    throw Error("`" + std::string(name) + "` has a character that is none of `" +
                std::string(allowed) + "`");
  }
  if (!bits.empty() && bits.size() != records) {
    throw Error("`" + std::string(name) + "` is of " + std::to_string(bits.size()) +
                " records, and there are " + std::to_string(records));
  }
  return bits;
}

double finite(const Json& json, std::string_view name) {
  const double value = as_number(json, name);
  if (!std::isfinite(value)) throw Error("`" + std::string(name) + "` is not a finite number");
  return value;
}

Stolen parse_stolen(const Json& json, size_t records) {
  Fields fields(json, "stolen");
  Stolen stolen;
  stolen.budget = fields.integer("budget");
  stolen.seed = fields.integer("seed");
  stolen.queries = fields.integer("queries");
  stolen.agreement = parse_bits(fields.at("agreement"), "agreement", "01", records);
  stolen.accuracy = parse_bits(fields.at("accuracy"), "accuracy", "01", records);
  stolen.transfer = parse_bits(fields.at("transfer"), "transfer", "01-", records);
  for (const Json& item : fields.list("divergence")) {
    stolen.divergence.push_back(finite(item, "divergence"));
  }
  if (stolen.divergence.size() != stolen.agreement.size()) {
    throw Error("`divergence` and `agreement` are not of one length");
  }
  for (const auto& [name, value] : as_object(fields.at("findings"), "findings").items()) {
    stolen.findings[name] = finite(value, name);
  }
  stolen.failure = fields.text("failure");
  fields.finish();
  return stolen;
}

Monitored parse_monitored(const Json& json) {
  Fields fields(json, "monitored");
  Monitored monitored;
  monitored.monitor = fields.text("monitor");
  monitored.seed = fields.integer("seed");
  monitored.attack_queries = fields.integer("attack_queries");
  monitored.mixed = fields.integer("mixed");
  monitored.checks = fields.integer("checks");
  monitored.flagged = fields.integer("flagged");
  monitored.queries_to_alarm = fields.integer("queries_to_alarm");
  monitored.benign_queries = fields.integer("benign_queries");
  monitored.false_alarms = fields.integer("false_alarms");
  monitored.threshold = finite(fields.at("threshold"), "threshold");
  if (const Json* noticed = fields.find("noticed")) {
    monitored.noticed = as_boolean(*noticed, "noticed");
  }
  monitored.failure = fields.text("failure");
  fields.finish();
  return monitored;
}

}  // namespace

void parse_extraction(const Json& json, UnitResult* unit) {
  Fields fields(json, "extraction");
  if (const Json* candidate = fields.find("candidate")) {
    Extracted extracted;
    extracted.candidate = as_text(*candidate, "candidate");
    parse_bits(*candidate, "candidate", "01", extracted.candidate.size());
    for (const Json& item : fields.list("stolen")) {
      extracted.stolen.push_back(parse_stolen(item, extracted.candidate.size()));
    }
    if (const Json* commonest = fields.find("commonest")) {
      extracted.commonest = as_integer(*commonest, "commonest");
      const auto records = static_cast<int64_t>(extracted.candidate.size());
      if (extracted.commonest < 0 || extracted.commonest > records) {
        throw Error("`commonest` is " + std::to_string(extracted.commonest) + ", and there are " +
                    std::to_string(records) + " records");
      }
    }
    unit->extracted = std::move(extracted);
  }
  if (const Json* monitored = fields.find("monitored")) {
    for (const Json& item : as_list(*monitored, "monitored")) {
      unit->monitored.push_back(parse_monitored(item));
    }
  }
  fields.finish();
}

Surface parse_surface(const Json& json) {
  Fields fields(json, "surface");
  Surface surface;
  surface.kind = parse_word(fields.text("kind"), Surface::Kind::kLabel, "surface");
  surface.top_k = fields.integer("top_k");
  surface.decimals = fields.integer("decimals");
  surface.temperature = fields.number("temperature");
  surface.noise = fields.number("noise");
  fields.finish();
  return surface;
}

}  // namespace assay

// What an extraction cell's units hold → its text.
#include "harness/record/encoding.h"

namespace assay {
namespace {

std::string stolen_text(const Stolen& stolen) {
  ObjectText object;
  object.integer("budget", stolen.budget);
  object.integer("seed", stolen.seed);
  object.integer("queries", stolen.queries);
  object.text("agreement", stolen.agreement);
  object.text("accuracy", stolen.accuracy);
  object.text("transfer", stolen.transfer);
  object.raw("divergence", list_text(stolen.divergence, json_number));
  ObjectText findings;
  for (const auto& [name, value] : stolen.findings) findings.number(name, value);
  object.raw("findings", findings.close());
  object.raw("failure", lossy_string(stolen.failure));
  return object.close();
}

std::string monitored_text(const Monitored& monitored) {
  ObjectText object;
  object.text("monitor", monitored.monitor);
  object.integer("seed", monitored.seed);
  object.integer("attack_queries", monitored.attack_queries);
  object.integer("mixed", monitored.mixed);
  object.integer("checks", monitored.checks);
  object.integer("flagged", monitored.flagged);
  object.integer("queries_to_alarm", monitored.queries_to_alarm);
  object.integer("benign_queries", monitored.benign_queries);
  object.integer("false_alarms", monitored.false_alarms);
  object.number("threshold", monitored.threshold);
  if (monitored.noticed) object.raw("noticed", *monitored.noticed ? "true" : "false");
  object.raw("failure", lossy_string(monitored.failure));
  return object.close();
}

}  // namespace

std::string extraction_text(const UnitResult& unit) {
  ObjectText object;
  if (unit.extracted) {
    object.text("candidate", unit.extracted->candidate);
    object.raw("stolen", list_text(unit.extracted->stolen, stolen_text));
    if (unit.extracted->commonest > 0) object.integer("commonest", unit.extracted->commonest);
  }
  if (!unit.monitored.empty()) {
    object.raw("monitored", list_text(unit.monitored, monitored_text));
  }
  return object.close();
}

}  // namespace assay
